/** docs/metrics.md and what the roles register: each is in the other, with its type and labels. */
import { expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import '../../cli/up.ts'; // loads all that any role counts with
import { codeIn, read, rowsOf, sources } from './page.ts';

interface Declared {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const registered = (registry.getMetricsAsArray() as unknown as readonly Declared[]).filter(({ name }) =>
  name.startsWith('presence_'),
);
const rows = rowsOf('docs/metrics.md').map(([name = '', type, labels, unit, tells, who]) => ({
  name: codeIn(name)[0],
  type,
  labels: (labels ?? '').split(/,\s*/).filter((label) => label !== ''),
  rest: [unit, tells, who],
}));

test('every metric of every role is in docs/metrics.md, with its type and labels, and every row is a metric', () => {
  const said = rows.map(({ name, type, labels }) => `${name} ${type} {${[...labels].sort().join()}}`);
  const are = registered.map(({ name, type, labelNames }) => `${name} ${type} {${[...labelNames].sort().join()}}`);
  expect([...said].sort()).toEqual(are.sort());
});

test('every row says unit, meaning, and who must act', () => {
  const mute = rows.filter(({ rest }) => rest.length !== 3 || rest.some((cell) => cell === undefined || cell === ''));
  expect(mute.map(({ name }) => name)).toEqual([]);
});

test('names are presence_<name>, counters end in _total, and no label can hold a user', () => {
  const wrong = registered.filter(
    ({ name, type, labelNames }) =>
      !/^presence_[a-z][a-z0-9_]*$/.test(name) ||
      (type === 'counter') !== name.endsWith('_total') ||
      labelNames.some((label) => /user|device|session|connection|watcher|trace/.test(label)),
  );
  expect(wrong.map(({ name }) => name)).toEqual([]);
});

test('no metric is declared where no role loads it', () => {
  const names = new Set(registered.map(({ name }) => name));
  const declared = sources.flatMap((file) =>
    [...read(file).matchAll(/\b(?:counter|gauge|histogram)\(\s*'(presence_[a-z0-9_]+)'/g)].map(
      (match) => [file, match[1]!] as const,
    ),
  );
  expect(declared.filter(([, name]) => !names.has(name)).map((one) => one.join(': '))).toEqual([]);
  expect(declared.length).toBeGreaterThan(80);
});
