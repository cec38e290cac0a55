/**
 * What other clients and Kafka itself put into a log, and what they read of ours: open and aborted transactions, compression,
 * control records, compaction to nothing. Written with kafkajs itself, and with settings that hurry the broker.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import type { Log } from '../../ports/log.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { describeWith } from '../stack/suite.ts';
import { codeOf, eventually, readAll, record, textOf, topic } from './log.kit.ts';

await describeWith('The Kafka log among other clients', ['kafka'], ({ kafka }) => {
  const client = new Kafka({
    brokers: [kafka],
    clientId: 'foreign',
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20 },
  });
  let log: Log;
  const cleanups: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    log = await createKafkaLog({ brokers: [kafka], clientId: 'wire', logger: silentLogger });
  });
  afterAll(async () => {
    for (const cleanup of cleanups) await cleanup();
    await log?.close();
  });

  async function foreignTransaction(name: string, value: string) {
    const producer = client.producer({
      transactionalId: randomUUID(),
      maxInFlightRequests: 1,
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    cleanups.push(() => producer.disconnect());
    const transaction = await producer.transaction();
    await transaction.send({ topic: name, messages: [{ key: 'k', value, partition: 0 }] });
    return transaction;
  }

  test('nobody reads what a transaction has not ended, nor what lies behind it', async () => {
    const name = await topic(log);
    const seen: string[] = [];
    const follower = await log.follow({
      topics: [name],
      from: 'start',
      onBatch: async ({ records }) => void seen.push(...textOf(records)),
    });
    const producer = await log.producer();
    await producer.send([{ topic: name, records: [record('k', 'before')] }]);
    const transaction = await foreignTransaction(name, 'open');
    await producer.send([{ topic: name, records: [record('k', 'after')] }]);
    await sleep(300);
    expect(seen).toEqual(['before']);
    expect((await log.offsets(name))[0]?.end).toBe(1);
    expect(textOf(await readAll(log, name))).toEqual(['before']);
    await transaction.commit();
    await eventually(() => seen.length === 3);
    expect(seen).toEqual(['before', 'open', 'after']);
    await follower.close();
  });

  test('aborted transactions are unseen, however they lie among those that are committed', async () => {
    const name = await topic(log);
    const expected: string[] = [];
    const producer = await log.producer();
    // Five at once, ended in another order than begun; every other one aborted.
    for (let round = 0; round < 3; round += 1) {
      const open = [];
      for (let i = 0; i < 5; i += 1) {
        open.push(await foreignTransaction(name, `${round}.${i}`));
        if (i % 2 === 0) expected.push(`${round}.${i}`);
        await producer.send([{ topic: name, records: [record('k', `plain ${round}.${i}`)] }]);
        expected.push(`plain ${round}.${i}`);
      }
      for (const i of [3, 0, 4, 1, 2]) await (i % 2 === 0 ? open[i]?.commit() : open[i]?.abort());
    }
    await eventually(async () => (await readAll(log, name)).length >= expected.length);
    expect(textOf(await readAll(log, name))).toEqual(expected);
    const [{ end = 0 } = {}] = await log.offsets(name);
    for (let from = 0; from < end; from += 1) {
      const all = await readAll(log, name, 0, from);
      expect(textOf(all)).toEqual(expected.slice(expected.length - all.length));
    }
  });

  test('a producer that aborted is read again from its next commit on', async () => {
    const name = await topic(log);
    const producer = client.producer({
      transactionalId: randomUUID(),
      maxInFlightRequests: 1,
      idempotent: true,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { initialRetryTime: 20 },
    });
    await producer.connect();
    cleanups.push(() => producer.disconnect());
    for (const value of ['a', 'no', 'b', 'no', 'no', 'c']) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: name, messages: [{ key: 'k', value }] });
      await (value === 'no' ? transaction.abort() : transaction.commit());
    }
    // The marker of the last one may still be on its way.
    await eventually(async () => (await readAll(log, name)).length >= 3);
    expect(textOf(await readAll(log, name))).toEqual(['a', 'b', 'c']);
  });

  test('gzip is read, and a record alone in the middle of a batch', async () => {
    const name = await topic(log);
    const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    cleanups.push(() => producer.disconnect());
    const messages = ['a', 'b', 'c'].map((value) => ({ key: 'k', value, headers: { h: value } }));
    await producer.send({ topic: name, messages, compression: CompressionTypes.GZIP });
    await producer.send({ topic: name, messages });
    const records = await readAll(log, name);
    expect(textOf(records)).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    expect(records.map(({ headers }) => String(headers.h))).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    expect(textOf(await readAll(log, name, 0, 1, 5))).toEqual(['b', 'c', 'a', 'b']);
  });

  // A topic's own codec is the broker's to apply: Java's libraries, as Kafka Streams and most writers use them.
  test.each(['gzip', 'snappy', 'lz4', 'zstd'])('a topic that is packed by %s is read as it was written', async (codec) => {
    const name = `wire.${randomUUID().slice(0, 8)}`;
    const admin = client.admin();
    await admin.connect();
    cleanups.push(() => admin.disconnect());
    const configEntries = [{ name: 'compression.type', value: codec }];
    await admin.createTopics({ topics: [{ topic: name, numPartitions: 1, replicationFactor: 1, configEntries }] });
    const producer = await log.producer();
    const noise = randomBytes(100_000);
    // Of every kind: nothing, what repeats, what cannot be packed, more than a block of any codec.
    const values = [
      Buffer.alloc(0),
      Buffer.alloc(200_000, 'abc'),
      noise,
      Buffer.concat([noise.subarray(0, 40_000), Buffer.alloc(70_000), noise.subarray(0, 40_000)]),
      ...Array.from({ length: 500 }, (_, i) => Buffer.from(`{"user":"u${i % 37}","at":${i * 7919},"state":"online"}`)),
    ];
    await producer.send([{ topic: name, records: values.map((value) => ({ key: 'k', value })) }]);
    const records = await readAll(log, name);
    expect(records.map(({ value }) => value?.toString('base64'))).toEqual(values.map((value) => value.toString('base64')));
  });

  test('kafkajs reads what we write', async () => {
    const name = await topic(log);
    const producer = await log.producer();
    const long = 'x'.repeat(70_000);
    await producer.send([
      {
        topic: name,
        records: [
          { key: Buffer.from([0, 200]), value: Buffer.from(long), headers: { ü: 'ä', b: Buffer.from([7]) } },
          record('k', null),
        ],
      },
    ]);
    const consumer = client.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 });
    cleanups.push(() => consumer.disconnect());
    await consumer.subscribe({ topics: [name], fromBeginning: true });
    const messages: { key: Buffer | null; value: Buffer | null; headers?: object | undefined }[] = [];
    await consumer.run({ eachMessage: async ({ message }) => void messages.push(message) });
    await eventually(() => messages.length === 2);
    expect(messages[0]?.key).toEqual(Buffer.from([0, 200]));
    expect(messages[0]?.value?.toString()).toBe(long);
    expect(messages[0]?.headers).toEqual({ ü: Buffer.from('ä'), b: Buffer.from([7]) });
    expect([String(messages[1]?.key), messages[1]?.value]).toEqual(['k', null]);
  });

  test('a record that the broker will never take is refused as such, and the next one is written', async () => {
    const name = await topic(log);
    const producer = await log.producer();
    await producer.send([{ topic: name, records: [record('k', 'a')] }]);
    expect(await codeOf(producer.send([{ topic: name, records: [{ key: 'k', value: Buffer.alloc(2 << 20) }] }]))).toBe(
      'BAD_INPUT',
    );
    await producer.send([{ topic: name, records: [record('k', 'b')] }]);
    const transactional = await log.transactions(randomUUID());
    await transactional.fence();
    const large = transactional.commit([
      { topic: name, records: [record('k', 'no'), { key: 'k', value: Buffer.alloc(2 << 20) }] },
    ]);
    expect(await codeOf(large)).toBe('BAD_INPUT');
    await transactional.commit([{ topic: name, records: [record('k', 'c')] }]);
    await transactional.reopen();
    expect(textOf(await readAll(log, name))).toEqual(['a', 'b', 'c']);
  });

  test('a compacted partition is read to its end while the broker cleans it, also where nothing is left', async () => {
    const name = `wire.${randomUUID().slice(0, 8)}`;
    const admin = client.admin();
    await admin.connect();
    cleanups.push(() => admin.disconnect());
    const hurry = {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.001',
      'max.compaction.lag.ms': '200',
      'delete.retention.ms': '0',
    };
    const configEntries = Object.entries(hurry).map(([entry, value]) => ({ name: entry, value }));
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: 1, replicationFactor: 1, configEntries }],
      waitForLeaders: true,
    });
    const transactional = await log.transactions(randomUUID());
    await transactional.fence();
    const producer = await log.producer();
    let written = 0;
    let left = Number.POSITIVE_INFINITY;
    const round = async (value: string | null): Promise<void> => {
      const records = Array.from({ length: 50 }, (_, i) => record(`k${i}`, value));
      if (written % 100 === 0) await transactional.commit([{ topic: name, records }]).then(() => transactional.reopen());
      else await producer.send([{ topic: name, records }]);
      written += 50;
      await sleep(250);
      const all = await readAll(log, name);
      left = all.length;
      expect(new Set(textOf(all.slice(-50)))).toEqual(new Set([value ?? '(gone)']));
    };
    for (let i = 0; i < 4 || (left > 150 && i < 150); i += 1) await round(String(i));
    expect(left).toBeLessThan(written);
    await round(null);
    // Tombstones go too: in the end there may be nothing between an offset and the end.
    await eventually(async () => {
      await producer.send([{ topic: name, records: [record('last', 'x')] }]);
      await sleep(300);
      const all = await readAll(log, name);
      return !textOf(all).includes('(gone)');
    }, 40_000);
    const [{ end = 0 } = {}] = await log.offsets(name);
    for (let from = 0; from < end; from += 37) await readAll(log, name, 0, from);
    const follower = await log.follow({ topics: [name], from: 'start', onBatch: async () => {} });
    await follower.caughtUp;
    await follower.close();
  });

  test('a session timeout that the broker refuses is said once, with the settings that bound it', async () => {
    const lines: { level: number; msg: string; session_ms?: number }[] = [];
    const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const impatient = await createKafkaLog({ brokers: [kafka], clientId: 'impatient', logger });
    const joined = impatient.consume({
      group: randomUUID(),
      topics: [await topic(log)],
      session_ms: 1,
      onBatch: async () => {},
    });
    await eventually(() => lines.length > 0);
    // Several attempts on.
    expect(await Promise.race([joined, sleep(1_000, 'not joined')])).toBe('not joined');
    expect(lines).toMatchObject([{ level: 50, session_ms: 1, msg: expect.stringContaining('group.min.session.timeout.ms') }]);
    await impatient.close();
  });

  test('a batch may take longer than the group waits for a silent member', async () => {
    const name = await topic(log);
    const producer = await log.producer();
    await producer.send([{ topic: name, records: [record('k', 'slow')] }]);
    const events: string[] = [];
    const group = randomUUID();
    const holder: { consumer?: Awaited<ReturnType<Log['consume']>> } = {};
    holder.consumer = await log.consume({
      group,
      topics: [name],
      onRevoked: async () => void events.push('revoked'),
      onBatch: async ({ nextOffset }) => {
        await sleep(8_000);
        await holder.consumer?.commit([{ topic: name, partition: 0, offset: nextOffset }]);
        events.push('committed');
      },
    });
    await eventually(() => events.length > 0, 30_000);
    expect(events).toEqual(['committed']);
    expect(await log.committed(group, name)).toEqual([1]);
    await holder.consumer.close();
  });
});
