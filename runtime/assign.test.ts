import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TopicPartition } from '../ports/log.ts';
import { type Assigned, assign, type GroupMember } from './assign.ts';

const numbers = (assigned: { readonly owned: readonly TopicPartition[] } | undefined, topic: string) =>
  (assigned?.owned ?? []).filter((entry) => entry.topic === topic).map((entry) => entry.partition);

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
          ids.map((id) => ({ id, topics: ['s', 't'], held: before.get(id)?.owned ?? [] })),
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

/** Rebalances until nothing changes any more; each image is warm by the next round. Says how many rounds that took. */
function settle(
  ids: readonly string[],
  from: ReadonlyMap<string, Assigned>,
  options: { readonly count: number; readonly replicas: number },
): {
  readonly assigned: ReadonlyMap<string, Assigned>;
  readonly rounds: number;
  readonly seen: readonly ReadonlyMap<string, Assigned>[];
} {
  let assigned = from;
  const seen: ReadonlyMap<string, Assigned>[] = [];
  for (let rounds = 0; rounds < 10; rounds += 1) {
    const members = ids.map(
      (id): GroupMember => ({
        id,
        topics: ['s'],
        held: assigned.get(id)?.owned ?? [],
        warm: new Map((assigned.get(id)?.standby ?? []).map((number) => [number, 0])),
      }),
    );
    const next = assign(members, new Map([['s', options.count]]), options.replicas);
    seen.push(next);
    if (JSON.stringify([...next]) === JSON.stringify([...assigned])) return { assigned, rounds, seen };
    assigned = next;
  }
  throw new Error('It never comes to rest.');
}
const sizesOf = (assigned: ReadonlyMap<string, Assigned>): number[] =>
  [...assigned.values()].map(({ owned }) => owned.length).sort();

test('a partition moves to a living member only once that one has it warm; until then it stays, and is awaited', () => {
  const first = settle(['a'], new Map(), { count: 4, replicas: 0 }).assigned;
  const { assigned, seen } = settle(['a', 'b'], first, { count: 4, replicas: 0 });
  expect(seen[0]?.get('a')?.owned).toHaveLength(4);
  expect(seen[0]?.get('b')).toEqual({ owned: [], standby: [2, 3], awaited: [2, 3] });
  expect(sizesOf(assigned)).toEqual([2, 2]);
  expect(assigned.get('b')).toEqual({ owned: [2, 3].map((partition) => ({ topic: 's', partition })), standby: [], awaited: [] });
});

test('a partition whose owner is gone goes to the one whose image of it misses least', () => {
  const member = (id: string, held: readonly number[], warm: readonly (readonly [number, number])[]): GroupMember => ({
    id,
    topics: ['s'],
    held: held.map((partition) => ({ topic: 's', partition })),
    warm: new Map(warm),
  });
  const result = assign(
    [member('a', [0], [[2, 5_000_000]]), member('b', [1], [[3, 7]]), member('c', [], [[2, 20]])],
    new Map([['s', 4]]),
    1,
  );
  expect(numbers(result.get('c'), 's')).toEqual([2]);
  expect(numbers(result.get('b'), 's')).toEqual([1, 3]);
});

test('standbys are never with their owner, as many as asked for or as members allow, and it all comes to rest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      (count, replicas, steps) => {
        let ids = ['m0'];
        let assigned: ReadonlyMap<string, Assigned> = new Map();
        steps.forEach((join, step) => {
          if (join) ids = [...ids, `m${step + 1}`];
          else if (ids.length > 1) ids = ids.slice(1);
          assigned = settle(ids, assigned, { count, replicas }).assigned;
          const sizes = sizesOf(assigned);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          for (const { owned, standby, awaited } of assigned.values()) {
            expect(awaited).toEqual([]);
            expect(owned.filter(({ partition }) => standby.includes(partition))).toEqual([]);
          }
          const standbys = [...assigned.values()].map(({ standby }) => standby.length);
          expect(standbys.reduce((sum, one) => sum + one, 0)).toBe(count * Math.min(replicas, ids.length - 1));
          // Bounded: no member keeps much more than its share.
          expect(Math.max(...standbys)).toBeLessThanOrEqual(Math.ceil((count * replicas) / ids.length) + count);
        });
      },
    ),
  );
});
