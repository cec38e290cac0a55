/** What is said of a scenario that does not play as written, and how its answers are written anew. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, describe as suite, test } from 'vitest';
import { signal as signalOf } from '../../schemas/signal.ts';
import { presence } from '../presence.ts';
import { Driver } from './driver.ts';
import { check, difference, type Table, updated } from './scenario-check.ts';
import { tablesOf, withTable } from './scenario-files.ts';
import { filled, storeOf, toPlay } from './vitest.ts';

expect.extend({ toPlay });

const wrong = `
  0s    g1 lives
  // ada comes, and says more than she should
  0.1s  ada/phone hello
  = 0.1s ada offline>busy v1 signal app     // wrong
  = 0.1s ada offline>away v1 signal app

  2s    tick
  : ada devices=2 state=online
  5s    ada/phone goodbye
  7s    tick
`;
const right = `
  0s    g1 lives
  // ada comes, and says more than she should
  0.1s  ada/phone hello
  = 0.1s ada offline>online v1 signal inferred

  2s    tick
  : ada devices=1 state=online
  5s    ada/phone goodbye
  = 6s ada online>offline v2 goodbye inferred
  7s    tick
`;
const table = (text: string): Table => ({ title: 'a phone', path: 'own.txt', line: 10, text });

suite('a scenario that differs', () => {
  test('is shown by its steps, with their lines, what was expected and what came', () => {
    expect(check(presence, table(wrong)).differences.join('\n')).toBe(`\
  own.txt:13
    0.1s ada/phone hello
  - = 0.1s ada offline>busy v1 signal app
  - = 0.1s ada offline>away v1 signal app
  + = 0.1s ada offline>online v1 signal inferred
  own.txt:17
    2s tick
  - : ada devices=2 state=online
  + : ada devices=1 state=online
  own.txt:19
    5s ada/phone goodbye
  + = 6s ada online>offline v2 goodbye inferred`);
  });

  test('is written anew with what came: steps, comments, blank lines and indentation stay', () => {
    const { seen } = check(presence, table(wrong));
    expect(updated(wrong, seen ?? '')).toBe(right);
    expect(check(presence, table(right)).differences).toEqual([]);
    expect(updated(right, seen ?? '')).toBe(right);
  });

  test('and cannot be read says which line, and leaves the others be', () => {
    expect(check(presence, table('0s ada/phone helo')).differences).toEqual([
      '  own.txt:10',
      '  "helo" is no step, in the line "0s ada/phone helo". Steps: tick, restart, again, cut epoch=7; ' +
        'g1 lives|stops|marker; ada/phone hello|heartbeat|goodbye|silence; ada override|clear.',
    ]);
  });
});

test.each([
  ['nothing', [], [], []],
  ['one more', ['a'], ['a', 'b'], ['  a', '+ b']],
  ['one before', ['b'], ['a', 'b'], ['+ a', '  b']],
  ['one less', ['a', 'b', 'c'], ['a', 'c'], ['  a', '- b', '  c']],
  ['another', ['a', 'x', 'c'], ['a', 'y', 'c'], ['  a', '- x', '+ y', '  c']],
])('a difference: %s', (_, expected, seen, lines) => {
  expect(difference(expected, seen)).toEqual(lines);
});

suite('files', () => {
  const page = '# One\n\n```scenario\n0s g1 lives\n1s tick\n```\n\n## Two\n\n```sh\nls\n```\n\n```scenario\n0s tick\n```\n';

  test('Markdown has a table a block, under its heading, with its line', () => {
    expect(tablesOf('a.md', page)).toEqual([
      { title: 'One', path: 'a.md', line: 4, text: '0s g1 lives\n1s tick' },
      { title: 'Two', path: 'a.md', line: 15, text: '0s tick' },
    ]);
  });

  test('a table is put back where it was', () => {
    const [, two] = tablesOf('a.md', page);
    expect(withTable(page, two as Table, '0s tick\n1s tick')).toBe(page.replace('\n0s tick\n', '\n0s tick\n1s tick\n'));
  });

  test('any other file is a table', () => {
    expect(tablesOf('x/a.txt', '0s tick')).toEqual([{ title: 'a.txt', path: 'x/a.txt', line: 1, text: '0s tick' }]);
  });
});

suite('the Markdown beside the project’s own scenarios', () => {
  const folder = new URL('../scenarios/', import.meta.url);
  const tables = readdirSync(folder)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) => tablesOf(name, readFileSync(new URL(name, folder), 'utf8')));
  test.each(tables)('$title', ({ text }) => {
    expect(presence).toPlay(text);
    expect(presence).toPlay(text.replace(/^!.*$/gm, ''), { restarting: true });
  });
});

suite('in vitest', () => {
  test('a table that does not play fails with what differs', () => {
    expect(() => expect(presence).toPlay(wrong)).toThrow(/- = 0\.1s ada offline>busy[\s\S]*\+ = 0\.1s ada offline>online/);
    expect(presence).not.toPlay(wrong);
    expect(() => expect(presence).not.toPlay(right)).toThrow(/was expected not to/);
  });

  test('a driver begins with users, and a store is read by its name', () => {
    const first = new Driver(presence);
    const start = 1_700_000_000_000;
    const say = (driver: Driver, at: number, seq: number): void => {
      const ids = { user_id: 'ada', device_id: 'phone', session_id: 's' };
      driver.feed(start + at, signalOf({ kind: 'heartbeat', ...ids, seq, state: 'busy', ttl_ms: 60_000 }));
    };
    say(first, 0, 1);
    first.feed(start + 500, signalOf({ kind: 'tick' }));
    const driver = filled(presence, [...first.states.values()]);
    say(driver, 1_000, 1); // heard before: the record says so
    say(driver, 1_100, 2);
    driver.feed(start + 40_000, signalOf({ kind: 'tick' }));
    driver.feed(start + 41_000, signalOf({ kind: 'tick' }));
    expect(driver.processor.takeCounts().duplicates).toBe(1);
    expect(storeOf(presence, driver, 'claims', 'ada')).toEqual({
      user: { override: null },
      devices: { phone: { state: 'busy', source: 'app' } },
    });
    expect(storeOf(presence, driver, 'claims', 'nobody')).toBeNull();
    expect(() => storeOf(presence, driver, 'moods', 'ada')).toThrow(
      'There is no store moods: the topology has sessions, claims, lives, emitted.',
    );
  });
});

test('a time that would never be reached is told, and not gone through', () => {
  const late = check(presence, table('0s g1 lives\n9000000h tick'));
  expect(late.differences[1]).toMatch(/From 0s on that is 32400000000 records, 1000000 are allowed .*"9000000h tick"/);
  const unreadable = check(presence, table('1.2.3s tick'));
  expect(unreadable.differences[1]).toMatch(/"1.2.3s" is not a time/);
});
