/** Reads of a stretch, and followers. Part of the log's contract (log.contract.ts). */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LogBatch } from '../../ports/log.ts';
import { eventually, readAll, record, type Subject, textOf, topic } from './log.kit.ts';

export function readingLaws({ logs, send }: Subject): void {
  test('an empty partition reads as nothing, and a follower of it has caught up', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    expect(await log.offsets(name)).toEqual([0, 1].map((partition) => ({ partition, start: 0, end: 0 })));
    expect(await readAll(log, name)).toEqual([]);
    const follower = await log.follow({ topics: [name], from: 'start', onBatch: async () => {} });
    await follower.caughtUp;
    await follower.close();
  });

  test.each([
    ['all', 0, undefined, ['a', 'b', 'c', 'd']],
    ['a stretch', 1, 3, ['b', 'c']],
    ['nothing', 2, 2, []],
    ['beyond the end', 3, 100, ['d']],
    ['from beyond the end', 9, undefined, []],
  ] as const)('a read gives %s', async (_, from, to, expected) => {
    const { log } = logs();
    const name = await topic(log);
    await send(name, ...['a', 'b', 'c', 'd'].map((value) => record('k', value)));
    expect(textOf(await readAll(log, name, 0, from, to))).toEqual(expected);
  });

  test('a read ends where the last offsets are transaction markers', async () => {
    const { log } = logs();
    const name = await topic(log);
    const transactional = await log.transactions(randomUUID());
    await transactional.fence();
    for (const value of ['a', 'b', 'c']) await transactional.commit([{ topic: name, records: [record('k', value)] }]);
    await transactional.fence();
    const [{ end = 0 } = {}] = await log.offsets(name);
    expect(textOf(await readAll(log, name))).toEqual(['a', 'b', 'c']);
    // Only a marker is left from here on.
    expect(await readAll(log, name, 0, end - 1)).toEqual([]);
    const batches: LogBatch[] = [];
    await log.read({ topic: name, partition: 0, from: 0, onBatch: (batch) => void batches.push(batch) });
    expect(batches.at(-1)).toMatchObject({ nextOffset: end, endOffset: end });
  });

  test('a read ends where its reader has had enough', async () => {
    const { log } = logs();
    const name = await topic(log);
    const large = 'x'.repeat(500_000);
    for (let i = 0; i < 24; i += 1) await send(name, record('k', large));
    let batches = 0;
    await log.read({ topic: name, partition: 0, from: 0, onBatch: () => (++batches === 1 ? 'enough' : undefined) });
    expect(batches).toBe(1);
    await log.read({ topic: name, partition: 0, from: 0, onBatch: async () => (++batches === 3 ? 'enough' : undefined) });
    expect(batches).toBe(3);
  });

  test('a read takes more than a batch holds, in order, without a gap', async () => {
    const { log } = logs();
    const name = await topic(log);
    const producer = await log.producer();
    const value = Buffer.alloc(1_000, 'x');
    for (let i = 0; i < 20; i += 1)
      await producer.send([{ topic: name, records: Array.from({ length: 500 }, () => ({ key: 'k', value })) }]);
    const offsets: number[] = [];
    await log.read({
      topic: name,
      partition: 0,
      from: 0,
      onBatch: async (batch) => void offsets.push(...batch.records.map(({ offset }) => offset)),
    });
    expect(offsets).toEqual([...Array(10_000).keys()]);
  });

  test('a follower sees every partition from the start, then what comes', async () => {
    const { log } = logs();
    const [one, two] = [await topic(log, { partitions: 2 }), await topic(log)];
    await send(one, record('a', '1', 0), record('b', '2', 1));
    const seen: string[] = [];
    const follower = await log.follow({
      topics: [one, two],
      from: 'start',
      onBatch: async (batch) => void seen.push(...textOf(batch.records)),
    });
    await follower.caughtUp;
    expect([...seen].sort()).toEqual(['1', '2']);
    await send(two, record('c', '3'));
    await eventually(() => seen.length === 3);
    await follower.close();
    await send(two, record('c', '4'));
    await sleep(150);
    expect(seen.length).toBe(3);
  });

  test('a follower from the end sees only what comes after the call', async () => {
    const { log } = logs();
    const name = await topic(log);
    await send(name, record('k', 'before'));
    const seen: string[] = [];
    const follower = await log.follow({
      topics: [name],
      from: 'end',
      onBatch: async (batch) => void seen.push(...textOf(batch.records)),
    });
    await follower.caughtUp;
    await send(name, record('k', 'after'));
    await eventually(() => seen.length > 0);
    expect(seen).toEqual(['after']);
    await follower.close();
  });

  test('a follower from a time begins at the first record stamped then, in every partition', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    await send(name, record('k', 'old', 0), record('k', 'older', 1));
    await sleep(20);
    const [answer] = await send(name, record('k', 'new', 0));
    const seen: string[] = [];
    const from = { timestamp: answer?.timestamp ?? 0 };
    const follower = await log.follow({
      topics: [name],
      from,
      onBatch: async (batch) => void seen.push(...textOf(batch.records)),
    });
    await follower.caughtUp;
    expect(seen).toEqual(['new']);
    await send(name, record('k', 'next', 1));
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['new', 'next']);
    await follower.close();
  });

  test('a compacted topic read to its end has the newest value of every key, whatever it still has of the others', async () => {
    const { log } = logs();
    const name = await topic(log, { cleanup: 'compact' });
    const producer = await log.producer();
    const expected = new Map<string, string>();
    for (let round = 0; round < 30; round += 1) {
      const keys = Array.from({ length: 100 }, (_, i) => `k${(i * 7 + round) % 130}`);
      await producer.send([{ topic: name, records: keys.map((key) => record(key, `${key}=${round}`)) }]);
      for (const key of keys) expected.set(key, `${key}=${round}`);
    }
    await producer.send([{ topic: name, records: [record('k1', null)] }]);
    expected.delete('k1');
    const found = new Map<string, string>();
    for (const { key, value } of await readAll(log, name)) {
      if (value === null) found.delete(String(key));
      else found.set(String(key), String(value));
    }
    expect(found).toEqual(expected);
  });
}
