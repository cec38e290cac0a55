/**
 * `npx tsx client/conformance/run.ts --command 'node my-client.js'`: plays the scenarios against a client of any language, and
 * says which it passes.
 * README.md says what the client must understand and say. Exit codes: 0 all passed, 1 not all, 2 wrong usage.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { play } from './play.ts';
import type { Scenario } from './scenario.ts';

const folder = new URL('./scenarios/', import.meta.url);

export const scenarios = (): readonly Scenario[] =>
  readdirSync(folder)
    .sort()
    .map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Scenario);

const usage = `Usage: npx tsx client/conformance/run.ts --command <command> [--only <name>]… [--without retry_after|half_open]…`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      command: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      without: { type: 'string', multiple: true, default: [] },
    },
  });
  const { command, only, without } = values;
  if (command === undefined) throw new TypeError('--command is missing.');
  const all = scenarios();
  const unknown = only.filter((name) => !all.some((one) => one.name === name));
  if (unknown.length > 0) throw new TypeError(`There is no scenario ${unknown.join(', ')}.`);
  const chosen = all.filter(
    ({ name, optional }) => (only.length === 0 || only.includes(name)) && !without.includes(optional ?? ''),
  );
  let failed = 0;
  const queue = [...chosen];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { name, why } = next;
      await play(next, { command }).then(
        () => console.log(`ok      ${name}`),
        (error: unknown) => {
          failed += 1;
          console.log(`FAILED  ${name}\n  ${why}\n  ${(error as Error).message}`);
        },
      );
    }
  };
  // Most of a scenario is waiting.
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  console.log(`${chosen.length - failed} of ${chosen.length} passed`);
  return failed === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      console.error(`${(error as Error).message}\n${usage}`);
      process.exitCode = 2;
    },
  );
}
