/** Our client passes the conformance suite, and clients that break a rule do not. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { play } from '../../client/conformance/play.ts';
import { scenarios } from '../../client/conformance/run.ts';

const root = join(import.meta.dirname, '../..');
/** Inside node_modules, so that the bundle finds `ws`. */
const folder = join(root, 'node_modules/.cache/conformance');
const all = scenarios();
let adapter = '';

const commandOf = (name: string, text: string): string => {
  const file = join(folder, `${name}-${process.pid}.mjs`);
  writeFileSync(file, text);
  return `node ${JSON.stringify(file)}`;
};

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['client/conformance/adapter.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
  });
  adapter = outputFiles[0]!.text;
});

const patience = { timeout: 120_000 };

describe('Our client', patience, () => {
  test.concurrent.each(all.map((scenario) => [scenario.name, scenario] as const))('%s', async (name, scenario) => {
    await play(scenario, { command: commandOf(name, adapter) });
  });
});

describe('A client that', patience, () => {
  test.concurrent.each([
    ['never resumes', /type: "resume"/, 'type: "resumed"', 'resumes'],
    [
      'resumes whom it does not know',
      /resume: ids\.filter\([^\n]*subscribe: ids\.filter\([^\n]*\n?/,
      'resume: ids, subscribe: [] };',
      'resumes-only-whom-it-knows',
    ],
    ['goes back to older versions', /if \(!newer\(diff, previous\)\)\s+continue;/, '', 'repeats-and-older-ones'],
    ['does not look at epochs', /a\.epoch > b\.epoch \|\| a\.epoch === b\.epoch && /, '', 'a-new-epoch'],
    ['does not keep early diffs', /if \(keepEarly\?\.\(user_id\)\)/, 'if (false)', 'diffs-before-their-snapshot'],
    ['takes any gap for granted', /diff\.from !== previous\.state/, 'false', 'a-gap'],
    [
      'takes jumps of versions for gaps',
      /diff\.from !== previous\.state/,
      'diff.version !== previous.version + 1',
      'versions-may-jump',
    ],
    ['gives up at a garbled cursor', /code === "bad_input" && this\.#resuming/, 'false', 'garbled-cursor'],
    ['does not mind a drain', /this\.#link\.moveIn\([^)]*\)/, 'void 0', 'drain'],
    ['comes back in a replaced session', /this\.session_id = this\.#id\(\);\s+this\.seq = 0;/, '', 'close-4409'],
    ['comes back at once when too fast', /TOO_FAST_MS = 5e3/, 'TOO_FAST_MS = 0', 'close-4429'],
    ['dials without pauses', /Math\.round\(bound \* random\(\)\)/, '0', 'refused-for-a-while'],
    ['shows the same token again', /this\.#held = void 0;/, '', 'close-4401'],
  ])('%s does not pass', async (what, rule, instead, name) => {
    const broken = adapter.replace(rule, instead);
    expect(broken, `${rule} is not in the client`).not.toBe(adapter);
    const command = commandOf(what.replaceAll(' ', '-'), broken);
    const scenario = all.find((one) => one.name === name)!;
    await expect(play(scenario, { command, within_ms: 4_000 })).rejects.toThrow(name);
  });
});

test('the command says what passed, what was expected where not, and how it is used', patience, () => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'client/conformance/run.ts', ...args], { cwd: root, encoding: 'utf8' });
  const well = run('--command', commandOf('command', adapter), '--only', 'kept-list');
  expect([well.status, well.stdout]).toEqual([0, 'ok      kept-list\n1 of 1 passed\n']);
  const silent = run('--command', 'exit 3', '--only', 'kept-list');
  expect([silent.status, silent.stdout]).toEqual([1, expect.stringMatching(/FAILED {2}kept-list\n.*\n.*process has ended/)]);
  expect([run('--only', 'kept-list').status, run('--command', 'x', '--only', 'no-such').status]).toEqual([2, 2]);
});

test('each scenario is called as its file is, and says why', () => {
  expect(all.length).toBeGreaterThanOrEqual(30);
  for (const { name, why, steps } of all) expect([name, why.length > 20, steps.length > 2]).toEqual([name, true, true]);
});
