/** Every rule is broken once, by the example of its help page, and says what the page says. */
import { readFileSync } from 'node:fs';
import { expect, describe as suite, test } from 'vitest';
import { systemOf } from '../../cli/system-spec.ts';
import { devices, history, users } from '../../connectors/cockroach/tables.ts';
import { lastSeenKey, stateKey } from '../../connectors/redis/keys.ts';
import { HEARTBEAT_MS } from '../../gateway/ws/protocol.ts';
import { editedSpec, editedTopology, readEdits } from '../../test/topology/edited.ts';
import { presence } from '../presence.ts';
import { CONNECTED, MARKER_MS, SOURCES, STATES } from './lint/facts.ts';
import { locate, printFault } from './lint/print.ts';
import { lint, rules } from './lint.ts';
import { BadTopology } from './topology.ts';

interface Section {
  readonly id: string;
  readonly level: string;
  readonly bad: string;
  readonly said: string;
  readonly good: string;
}

const page = readFileSync(new URL('../../docs/lint.md', import.meta.url), 'utf8');
const sections: readonly Section[] = page
  .split(/^### /m)
  .slice(1)
  .map((text) => {
    const block = (name: string): string => new RegExp(`^\`\`\`${name}\n([^]*?)\n\`\`\`$`, 'm').exec(text)?.[1] ?? '';
    const level = /\n\n(Error|Warning)\. /.exec(text)?.[1]?.toLowerCase() ?? '';
    return { id: text.split('\n')[0] ?? '', level, bad: block('edit bad'), said: block('text'), good: block('edit good') };
  });

test('presence breaks no rule', () => {
  expect(lint(presence.spec)).toEqual([]);
  expect(lint(systemOf(presence.spec))).toEqual([]);
});

test('docs/lint.md has a section a rule, in their order and with their level, and no other', () => {
  expect(sections.map(({ id, level }) => [id, level])).toEqual(rules.map(({ id, level }) => [id, level]));
});

suite.each(sections)('$id', ({ id, bad, said, good }) => {
  const saidOf = (edits: string): string =>
    lint(editedSpec(readEdits(edits)))
      .filter(({ rule }) => rule === id)
      .map((fault) => printFault(fault))
      .join('\n');

  test('the bad example breaks it, and lint says what the page says', () => {
    expect(saidOf(bad)).toBe(said);
  });

  test('the good example does not', () => {
    expect(saidOf(good)).toBe('');
  });
});

test('faults are told all at once', () => {
  const bad = ['version', 'duplicate-store', 'short-lease', 'one-partition', 'no-state'];
  const edits = bad.map((id) => sections.find((section) => section.id === id)?.bad).join('\n');
  const broken = new Set(lint(editedSpec(readEdits(edits))).map(({ rule }) => rule));
  expect(bad.filter((id) => !broken.has(id))).toEqual([]);
});

test('rules measure by what the parts do', () => {
  expect(MARKER_MS).toBe(HEARTBEAT_MS);
  const ranks = presence.spec.stages[1]?.config;
  expect([ranks?.sources, ranks?.states]).toEqual([SOURCES, STATES]);
  const keys = [stateKey, lastSeenKey].map((key) => key(7).replace('7', 'n'));
  expect(CONNECTED.redis.targets).toEqual(keys);
  const tables = [devices, users, history].map((sql) => /INTO (\w+)/.exec(JSON.stringify(sql))?.[1]);
  expect(CONNECTED.cockroachdb.targets).toEqual(tables);
});

suite('a topology that was not compiled', () => {
  test.each([
    ['lease: seconds(3), grace', 'grace', 'presence.silence missing-setting'],
    ['grace: seconds(1),', '', 'presence.silence missing-setting'],
    [", store: 'lives'", '', 'presence.silence missing-setting'],
    ["by: 'seq'", "bye: 'seq'", 'presence.drop-repeats missing-setting, presence.drop-repeats unknown-setting'],
    ["by: 'seq'", "by: 'sequ'", 'presence.drop-repeats bad-setting'],
    ["within: 'session_id'", "within: 'session'", 'presence.drop-repeats bad-setting'],
    ['remember: { sessions: 8, for: minutes(10) },', '', 'presence.drop-repeats missing-setting'],
    ['for: minutes(10)', 'form: minutes(10)', 'presence.drop-repeats missing-setting, presence.drop-repeats unknown-setting'],
    ["'busy', 'online'", "'busi', 'online'", 'presence.strongest-signal bad-setting'],
    ['window: ms(200)', "window: '200 ms'", 'presence.strongest-signal bad-setting'],
    ["key: 'user_id'", "key: 'user'", 'presence.signals bad-setting'],
    [', leap: seconds(1)', '', 'presence.signals missing-setting'],
    ["writes: 'diffs', topic: topics.diffs", "writes: 'diffs', topic: topics.dif", 'presence.diffs missing-setting'],
    ["writes: 'diffs'", "write: 'diffs'", 'presence.diffs missing-setting, presence.diffs unknown-setting'],
    ["tables: ['presence',", "table: ['presence',", 'presence.durable missing-setting, presence.durable unknown-setting'],
  ])('%s => %s', (from, to, said) => {
    const edits = [{ file: 'presence.ts', from, to }];
    const faults = lint(editedSpec(edits));
    expect(faults.map(({ at, rule }) => `${at} ${rule}`).join(', ')).toBe(said);
    expect(() => editedTopology(edits)).toThrow(BadTopology);
  });
});

suite('a place', () => {
  const file = (path: string) => ({ path, text: readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8') });
  const sources = {
    topology: file('topology/presence.ts'),
    topics: file('topology/topics.ts'),
    topicNames: file('schemas/topics.ts'),
  };
  const line = ({ text }: { readonly text: string }, part: string): number =>
    text.split('\n').findIndex((one) => one.includes(part)) + 1;

  test.each([
    ['presence', 'topology', "topology('presence', 1,"],
    ['presence.signals', 'topology', "name: 'signals'"],
    ['presence.silence', 'topology', "offlineTimeout('silence'"],
    ['presence.durable', 'topology', "cockroachSink('durable'"],
    ['topics.presence.diffs', 'topics', 'topicNames.diffs'],
  ] as const)('%s is found in the sources', (at, where, part) => {
    expect(locate(at, sources)).toBe(`${sources[where].path}:${line(sources[where], part)}`);
  });

  test('of a name that was given twice it is the second', () => {
    const topology = { path: 'x.ts', text: "dedupe('a', {}),\ndiff(\n  'a', {})" };
    expect(locate('t.a', { ...sources, topology })).toBe('x.ts:3');
  });

  test('that is nowhere in the sources is not made up', () => {
    expect([locate('presence.nobody', sources), locate('topics.nothing', sources)]).toEqual([null, null]);
  });
});
