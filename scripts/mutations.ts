/**
 * Breaks each rule of presence once and runs the scenarios on it (topology/mutations.ts): `npm run mutations`.
 *
 * Each mutation is made in a copy of the pure folders under the system's temporary folder. Exit 1 if one is
 * noticed by no scenario. Writes docs/mutations.md. A part of a mutation's text as argument runs those only, and writes nothing.
 */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { play as Play, tidy as Tidy } from '../topology/kit/scenario.ts';
import type { Mutation } from '../topology/mutations/mutation.ts';
import { mutations } from '../topology/mutations.ts';
import { scenarios } from '../topology/presence.scenarios.ts';
import type { presence as Presence } from '../topology/presence.ts';
import { inBrokenCopy, root } from './broken-copy.ts';

function copyPure(copy: string): void {
  for (const folder of ['processors', 'topology', 'schemas', 'base'])
    cpSync(join(root, folder), join(copy, folder), { recursive: true });
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}');
}

interface Noticed {
  readonly group: readonly string[];
  readonly others: number;
}

const noticedBy = (mutation: Mutation): Promise<Noticed> => inBrokenCopy(mutation, copyPure, (copy) => noticedIn(copy, mutation));

/** The titles of the scenarios that fail on a broken copy; what it throws counts as failing. */
async function noticedIn(copy: string, mutation: Mutation): Promise<Noticed> {
  const load = (path: string): Promise<unknown> => import(pathToFileURL(join(copy, path)).href);
  const declared = (await load('topology/presence.ts').catch(refusal)) as { presence: typeof Presence } | string;
  if (typeof declared === 'string') return { group: [declared], others: 0 };
  const { play, tidy } = (await load('topology/kit/scenario.ts')) as { play: typeof Play; tidy: typeof Tidy };
  const { hotUsers } = mutation;
  const options = hotUsers === undefined ? {} : { hotUsers };
  const failing = scenarios.filter(({ table }) => {
    try {
      return play(declared.presence, table, options) !== tidy(table);
    } catch {
      return true;
    }
  });
  const group = failing.filter(({ rule }) => hotUsers !== undefined || rule === mutation.rule).map(({ title }) => title);
  return { group, others: failing.length - group.length };
}

/** The rule of lint for which a declaration is refused: nothing can be played then. */
function refusal(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const rule = /\[([a-z-]+)\]$/.exec(message ?? '')?.[1];
  if (code !== 'BAD_TOPOLOGY' || rule === undefined) throw error;
  return `its declaration is refused (${rule})`;
}

const wanted = process.argv[2];
const chosen = mutations.filter(({ rule, breaks }) => wanted === undefined || `${rule} ${breaks}`.includes(wanted));
const rows: string[] = [];
let survivors = 0;
for (const mutation of chosen) {
  const { group, others } = await noticedBy(mutation);
  if (group.length === 0) survivors += 1;
  const noticed =
    group.length === 0 ? '**none**' : `${group[0]}${group.length + others > 1 ? ` (and ${group.length + others - 1} more)` : ''}`;
  rows.push(`| ${mutation.rule} | ${mutation.breaks} | \`${mutation.file}\` | ${noticed} |`);
  if (group.length === 0)
    console.log(`Not noticed by the scenarios of "${mutation.rule}" (${others} others did): ${mutation.breaks}`);
}
console.log(`${chosen.length} mutations, ${chosen.length - survivors} noticed by a scenario of their rule.`);
if (wanted === undefined) {
  const head = [
    '# Every rule of presence, broken once',
    '',
    'Written by `npm run mutations` (topology/mutations.ts).',
    `${chosen.length} mutations, ${chosen.length - survivors} noticed by a scenario of their rule.`,
    '',
    '| Rule | Broken so that | In | Noticed by |',
    '| --- | --- | --- | --- |',
  ];
  writeFileSync(join(root, 'docs/mutations.md'), `${[...head, ...rows].join('\n')}\n`);
}
process.exitCode = survivors === 0 ? 0 : 1;
