/** Consumer groups: positions, rebalances, batches. Part of the log's contract (log.contract.ts). */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Log, LogBatch, TopicPartition } from '../../ports/log.ts';
import { codeOf, eventually, group, placeOf, record, type Subject, textOf, topic } from './log.kit.ts';

export function groupLaws({ logs, send }: Subject): void {
  test('a group begins at the start, or at the end, and goes on where it committed', async () => {
    const { log } = logs();
    const name = await topic(log);
    const [fromStart, fromEnd] = [group(), group()];
    await send(name, record('k', 'a'), record('k', 'b'), record('k', 'c'));
    expect(await log.committed(fromStart, name)).toEqual([null]);
    const seen: string[] = [];
    const onBatch = async (batch: LogBatch): Promise<void> => void seen.push(...textOf(batch.records));
    const first = await log.consume({ group: fromStart, topics: [name], onBatch });
    await eventually(() => seen.length === 3);
    await first.commit([{ topic: name, partition: 0, offset: 2 }]);
    expect(await log.committed(fromStart, name)).toEqual([2]);
    await first.close();

    seen.length = 0;
    let assigned = false;
    const onAssigned = async (): Promise<void> => {
      assigned = true;
    };
    const second = await log.consume({ group: fromStart, topics: [name], onBatch });
    await eventually(() => seen.length === 1);
    expect(seen).toEqual(['c']);
    await second.close();
    seen.length = 0;
    const third = await log.consume({ group: fromEnd, topics: [name], from: 'end', onBatch, onAssigned });
    await eventually(() => assigned);
    await send(name, record('k', 'd'));
    await eventually(() => seen.length > 0);
    expect(seen).toEqual(['d']);
    await third.close();
  });

  test('onAssigned is awaited before the first batch, and may seek', async () => {
    const { log } = logs();
    const name = await topic(log);
    await send(name, record('k', 'a'), record('k', 'b'), record('k', 'c'));
    const events: string[] = [];
    const holder: { consumer?: Awaited<ReturnType<Log['consume']>> } = {};
    holder.consumer = await log.consume({
      group: group(),
      topics: [name],
      onAssigned: async (partitions) => {
        await eventually(() => holder.consumer !== undefined);
        for (const { topic: assigned, partition } of partitions) holder.consumer?.seek({ topic: assigned, partition, offset: 1 });
        events.push(`assigned ${partitions.length}`);
        await sleep(50);
        events.push('ready');
      },
      onBatch: async (batch) => void events.push(...textOf(batch.records)),
    });
    await eventually(() => events.length >= 4);
    expect(events).toEqual(['assigned 1', 'ready', 'b', 'c']);
    await holder.consumer.close();
  });

  test('a seek while a batch is under way decides where the next begins', async () => {
    const { log } = logs();
    const name = await topic(log);
    await send(name, record('k', 'a'), record('k', 'b'));
    const seen: string[] = [];
    let sought = false;
    const holder: { consumer?: Awaited<ReturnType<Log['consume']>> } = {};
    holder.consumer = await log.consume({
      group: group(),
      topics: [name],
      onBatch: async (batch) => {
        await eventually(() => holder.consumer !== undefined);
        seen.push(...textOf(batch.records));
        if (sought) return;
        sought = true;
        holder.consumer?.seek({ topic: name, partition: 0, offset: 0 });
      },
    });
    await eventually(() => seen.length === 4);
    expect(seen).toEqual(['a', 'b', 'a', 'b']);
    await holder.consumer.close();
  });

  test('wherever a reader seeks, the next batch begins there, while the log grows', async () => {
    const { log } = logs();
    const name = await topic(log);
    const producer = await log.producer();
    const write = () => producer.send([{ topic: name, records: [record('k', 'x'.repeat(20_000)), record('k', 'y')] }]);
    for (let i = 0; i < 100; i += 1) await write();
    let [expected, batches, writing] = [0, 0, true];
    const faults: string[] = [];
    const holder: { consumer?: Awaited<ReturnType<Log['consume']>> } = {};
    holder.consumer = await log.consume({
      group: group(),
      topics: [name],
      onBatch: async ({ records, nextOffset }) => {
        batches += 1;
        if (records[0]?.offset !== expected) faults.push(`${records[0]?.offset} instead of ${expected}`);
        await new Promise((resolve) => setTimeout(resolve, batches % 4));
        expected = nextOffset;
        if (batches % 3 === 0 || holder.consumer === undefined) return;
        expected = (batches * 37) % 150;
        holder.consumer.seek({ topic: name, partition: 0, offset: expected });
      },
    });
    const writer = (async () => {
      // The embedded log answers at once: without a pause nothing else would get its turn.
      for (; writing; await sleep(1)) await write();
    })();
    await eventually(() => batches > 60);
    writing = false;
    await writer;
    await holder.consumer.close();
    expect(faults).toEqual([]);
  });

  test('a batch that is refused comes again, while other partitions go on', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    await send(name, record('k', 'bad', 0));
    const seen: string[] = [];
    let refusals = 0;
    const consumer = await log.consume({
      group: group(),
      topics: [name],
      onBatch: async (batch) => {
        if (batch.partition === 0 && refusals < 3) {
          refusals += 1;
          throw new Error('not now');
        }
        seen.push(...textOf(batch.records));
      },
    });
    await eventually(() => refusals > 0);
    await send(name, record('k', 'good', 1));
    await eventually(() => seen.length === 2);
    expect([...seen].sort()).toEqual(['bad', 'good']);
    expect(refusals).toBe(3);
    await consumer.close();
  });

  test('a slow partition gets one batch at a time, and holds up no other', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    let [underWay, most] = [0, 0];
    const fast: string[] = [];
    let release = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    await send(name, record('k', 'slow', 0));
    const consumer = await log.consume({
      group: group(),
      topics: [name],
      onBatch: async (batch) => {
        if (batch.partition === 1) return void fast.push(...textOf(batch.records));
        underWay += 1;
        most = Math.max(most, underWay);
        await blocked;
        underWay -= 1;
      },
    });
    await eventually(() => underWay === 1);
    for (let i = 0; i < 10; i += 1) await send(name, record('k', `${i}`, 0), record('k', `${i}`, 1));
    await eventually(() => fast.length === 10);
    expect(most).toBe(1);
    release();
    await consumer.close();
    expect(most).toBe(1);
  });

  test('members share the partitions, i of each topic with the same one, and never two have one at once', async () => {
    const { log, other } = logs();
    const [one, two] = [await topic(log, { partitions: 6 }), await topic(log, { partitions: 6 })];
    const name = group();
    const owners = new Map<string, number>();
    const faults: string[] = [];
    const held: Set<string>[] = [new Set(), new Set(), new Set()];
    const seen: string[] = [];
    const join = (member: number, on: Log) =>
      on.consume({
        group: name,
        topics: [one, two],
        onAssigned: async (partitions) => {
          for (const place of partitions.map(placeOf)) {
            if (owners.has(place)) faults.push(`${place} went to ${member} while ${owners.get(place)} had it`);
            owners.set(place, member);
            held[member]?.add(place);
          }
        },
        onRevoked: async (partitions) => {
          // Its owner takes a while to let go.
          await sleep(30);
          for (const place of partitions.map(placeOf)) {
            owners.delete(place);
            held[member]?.delete(place);
          }
        },
        onBatch: async (batch) => {
          if (!held[member]?.has(placeOf(batch))) faults.push(`${member} got a batch of ${placeOf(batch)}`);
          seen.push(...textOf(batch.records));
        },
      });
    const settled = (sizes: readonly number[]) => () => held.map((places) => places.size).join() === sizes.join();
    const consumers = [await join(0, log)];
    await eventually(settled([12, 0, 0]));
    consumers.push(await join(1, other));
    await eventually(settled([6, 6, 0]));
    const before = [...(held[0] ?? [])];
    consumers.push(await join(2, log));
    await eventually(settled([4, 4, 4]));
    expect([...(held[0] ?? [])].every((place) => before.includes(place))).toBe(true);
    for (const places of held) {
      const of = (topicName: string) =>
        [...places]
          .filter((place) => place.startsWith(topicName))
          .map((place) => place.split('/')[1])
          .sort();
      expect(of(one)).toEqual(of(two));
    }
    await send(one, ...Array.from({ length: 6 }, (_, partition) => record('k', `${partition}`, partition)));
    await eventually(() => seen.length === 6);
    await consumers[1]?.close();
    await eventually(settled([6, 0, 6]));
    await consumers[0]?.close();
    await eventually(settled([0, 0, 12]));
    expect(consumers[2]?.assignment.length).toBe(12);
    await consumers[2]?.close();
    expect(faults).toEqual([]);
    expect(owners.size).toBe(0);
  });

  test('a partition that was revoked is not committed, nor handed over again', async () => {
    const { log, other } = logs();
    const name = await topic(log, { partitions: 2 });
    const groupName = group();
    await send(name, record('k', 'a', 0), record('k', 'b', 1));
    let release = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first: string[] = [];
    const revoked: TopicPartition[] = [];
    const one = await log.consume({
      group: groupName,
      topics: [name],
      onRevoked: async (partitions) => void revoked.push(...partitions),
      onBatch: async (batch) => {
        first.push(placeOf(batch));
        await blocked;
      },
    });
    await eventually(() => first.length === 2);
    const second: string[] = [];
    const two = await other.consume({
      group: groupName,
      topics: [name],
      onBatch: async (batch) => void second.push(placeOf(batch)),
    });
    await eventually(() => second.length === 1);
    expect(revoked.map(placeOf)).toEqual(second);
    const lost = revoked[0] as TopicPartition;
    expect(await codeOf(one.commit([{ ...lost, offset: 1 }]))).toBe('FENCED');
    expect(await log.committed(groupName, name)).toEqual([null, null]);
    const kept = { topic: name, partition: 1 - lost.partition };
    await one.commit([{ ...kept, offset: 1 }]);
    release();
    await sleep(50);
    expect(first.length).toBe(2);
    await two.close();
    await one.close();
  });
}
