/**
 * What every log does (ports/log.ts), whatever is behind it. Run by log.embedded.test.ts and log.kafka.test.ts.
 * Topics and groups have names of their own in each test, so that a shared broker will do.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ErrorCode, hasCode } from '../../base/errors.ts';
import type { Log, LogBatch, LogRecord, OutRecord, TopicPartition, TopicSpec } from '../../ports/log.ts';

export interface LogUnderTest {
  readonly log: Log;
  /** As another process would have it: may be the same where there is only one process. */
  readonly other: Log;
}

export const textOf = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => (value === null ? '(gone)' : value.toString()));
export const record = (key: string | null, value: string | null, partition?: number): OutRecord => ({
  key,
  value: value === null ? null : Buffer.from(value),
  ...(partition === undefined ? {} : { partition }),
});

export async function topic(log: Log, spec: Partial<TopicSpec> = {}): Promise<string> {
  const name = `contract.${randomUUID().slice(0, 8)}`;
  await log.ensureTopics([{ name, partitions: 1, cleanup: 'delete', retention_ms: 3_600_000, ...spec }]);
  return name;
}

export async function readAll(log: Log, name: string, partition = 0, from = 0, to?: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({
    topic: name,
    partition,
    from,
    ...(to === undefined ? {} : { to }),
    onBatch: (batch) => void records.push(...batch.records),
  });
  return records;
}

/** Waits for what must become true; how long is not what is tested. */
export async function eventually(what: () => boolean | Promise<boolean>, within_ms = 20_000): Promise<void> {
  const end = performance.now() + within_ms;
  while (!(await what())) {
    if (performance.now() > end) throw new Error(`It did not become true within ${within_ms} ms: ${what}`);
    await sleep(5);
  }
}

export async function codeOf(work: Promise<unknown>): Promise<ErrorCode | 'resolved'> {
  return work.then(
    () => 'resolved' as const,
    (error: unknown) => {
      if (hasCode(error, (error as { code: ErrorCode }).code)) return error.code;
      throw error;
    },
  );
}

const group = (): string => `group.${randomUUID().slice(0, 8)}`;
const placeOf = ({ topic: name, partition }: TopicPartition): string => `${name}/${partition}`;

export function logContract(title: string, open: () => Promise<LogUnderTest>): void {
  describe(title, () => {
    let log: Log;
    let other: Log;
    beforeAll(async () => {
      ({ log, other } = await open());
    });
    afterAll(async () => {
      await log?.close();
      await other?.close();
    });

    const send = async (name: string, ...records: OutRecord[]) => {
      const producer = await log.producer();
      const answers = await producer.send([{ topic: name, records }]);
      await producer.close();
      return answers;
    };

    topics(() => ({ log, other }));
    writing(() => ({ log, other }), send);
    reading(() => ({ log, other }), send);
    groups(() => ({ log, other }), send);
    transactions(() => ({ log, other }), send);
  });
}

type Logs = () => LogUnderTest;
type Send = (
  name: string,
  ...records: OutRecord[]
) => Promise<readonly { readonly partition: number; readonly baseOffset: number; readonly timestamp: number }[]>;

function topics(logs: Logs): void {
  test('topics are made once, whoever else makes them at the same time', async () => {
    const { log, other } = logs();
    const spec = (name: string): TopicSpec => ({ name, partitions: 3, cleanup: 'compact' });
    const specs = [spec(`contract.${randomUUID()}`), spec(`contract.${randomUUID()}`)];
    const made = await Promise.all([log.ensureTopics(specs), other.ensureTopics(specs)]);
    expect([...made.flat()].sort()).toEqual(specs.map(({ name }) => name).sort());
    expect(await log.ensureTopics(specs)).toEqual([]);
    expect(await other.partitions(specs[0]?.name ?? '')).toBe(3);
  });

  test('a topic that is there with another number of partitions is a mismatch', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 2 });
    expect(await codeOf(log.ensureTopics([{ name, partitions: 3, cleanup: 'delete' }]))).toBe('LOG_MISMATCH');
  });

  test('a topic that is not there is a mismatch for whoever uses it', async () => {
    const { log } = logs();
    const name = `contract.${randomUUID()}`;
    const producer = await log.producer();
    const onBatch = async (): Promise<void> => {};
    const codes = await Promise.all([
      codeOf(log.partitions(name)),
      codeOf(producer.send([{ topic: name, records: [record('a', 'a')] }])),
      codeOf(log.read({ topic: name, partition: 0, from: 0, onBatch })),
      codeOf(log.follow({ topics: [name], from: 'start', onBatch })),
      codeOf(log.consume({ group: group(), topics: [name], onBatch })),
    ]);
    expect(codes).toEqual(Array(5).fill('LOG_MISMATCH'));
  });

  test('the log answers a ping', async () => {
    await logs().log.ping();
  });
}

function writing(logs: Logs, send: Send): void {
  test('a key goes where every Kafka client puts it', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 7 });
    const keys = Array.from({ length: 500 }, (_, i) => `user-${i}-${'ü'.repeat(i % 5)}`);
    await send(name, ...keys.map((key) => record(key, key)));
    const partitionMetadata = Array.from({ length: 7 }, (_, partitionId) => ({ partitionId, leader: 0 }));
    const partitioner = Partitioners.DefaultPartitioner();
    const expected = keys.map((key) =>
      partitioner({ topic: name, partitionMetadata: partitionMetadata as never, message: { key, value: null } }),
    );
    const found = new Map<string, number>();
    for (let partition = 0; partition < 7; partition += 1) {
      for (const { key } of await readAll(log, name, partition)) found.set(String(key), partition);
    }
    expect(keys.map((key) => found.get(key))).toEqual(expected);
  });

  test('records keep their order, keys, headers and tombstones, and bear the stamp that the sender was told', async () => {
    const { log } = logs();
    const name = await topic(log);
    const headers = { traceparent: '00-ab-cd-01', bytes: Buffer.from([0, 255]) };
    const first = await send(name, { key: 'a', value: Buffer.from('one'), headers }, record('a', null), record(null, 'three', 0));
    const second = await send(name, { key: Buffer.from([1, 2]), value: Buffer.alloc(0) });
    const records = await readAll(log, name);
    expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2, 3]);
    expect(textOf(records)).toEqual(['one', '(gone)', 'three', '']);
    expect(records.map(({ key }) => key && [...key])).toEqual([[97], [97], null, [1, 2]]);
    expect(records[0]?.headers).toEqual({ traceparent: Buffer.from('00-ab-cd-01'), bytes: Buffer.from([0, 255]) });
    expect(records[1]?.headers).toEqual({});
    expect(first).toEqual([{ topic: name, partition: 0, baseOffset: 0, timestamp: records[0]?.timestamp }]);
    expect(second[0]).toMatchObject({ baseOffset: 3, timestamp: records[3]?.timestamp });
    expect(Math.abs((records[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(records[3]?.timestamp).toBeGreaterThanOrEqual(records[0]?.timestamp ?? Number.NaN);
  });

  test('one send writes to several topics and partitions, and says where each part went', async () => {
    const { log } = logs();
    const [one, two] = [await topic(log, { partitions: 2 }), await topic(log)];
    const producer = await log.producer();
    const answers = await producer.send([
      { topic: one, records: [record('a', '1', 1), record('b', '2', 0), record('c', '3', 1)] },
      { topic: two, records: [record('d', '4')] },
      { topic: one, records: [record('e', '5', 1)] },
    ]);
    expect(new Set(answers.map(placeOf))).toEqual(new Set([`${one}/0`, `${one}/1`, `${two}/0`]));
    expect(textOf(await readAll(log, one, 1))).toEqual(['1', '3', '5']);
  });

  test('sends made at once are written in the order of the calls', async () => {
    const { log } = logs();
    const name = await topic(log);
    const producer = await log.producer();
    const values = Array.from({ length: 50 }, (_, i) => String(i));
    await Promise.all(values.map((value) => producer.send([{ topic: name, records: [record('k', value)] }])));
    expect(textOf(await readAll(log, name))).toEqual(values);
  });

  test('what was sent may be changed afterwards: an encoder may use its buffer again', async () => {
    const { log } = logs();
    const name = await topic(log);
    const buffer = Buffer.from('first');
    const producer = await log.producer();
    await producer.send([{ topic: name, records: [{ key: 'k', value: buffer }] }]);
    buffer.fill('x');
    expect(textOf(await readAll(log, name))).toEqual(['first']);
  });

  test('a record without a key is refused by a compacted topic', async () => {
    const { log } = logs();
    const name = await topic(log, { cleanup: 'compact' });
    const producer = await log.producer();
    expect(await codeOf(producer.send([{ topic: name, records: [record(null, 'x')] }]))).toBe('BAD_INPUT');
    await producer.send([{ topic: name, records: [record('k', 'y')] }]);
    expect(textOf(await readAll(log, name))).toEqual(['y']);
  });
}

function reading(logs: Logs, send: Send): void {
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
    const [{ end = 0 } = {}] = await log.offsets(name);
    expect(textOf(await readAll(log, name))).toEqual(['a', 'b', 'c']);
    // Only a marker is left from here on.
    expect(await readAll(log, name, 0, end - 1)).toEqual([]);
    const batches: LogBatch[] = [];
    await log.read({ topic: name, partition: 0, from: 0, onBatch: (batch) => void batches.push(batch) });
    expect(batches.at(-1)).toMatchObject({ nextOffset: end, endOffset: end });
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

function groups(logs: Logs, send: Send): void {
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

function transactions(logs: Logs, send: Send): void {
  const open = async (log: Log, id = randomUUID()) => {
    const transactional = await log.transactions(id);
    await transactional.fence();
    return transactional;
  };

  test('a transaction writes to all its topics and positions', async () => {
    const { log } = logs();
    const [state, diffs, input] = [
      await topic(log, { cleanup: 'compact' }),
      await topic(log, { partitions: 2 }),
      await topic(log),
    ];
    const name = group();
    const transactional = await open(log);
    for (let i = 1; i <= 3; i += 1) {
      await transactional.commit(
        [
          { topic: state, records: [record('user', `state ${i}`)] },
          { topic: diffs, records: [record('user', `diff ${i}`, 0), record('other', `diff ${i}`, 1)] },
        ],
        { group: name, offsets: [{ topic: input, partition: 0, offset: i * 10 }] },
      );
    }
    expect(textOf(await readAll(log, state)).at(-1)).toBe('state 3');
    expect(textOf(await readAll(log, diffs, 0))).toEqual(['diff 1', 'diff 2', 'diff 3']);
    expect(textOf(await readAll(log, diffs, 1))).toEqual(['diff 1', 'diff 2', 'diff 3']);
    expect(await log.committed(name, input)).toEqual([30]);
  });

  test('nobody can tell from an offset how many records there are', async () => {
    const { log } = logs();
    const name = await topic(log);
    const transactional = await open(log);
    await transactional.commit([{ topic: name, records: [record('k', 'a')] }]);
    await send(name, record('k', 'b'));
    const records = await readAll(log, name);
    expect(records.map(({ offset }) => offset)).toEqual([0, 2]);
  });

  test('who takes an id fences who had it, and nothing of theirs is seen', async () => {
    const { log, other } = logs();
    const [name, input] = [await topic(log), await topic(log)];
    const [id, groupName] = [randomUUID(), group()];
    const zombie = await open(log, id);
    await zombie.commit([{ topic: name, records: [record('k', 'before')] }]);
    const heir = await open(other, id);
    const offsets = { group: groupName, offsets: [{ topic: input, partition: 0, offset: 5 }] };
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }], offsets))).toBe('FENCED');
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }]))).toBe('FENCED');
    await heir.commit([{ topic: name, records: [record('k', 'heir')] }]);
    expect(textOf(await readAll(log, name))).toEqual(['before', 'heir']);
    expect(await log.committed(groupName, input)).toEqual([null]);
  });

  test('a fenced zombie that takes the id back fences its heir: order is for the group to keep', async () => {
    const { log } = logs();
    const name = await topic(log);
    const id = randomUUID();
    const [one, two] = [await open(log, id), await open(log, id)];
    await one.fence();
    await one.commit([{ topic: name, records: [record('k', 'one')] }]);
    expect(await codeOf(two.commit([{ topic: name, records: [record('k', 'two')] }]))).toBe('FENCED');
  });

  test('ids do not disturb each other', async () => {
    const { log } = logs();
    const name = await topic(log, { partitions: 4 });
    const ids = await Promise.all([0, 1, 2, 3].map(() => open(log)));
    await Promise.all(
      ids.map(async (transactional, partition) => {
        for (let i = 0; i < 5; i += 1) await transactional.commit([{ topic: name, records: [record('k', `${i}`, partition)] }]);
      }),
    );
    for (let partition = 0; partition < 4; partition += 1) {
      expect(textOf(await readAll(log, name, partition))).toEqual(['0', '1', '2', '3', '4']);
    }
  });

  test('a transaction without a record, or before the fence, is a fault of the caller', async () => {
    const { log } = logs();
    const name = await topic(log);
    const transactional = await log.transactions(randomUUID());
    expect(await codeOf(transactional.commit([{ topic: name, records: [record('k', 'v')] }]))).toBe('INTERNAL');
    await transactional.fence();
    expect(await codeOf(transactional.commit([{ topic: name, records: [] }]))).toBe('INTERNAL');
  });
}
