/**
 * Puts each leak of test/privacy/leaks.ts into a copy and looks for it there with random histories: `npm run mutations:privacy`.
 * A part of a leak's text as argument runs those only. Exit 1 if one is not found within CASES histories.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { leaks } from '../test/privacy/leaks.ts';
import { inBrokenCopy, root } from './broken-copy.ts';

const CASES = process.env.CASES ?? '5000';
/** What the property needs; everything that decides what is seen is among it. */
const folders = ['base', 'schemas', 'ports', 'processors', 'topology', 'connectors', 'gateway', 'test/privacy'];

function copyNeeded(copy: string): void {
  for (const folder of folders) cpSync(join(root, folder), join(copy, folder), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(root, file), join(copy, file));
}

/** The first seed in which it is found; null: in none. */
function firstSeed(copy: string): number | null {
  const words = ['tsx', join(copy, 'test/privacy/command.ts'), '--cases', CASES];
  const { stdout } = spawnSync('npx', words, { cwd: copy, encoding: 'utf8', maxBuffer: 1 << 26 });
  const seed = /A leak, seed (\d+)/.exec(stdout)?.[1];
  if (seed === undefined && !stdout.includes(`${CASES} of ${CASES}`))
    throw new Error(`It came to no end:\n${stdout.slice(-500)}`);
  return seed === undefined ? null : Number(seed);
}

const wanted = process.argv[2] ?? '';
const chosen = leaks.filter(({ shows }) => shows.includes(wanted));
let missed = 0;
for (const leak of chosen) {
  if (readFileSync(join(root, leak.file), 'utf8').split(leak.find).length !== 2) throw new Error(`Stale: ${leak.shows}`);
  const seed = await inBrokenCopy(leak, copyNeeded, firstSeed);
  if (seed === null) missed += 1;
  console.log(`${seed === null ? 'NOT FOUND' : `seed ${seed}`.padEnd(9)}  ${leak.shows} (${leak.file})`);
}
console.log(`${chosen.length} leaks, ${chosen.length - missed} found within ${CASES} cases.`);
process.exitCode = missed === 0 && chosen.length > 0 ? 0 : 1;
