/** An author's mistakes, as the author's commands tell them: the place in the sources, one sentence, and an exit code. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyOfTree } from '../guide/copy.ts';

let copy = '';
let healthy = '';
beforeAll(() => {
  copy = copyOfTree();
  healthy = readFileSync(join(copy, 'topology/presence.ts'), 'utf8');
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function topology(args: readonly string[], edit: readonly [string, string] = ['', ''], input = '') {
  const [from, to] = edit;
  expect(healthy).toContain(from);
  writeFileSync(join(copy, 'topology/presence.ts'), from === '' ? healthy : healthy.replace(from, () => to));
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, VITEST: undefined };
  const command = ['bin/presence.mjs', 'topology', ...args];
  // Without the limit, a topology that hangs would hang the test.
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    cwd: copy,
    env,
    encoding: 'utf8',
    input,
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}
const lineOf = (text: string): number => healthy.slice(0, healthy.indexOf(text)).split('\n').length;

test.each([['lint'], ['plan'], ['test']])('%s tells a setting that is missing, and goes no further', (command) => {
  const { status, stdout } = topology([command], ['lease: seconds(3), ', '']);
  expect(stdout).toContain(
    `error presence.silence (topology/presence.ts:${lineOf("offlineTimeout('silence'")}) [missing-setting]`,
  );
  expect(stdout).not.toMatch(/compatible|scenarios/);
  expect(status).toBe(1);
});

test('plan tells what lint refuses, as data too', () => {
  const { status, stdout } = topology(['plan', '--json'], ['window: ms(200)', 'window: ms(0)']);
  expect(JSON.parse(stdout)).toMatchObject({
    topology: 'presence@1',
    faults: [{ rule: 'no-window', at: 'presence.strongest-signal' }],
  });
  expect(status).toBe(1);
});

test.each<[string, readonly [string, string], RegExp]>([
  [
    'a function that is not imported',
    ["dedupe('drop", "dedup('drop"],
    /^presence: topology\/presence\.ts:\d+: dedup is not defined \(/,
  ],
  [
    'a field of nothing',
    ['state: topics.state,', 'state: topics.stat.name,'],
    /^presence: topology\/presence\.ts:\d+: Cannot read/,
  ],
])('%s is told with its line, and without our stack', (_, edit, said) => {
  const { status, stderr } = topology(['lint'], edit);
  expect(stderr).toMatch(said);
  expect(stderr).toContain(`topology/presence.ts:${lineOf(edit[0])}:`);
  expect(stderr).toMatch(/npx tsc -p \. says more\.\n$/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(status).toBe(1);
});

test('a constant that does not exist is a missing setting', () => {
  const { status, stdout } = topology(['lint'], ['topic: topics.diffs', 'topic: topics.diff']);
  expect(stdout).toMatch(/presence\.diffs .*\[missing-setting\]\n {2}topic is missing, or undefined/);
  expect(status).toBe(1);
});

test.each<[readonly string[], string, RegExp]>([
  [['descrbe'], '', /unknown command 'descrbe'\. presence topology has describe, lint, test, plan\./],
  [['test', '--play', '--update'], '', /'--play' cannot be used with option '--update'/],
  [['test', '--play', '--json'], '', /'--play' cannot be used with option '--json'/],
  [['test', '-', '--update'], '0s tick', /--update has nowhere to write what - says/],
  [['test', 'topology'], '', /topology is a folder: name the files in it/],
])('%j is wrong usage', (args, input, said) => {
  const { status, stderr } = topology(args, undefined, input);
  expect(stderr).toMatch(said);
  expect(status).toBe(2);
});
