import { expect, test } from 'vitest';
import type { Diff } from '../schemas/generated.ts';
import { diff } from '../test/contract/states.ts';
import { DiffQueue, WAITING_DIFFS_MAX } from './fan-out-queue.ts';
import { Recent } from './recent-diffs.ts';

const changed = (user: string, to: Diff['to'], version = 1) => new Recent(diff(user, version, { to }), 0, version, 0);
const users = (items: readonly Recent[]) => items.map(({ diff: { user_id, to } }) => `${user_id} ${to}`);

test('a user who waits is told of in order, though less comes in the next turn', () => {
  const queue = new DiffQueue(1);
  for (const item of [changed('ada', 'offline'), changed('bob', 'online')]) queue.push(item);
  expect(users(queue.first())).toEqual(['bob online']);
  queue.push(changed('ada', 'busy', 2));
  expect(users(queue.first())).toEqual([]);
  queue.push(changed('cyd', 'offline'));
  expect(users(queue.first())).toEqual(['cyd offline']);
  expect([...queue.waiting]).toEqual(['ada']);
  expect(users(queue.second())).toEqual(['ada offline', 'ada busy']);
  expect(queue.waiting.size).toBe(0);
});

test('a second go is due when no long queue has come for a moment; one waits for it at a time', async () => {
  const queue = new DiffQueue(1);
  expect(queue.quiet()).toBe(undefined);
  for (const user of ['ada', 'bob']) queue.push(changed(user, 'offline'));
  queue.first();
  const due = queue.quiet();
  expect(queue.quiet()).toBe(undefined);
  await due;
  expect(queue.quiet()).not.toBe(undefined);
});

test('long queues on end put it off, but not for ever', async () => {
  const queue = new DiffQueue(1);
  let n = 0;
  const more = (): void => {
    for (let i = 0; i < 2; i += 1) queue.push(changed(`u${(n += 1)}`, 'offline'));
    queue.first();
  };
  more();
  const pushing = setInterval(more, 1);
  await queue.quiet();
  clearInterval(pushing);
  expect(n).toBeGreaterThan(4);
});

test('it is full with as much as may wait', () => {
  const queue = new DiffQueue(1);
  for (let n = 0; n < WAITING_DIFFS_MAX; n += 1) {
    if (n === WAITING_DIFFS_MAX - 1) {
      queue.first();
      expect(queue.isFull).toBe(false);
    }
    queue.push(changed(`u${n}`, 'offline'));
  }
  queue.push(changed('last', 'offline'));
  queue.first();
  expect(queue.isFull).toBe(true);
});
