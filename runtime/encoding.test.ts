import { describe, expect, test } from 'vitest';
import { counterWiring } from '../test/runtime/counter.ts';
import { type Encoded, encodeEmission, recordsOf, toTransactions } from './encoding.ts';

const wiring = counterWiring();
const encoded = (position: number, states: Readonly<Record<string, string>>, output: readonly string[], bytes = 10): Encoded => ({
  position,
  states: Object.entries(states).map(([key, value]) => ({ key, value: Buffer.from(value), partition: 0 })),
  output: output.map((value) => ({ key: 'k', value: Buffer.from(value), partition: 0 })),
  controls: [],
  partitionRecord: Buffer.from(`at ${position}`),
  bytes,
});
const shown = (emissions: readonly Encoded[], limits: { transactionRecords: number; transactionBytes: number }) =>
  toTransactions(emissions, limits).map(({ position, emissions: count, states, output, partitionRecord }) => ({
    position,
    count,
    states: states.map(({ key, value }) => `${String(key)}=${String(value)}`),
    output: output.map(({ value }) => String(value)),
    partition: partitionRecord.toString(),
  }));

describe('Emissions become transactions', () => {
  const wide = { transactionRecords: 100, transactionBytes: 1_000 };

  test('of several, the last state of a key, all output in order, the last partition record', () => {
    expect(shown([encoded(3, { a: '1', b: '1' }, ['x', 'y']), encoded(7, { a: '2' }, ['z']), encoded(9, {}, [])], wide)).toEqual([
      { position: 9, count: 3, states: ['a=2', 'b=1'], output: ['x', 'y', 'z'], partition: 'at 9' },
    ]);
  });

  test('as few as the limits of records and bytes allow, in order; a large one goes alone, whole', () => {
    const three = [encoded(1, { a: '1' }, ['x']), encoded(2, { a: '2' }, ['y']), encoded(3, { a: '3' }, ['z'])];
    expect(
      shown(three, { transactionRecords: 6, transactionBytes: 1_000 }).map(({ position, count }) => [position, count]),
    ).toEqual([
      [2, 2],
      [3, 1],
    ]);
    const large = [encoded(1, {}, ['x'], 5_000), encoded(2, {}, ['y'], 10), encoded(3, {}, ['z'], 10)];
    expect(shown(large, wide).map(({ position, count }) => [position, count])).toEqual([
      [1, 1],
      [3, 2],
    ]);
  });

  test('the partition record comes after the states, under its own key, in its partition; headers go along', () => {
    const emission = {
      position: 4,
      stamp: 9,
      states: [{ key: 'a', value: { key: 'a', count: 1, version: 1, deadline: null, offset: 4 }, traceparent: '00-a' }],
      diffs: [{ key: 'a', value: { key: 'a', from: 0, to: 1, version: 1, at: 3, cause: 'add' as const }, traceparent: '00-b' }],
      partition: { offset: 4, stamp: 9, tail: 4 },
      controls: [],
    };
    const records = recordsOf(wiring, 5, { ...encodeEmission(wiring, 5, emission), emissions: 1 });
    expect(
      records.map(({ topic, records: inside }) => [
        topic,
        inside.map(({ key, partition, headers }) => [key, partition, headers?.traceparent]),
      ]),
    ).toEqual([
      ['counter.changes', [['a', 5, '00-b']]],
      [
        'counter.state',
        [
          ['a', 5, '00-a'],
          ['#5', 5, undefined],
        ],
      ],
    ]);
  });

  test('a state that is gone is a tombstone', () => {
    const gone = {
      ...counterWiring(),
      codecs: { ...wiring.codecs, state: { encode: () => Buffer.from('never'), decode: () => null } },
    };
    const emission = {
      position: 1,
      stamp: 1,
      states: [{ key: 'a', value: null }],
      diffs: [],
      partition: { offset: 1, stamp: 1, tail: 1 },
      controls: [],
    };
    expect(encodeEmission(gone, 0, emission).states[0]?.value).toBeNull();
  });
});
