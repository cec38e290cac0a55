import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TopicPartition } from '../ports/log.ts';
import { assign, type GroupMember } from './assign.ts';

const numbers = (held: readonly TopicPartition[] | undefined, topic: string) =>
  (held ?? []).filter((entry) => entry.topic === topic).map((entry) => entry.partition);

test('partition i of every topic goes to the same member, evenly', () => {
  const members = ['b', 'a', 'c'].map((id): GroupMember => ({ id, topics: ['s', 't'], held: [] }));
  const result = assign(
    members,
    new Map([
      ['s', 8],
      ['t', 8],
    ]),
  );
  for (const id of ['a', 'b', 'c']) expect(numbers(result.get(id), 's')).toEqual(numbers(result.get(id), 't'));
  expect(['a', 'b', 'c'].map((id) => numbers(result.get(id), 's').length)).toEqual([3, 3, 2]);
});

test('a topic that only some members subscribe to goes to those alone', () => {
  const members: GroupMember[] = [
    { id: 'a', topics: ['s'], held: [] },
    { id: 'b', topics: ['s', 'new'], held: [] },
  ];
  const result = assign(
    members,
    new Map([
      ['s', 2],
      ['new', 2],
    ]),
  );
  expect(numbers(result.get('a'), 'new')).toEqual([]);
  expect(numbers(result.get('b'), 'new')).toEqual([0, 1]);
});

test('every partition has one owner, the spread is even, and one who joins or leaves moves no more than must be', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (count, steps) => {
      const partitions = new Map([
        ['s', count],
        ['t', count],
      ]);
      let ids = ['m0'];
      let held = assign([{ id: 'm0', topics: ['s', 't'], held: [] }], partitions);
      steps.forEach((join, step) => {
        if (join) ids.push(`m${step + 1}`);
        else if (ids.length > 1) ids = ids.slice(1);
        const before = held;
        held = assign(
          ids.map((id) => ({ id, topics: ['s', 't'], held: before.get(id) ?? [] })),
          partitions,
        );
        const sizes = ids.map((id) => numbers(held.get(id), 's').length);
        expect(ids.flatMap((id) => numbers(held.get(id), 's')).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        const kept = ids.reduce(
          (sum, id) => sum + numbers(held.get(id), 's').filter((p) => numbers(before.get(id), 's').includes(p)).length,
          0,
        );
        // Of what those who are still there held, each keeps its even share at least.
        const least = Math.floor(count / ids.length);
        const could = ids.reduce((sum, id) => sum + Math.min(numbers(before.get(id), 's').length, least), 0);
        expect(kept).toBeGreaterThanOrEqual(could);
      });
    }),
  );
});
