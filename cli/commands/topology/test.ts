/** `presence topology test`. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { PresenceError } from '../../../base/errors.ts';
import type { Outcome, Table } from '../../../topology/kit/scenario-check.ts';
import { type TopologyName, topologyOption } from './loaded.ts';

const root = new URL('../../../', import.meta.url);

export function addTest(topology: Command): void {
  topology
    .command('test')
    .description(
      'Plays scenarios through the topology in virtual time, and compares what comes with what they say. 1 if they differ.',
    )
    .argument(
      '[files...]',
      'Markdown with ```scenario blocks, or a table alone; - reads one. Default: all of topology/scenarios/',
    )
    .option('--update', 'write what came into the files')
    .addOption(new Option('--play', 'print what came, compare nothing').conflicts(['update', 'json']))
    .addOption(topologyOption())
    .option('--restarting', 'the process dies and is restored after every record')
    .option('--json', 'as data')
    .addHelpText(
      'after',
      `
The language: topology/kit/scenario.ts. Tables of your own: topology/scenarios/own.md.

Examples:
  presence topology test
  presence topology test topology/scenarios/own.md --update
  printf '0s ada/phone heartbeat busy ttl=5s\\n9s tick\\n' | presence topology test - --play`,
    )
    .action(run);
}

interface Flags {
  readonly topology: TopologyName;
  readonly update?: boolean;
  readonly play?: boolean;
  readonly restarting?: boolean;
  readonly json?: boolean;
}

async function run(files: readonly string[], { topology, update, play, restarting, json }: Flags): Promise<void> {
  if (topology === 'fan-out') throw noTables();
  if (update === true && files.includes('-')) throw unusable('--update has nowhere to write what - says: give a file');
  const [{ check }, { loadSpec, loadTopology }, { refused }] = await Promise.all([
    import('../../../topology/kit/scenario-check.ts'),
    import('./loaded.ts'),
    import('./faults.ts'),
  ]);
  if (refused(await loadSpec(), json)) return;
  const presence = await loadTopology();
  const tables = files.length === 0 ? await allTables() : (await Promise.all(files.map((file) => tablesIn(file)))).flat();
  const begun = performance.now();
  const outcomes = tables.map((table) => check(presence, table, restarting === true ? { restarting } : {}));
  const seconds = (performance.now() - begun) / 1_000;
  const failed = outcomes.filter(({ differences }) => differences.length > 0);
  if (play === true) {
    for (const { table, seen, differences } of outcomes)
      process.stdout.write(`${seen ?? `${table.title}\n${differences.join('\n')}`}\n`);
    if (outcomes.some(({ seen }) => seen === null)) process.exitCode = 2;
    return;
  }
  if (update === true) await write(failed);
  const left = update === true ? failed.filter(({ seen }) => seen === null) : failed;
  if (left.length > 0) process.exitCode = 1;
  if (json === true) {
    const results = outcomes.map(({ table, differences }) => ({
      title: table.title,
      path: table.path,
      line: table.line,
      differences,
    }));
    process.stdout.write(`${JSON.stringify({ scenarios: outcomes.length, failed: failed.length, results }, null, 2)}\n`);
    return;
  }
  for (const { table, differences } of left) process.stdout.write(`differs: ${table.title}\n${differences.join('\n')}\n\n`);
  const changed = update === true ? `, ${failed.length - left.length} updated` : '';
  const counts = `${outcomes.length} scenarios, ${outcomes.length - failed.length} as written, ${left.length} differ`;
  process.stdout.write(`${counts}${changed} (${seconds.toFixed(2)} s).\n`);
  if (left.length > 0) process.stdout.write('- is what the scenario says, + what came. If + is right: --update.\n');
}

/** The project's own, written in TypeScript, and all Markdown beside them. */
async function allTables(): Promise<readonly Table[]> {
  const { scenarios } = await import('../../../topology/presence.scenarios.ts');
  const folder = new URL('topology/scenarios/', root);
  const sources = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ path: `topology/scenarios/${name}`, text: readFileSync(new URL(name, folder), 'utf8') }));
  const own = scenarios.map(({ rule, title, table }) => {
    const source = sources.find(({ text }) => text.includes(table));
    const line = source === undefined ? 1 : source.text.slice(0, source.text.indexOf(table)).split('\n').length;
    return { title: `${rule}: ${title}`, path: source?.path ?? 'topology/scenarios/', line, text: table };
  });
  const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
  return [...own, ...(await Promise.all(pages.map((name) => tablesIn(`topology/scenarios/${name}`, root)))).flat()];
}

async function tablesIn(path: string, base?: URL): Promise<readonly Table[]> {
  const { tablesOf } = await import('../../../topology/kit/scenario-files.ts');
  const file = base instanceof URL ? fileURLToPath(new URL(path, base)) : path;
  if (path !== '-' && !existsSync(file)) throw unusable(`${path} is not there`);
  if (path !== '-' && statSync(file).isDirectory()) throw unusable(`${path} is a folder: name the files in it`);
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw unusable(`${path} cannot be read: ${(cause as Error).message}`);
  }
  const tables = tablesOf(path, text);
  if (tables.length === 0) throw unusable(`${path} has no block that begins with \`\`\`scenario`);
  return tables;
}

/** A table says what users do; a joined topology is told of gateways and diffs. */
const noTables = (): PresenceError =>
  new PresenceError('BAD_SETTING', 'fan-out has no scenario tables: they say what users do, which is not what it reads.', {
    at: '--topology',
    retriable: false,
    help: 'Use its laws and the tables of its stages: npx vitest run topology/fan-out processors/fan-out',
  });

const unusable = (message: string): PresenceError =>
  new PresenceError('BAD_SETTING', `${message}.`, { at: 'files', retriable: false, help: 'presence topology test --help' });

/** The last table of a file first, so that the lines of the others stay where they are. */
async function write(outcomes: readonly Outcome[]): Promise<void> {
  const [{ updated }, { withTable }] = await Promise.all([
    import('../../../topology/kit/scenario-check.ts'),
    import('../../../topology/kit/scenario-files.ts'),
  ]);
  for (const { table, seen } of [...outcomes].sort((a, b) => b.table.line - a.table.line)) {
    if (seen === null) continue;
    const path = existsSync(table.path) ? table.path : fileURLToPath(new URL(table.path, root));
    const file = readFileSync(path, 'utf8');
    const text = updated(table.text, seen);
    writeFileSync(path, path.endsWith('.ts') ? file.replace(table.text, () => text) : withTable(file, table, text));
  }
}
