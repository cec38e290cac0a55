/**
 * docs/limits.md and the code: whatever the code calls a limit is in the page with its value, and each name and metric of the
 * page is in the code. A limit is a constant named `…_MAX` or `…_LIMIT…` (or what `alsoLimits` lists), an option named `…Max`,
 * and each of the runtime's own.
 */
import { expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import '../../cli/up.ts'; // loads all that any role counts with
import { defaultLimits } from '../../runtime/wiring.ts';
import { codeIn, read, rowsOf, sources } from './page.ts';

const rows = rowsOf('docs/limits.md');
const named = rows
  .filter((row) => row.length === 6)
  .map(([, name = '', shown = '', , metric = '', end = '']) => ({ name: codeIn(name)[0]!, shown, metric, end }));

/** Constants that are limits, whatever their names. */
const alsoLimits = /^((QUEUE|FETCH|PARTITION|READ|PIECE|CUT_OFF|HEAD)_BYTES|CHUNK_ROWS|TAIL_OFFSETS|\w+_SWEEPS|MIN_RATE)$/;
const isLimit = (name: string): boolean =>
  (/_(MAX|LIMIT)(_|$)/.test(name) && !/_(MS|S)(_|$)/.test(name)) || alsoLimits.test(name);

/** lint's own, about what topologies may be; pieces in which a file is written; how often a refusal is asked again. */
const elsewhere = /^topology\/kit\/lint\/|^runtime\/snapshot\.ts PIECE_BYTES/;

interface Limit {
  readonly name: string;
  readonly at: string;
  /** null: not to be worked out here. */
  readonly value: number | null;
}

/** `12_000`, `4 * 1024`, `1 << 20`, with the numbers of the same folder by name. */
function numberOf(expression: string, numbers: ReadonlyMap<string, string>): number | null {
  const spelt = expression.replace(/\b[A-Z][A-Z0-9_]+\b/g, (name) => `(${numbers.get(name) ?? name})`);
  if (spelt !== expression) return numberOf(spelt, numbers);
  return /^[\d\s_.*+<>()-]+$/.test(expression) ? (new Function(`return ${expression}`)() as number) : null;
}

function constants(): readonly Limit[] {
  const all = sources.flatMap((file) =>
    [...read(file).matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]*) = ([^;\n]+);/gm)].map((match) => ({
      file,
      name: match[1]!,
      text: match[2]!,
    })),
  );
  const numbers = new Map(all.map(({ name, text }) => [name, text]));
  return all
    .filter(({ file, name }) => isLimit(name) && !elsewhere.test(`${file} ${name}`))
    .map(({ file, name, text }) => ({ name, at: file, value: numberOf(text, numbers) }));
}

/** Options named …Max, with what their comment says. */
function options(): readonly Limit[] {
  return sources.flatMap((file) =>
    [...read(file).matchAll(/\/\*\*([^*]|\*(?!\/))*\*\/\s+readonly (\w+Max)\?: number/g)].map((match) => ({
      name: match[2]!,
      at: file,
      value: numberIn(/Defaults? (?:[^.]*? and )?([\d,]+(?: [KM]iB)?)[ .:]/.exec(match[0])?.[1] ?? ''),
    })),
  );
}

const numberIn = (text: string): number | null => {
  const found = /([\d,]+)(?: ([KM])iB)?/.exec(text);
  if (found === null) return null;
  return Number(found[1]!.replaceAll(',', '')) * { K: 1 << 10, M: 1 << 20, '': 1 }[(found[2] ?? '') as 'K' | 'M' | ''];
};

const runtime: readonly Limit[] = Object.entries(defaultLimits)
  .filter(([name]) => !name.endsWith('_ms'))
  .map(([name, value]) => ({ name, at: 'runtime/wiring.ts', value }));

/** The same limit under the name that its inner part gives it. */
const aliases: Readonly<Record<string, string>> = {
  interestEntriesMax: 'entriesMax',
  bytesMax: 'partitionBytesMax',
  connectionsMax: 'CONNECTIONS_MAX',
};

test('every limit in the code is in docs/limits.md, with its value', () => {
  const limits = [...constants(), ...options(), ...runtime];
  const missing = limits.filter(({ name, value }) => {
    const row = named.filter((one) => one.name === (aliases[name] ?? name));
    return row.length === 0 || (value !== null && !row.some(({ shown }) => numberIn(shown) === value));
  });
  expect(missing.map(({ at, name, value }) => `${at}: ${name} = ${value}`)).toEqual([]);
  expect(limits.filter(({ value }) => value !== null).length).toBeGreaterThan(45);
});

test('every name in docs/limits.md is in the code', () => {
  const code = sources.map(read).join('\n');
  expect(named.map(({ name }) => name).filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
  expect(named.length).toBeGreaterThan(55);
});

test('every limit has a metric that exists, and says what happens at it', () => {
  const metrics = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  const unmeasured = [
    ...named.map(({ name, metric }) => [name, metric] as const),
    ...rows.filter((row) => row.length === 3).map(([what, , metric]) => [what, metric] as const),
  ].filter(([, metric]) => !metric?.startsWith('none:') && !codeIn(metric ?? '').some((one) => metrics.has(one)));
  expect(unmeasured).toEqual([]);
  expect(named.filter(({ end }) => end === '')).toEqual([]);
});
