/**
 * Kafka through a bad network (test/proxy): nothing acknowledged is lost or doubled, and every outcome is one of those that
 * ports/log.ts names. What the faults are is drawn from a seed, which a failure prints:
 *
 *     SEED=7 npx vitest run test/contract/log.kafka-faults.test.ts
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { hasCode } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Log, LogTransactions } from '../../ports/log.ts';
import { random as seeded } from '../../processors/swarm.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { type Exchange, type Fault, type KafkaProxy, kafkaProxy } from '../proxy/kafka-proxy.ts';
import { describeWith } from '../stack/suite.ts';
import { codeOf, eventually, readAll, record, textOf, topic } from './log.kit.ts';

const SEED = Number(process.env.SEED ?? 1 + Math.floor(Math.random() * 1e6));

/** One of these apis' requests in `every` goes wrong, in one of all ways. */
function at(apis: readonly string[], every: number, roll: () => number): (exchange: Exchange) => Fault {
  const kinds: readonly Fault[] = ['drop', 'cut', 'lose', { delay_ms: 20 }];
  return ({ api }) => (apis.includes(api) && roll() < 1 / every ? kinds[Math.floor(roll() * kinds.length)] : undefined);
}

await describeWith('The Kafka log through a bad network', ['kafka'], ({ kafka }) => {
  let proxy: KafkaProxy;
  let direct: Log;
  let log: Log;
  const open = (url: string, patience_ms = 5_000) =>
    createKafkaLog({ brokers: [url], clientId: 'faults', logger: silentLogger, requestTimeout_ms: 300, patience_ms });

  beforeAll(async () => {
    proxy = await kafkaProxy(kafka);
    direct = await open(kafka);
    log = await open(proxy.url);
  });
  afterEach(() => {
    proxy.faults = () => undefined;
    proxy.down = false;
  });
  afterAll(async () => {
    await log?.close();
    await direct?.close();
    await proxy?.close();
  });

  test(`a producer's records are written once each, in order, whatever answers are lost (SEED=${SEED})`, async () => {
    const name = await topic(direct, { partitions: 2 });
    const producer = await log.producer();
    proxy.faults = at(['Produce'], 3, seeded(SEED));
    const sent = Array.from({ length: 150 }, (_, i) => String(i));
    const answers = await Promise.all(
      sent.map((value, i) =>
        producer.send([{ topic: name, records: [record('k', value, 0), ...(i % 3 === 0 ? [record('k', value, 1)] : [])] }]),
      ),
    );
    expect(proxy.counts.get('Produce')).toBeGreaterThan(20);
    const records = await readAll(direct, name);
    expect(textOf(records)).toEqual(sent);
    expect(textOf(await readAll(direct, name, 1))).toEqual(sent.filter((_, i) => i % 3 === 0));
    expect(answers.map(([first]) => first?.baseOffset)).toEqual(records.map(({ offset }) => offset));
    expect(answers.map(([first]) => first?.timestamp)).toEqual(records.map(({ timestamp }) => timestamp));
  });

  // Of an answer that broke off kafkajs keeps what came: without our care the next connection's answers would be added to it.
  test.each(['Fetch', 'Produce', 'FindCoordinator', 'AddPartitionsToTxn', 'EndTxn', 'Heartbeat'])(
    'an answer to %s that breaks off in the middle is no part of the next one',
    async (api) => {
      const name = await topic(direct);
      const [producer, transactional] = [await log.producer(), await log.transactions(randomUUID())];
      await transactional.fence();
      const seen: string[] = [];
      const member = await log.consume({
        group: randomUUID(),
        topics: [name],
        onBatch: async ({ records }) => void seen.push(...textOf(records)),
      });
      let torn = 0;
      proxy.faults = (exchange) => (exchange.api === api && torn++ < 3 ? 'tear' : undefined);
      for (let i = 0; i < 5; i += 1) {
        await producer.send([{ topic: name, records: [record('k', `p${i}`)] }]);
        await transactional.commit([{ topic: name, records: [record('k', `t${i}`)] }]);
        await sleep(300);
      }
      await eventually(() => seen.length >= 10, 20_000);
      expect(seen).toEqual(Array.from({ length: 5 }, (_, i) => [`p${i}`, `t${i}`]).flat());
      await Promise.all([member.close(), producer.close(), transactional.close()]);
    },
    40_000,
  );

  // As another member each time, it would be waited for as often as it has asked: with a few of them a group never comes to rest.
  test('who gets no answer to their joining asks again as the same member', { timeout: 60_000 }, async () => {
    const name = await topic(direct);
    const group = randomUUID();
    const consume = () => log.consume({ group, topics: [name], onBatch: async () => {} });
    // So that the coordinator is ready: then a first request is answered with the id to join with, a second one joins.
    await (await consume()).close();
    let joins = 0;
    proxy.faults = ({ api }) => (api === 'JoinGroup' && ++joins === 2 ? 'cut' : undefined);
    const admin = new Kafka({ brokers: [kafka], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const members = new Set<string>();
    let joined = false;
    const joining = consume().finally(() => {
      joined = true;
    });
    while (!joined) {
      const { groups } = await admin.describeGroups([group]);
      for (const { memberId } of groups[0]?.members ?? []) members.add(memberId);
      await sleep(50);
    }
    await admin.disconnect();
    await (await joining).close();
    expect(joins).toBeGreaterThan(2);
    expect(members.size).toBe(1);
  });

  test('a send that was given up and is given again as it was is written once; what follows is not taken for it', async () => {
    const name = await topic(direct);
    const impatient = await open(proxy.url, 700);
    const producer = await impatient.producer();
    await producer.send([{ topic: name, records: [record('k', 'a')] }]);
    proxy.faults = ({ api }) => (api === 'Produce' ? 'drop' : undefined);
    const again = [{ topic: name, records: [record('k', 'b')] }];
    expect(await codeOf(producer.send(again))).toBe('LOG_UNAVAILABLE');
    expect(await codeOf(producer.send(again))).toBe('LOG_UNAVAILABLE');
    proxy.faults = () => undefined;
    await producer.send(again);
    expect(textOf(await readAll(direct, name))).toEqual(['a', 'b']);
    proxy.faults = ({ api }) => (api === 'Produce' ? 'drop' : undefined);
    expect(await codeOf(producer.send([{ topic: name, records: [record('k', 'c')] }]))).toBe('LOG_UNAVAILABLE');
    proxy.faults = () => undefined;
    // Of the same size as the one given up: by its sequence alone the broker would take it for that one.
    await producer.send([{ topic: name, records: [record('k', 'd')] }]);
    expect(textOf(await readAll(direct, name))).toEqual(['a', 'b', 'c', 'd']);
    await impatient.close();
  });

  /** As ports/log.ts asks of whoever commits: the same again after ABORTED, read and decide after COMMIT_UNKNOWN. */
  async function commitOnce(
    transactional: LogTransactions,
    name: string,
    value: string,
    group: string,
    offset: number,
  ): Promise<string> {
    const batches = [{ topic: name, records: [record('k', value, 0), record('k', value, 1)] }];
    const outcomes: string[] = [];
    for (;;) {
      try {
        await transactional.commit(batches, { group, offsets: [{ topic: name, partition: 0, offset }] });
        return outcomes.join();
      } catch (error) {
        if (!hasCode(error, 'ABORTED', 'COMMIT_UNKNOWN')) throw error;
        outcomes.push(error.code);
        if (error.code === 'ABORTED') continue;
        await transactional.reopen();
        if (textOf(await readAll(direct, name)).at(-1) === value) return outcomes.join();
      }
    }
  }

  test(`transactions are written once each and whole, whatever request or answer is lost (SEED=${SEED})`, async () => {
    const name = await topic(direct, { partitions: 2 });
    const group = randomUUID();
    const patient = await open(proxy.url, 1_500);
    const transactional = await patient.transactions(randomUUID());
    await transactional.fence();
    const apis = ['AddPartitionsToTxn', 'Produce', 'AddOffsetsToTxn', 'TxnOffsetCommit', 'EndTxn'];
    proxy.faults = at(apis, 6, seeded(SEED));
    const values = Array.from({ length: 60 }, (_, i) => String(i));
    for (const [i, value] of values.entries()) await commitOnce(transactional, name, value, group, i + 1);
    proxy.faults = () => undefined;
    await transactional.reopen();
    for (const partition of [0, 1]) expect(textOf(await readAll(direct, name, partition))).toEqual(values);
    expect((await direct.committed(group, name))[0]).toBe(values.length);
    expect(Math.min(...apis.map((api) => proxy.counts.get(api) ?? 0))).toBeGreaterThan(0);
    await patient.close();
  });

  test.each([
    ['committed, where the broker had the commit', 'drop', ['before', 'unknown', 'after']],
    ['aborted, where it had not', 'lose', ['before', 'after']],
  ] as const)('a commit whose answer never comes is settled by reopen: %s', async (_, fault, expected) => {
    const name = await topic(direct);
    const impatient = await open(proxy.url, 700);
    const transactional = await impatient.transactions(randomUUID());
    await transactional.fence();
    const commit = (value: string) => transactional.commit([{ topic: name, records: [record('k', value)] }]);
    await commit('before');
    proxy.faults = ({ api }) => (api === 'EndTxn' ? fault : undefined);
    expect(await codeOf(commit('unknown'))).toBe('COMMIT_UNKNOWN');
    expect(await codeOf(commit('too early'))).toBe('COMMIT_UNKNOWN');
    proxy.faults = () => undefined;
    await transactional.reopen();
    expect(textOf(await readAll(direct, name))).toEqual(expected.slice(0, -1));
    await commit('after');
    await transactional.reopen();
    expect(textOf(await readAll(direct, name))).toEqual(expected);
    await impatient.close();
  });

  test.each(['AddPartitionsToTxn', 'Produce'] as const)(
    'a transaction that could not be written (%s) is never seen, not even with the next one',
    async (api) => {
      const name = await topic(direct);
      const impatient = await open(proxy.url, 700);
      const transactional = await impatient.transactions(randomUUID());
      await transactional.fence();
      const commit = (value: string) => transactional.commit([{ topic: name, records: [record('k', value)] }]);
      await commit('before');
      for (const [i, fault] of (['drop', 'lose', 'cut'] as const).entries()) {
        proxy.faults = (exchange) => (exchange.api === api ? fault : undefined);
        expect(await codeOf(commit(`aborted ${i}`))).toBe('ABORTED');
        expect(await codeOf(commit(`aborted ${i}`))).toBe('ABORTED');
        proxy.faults = () => undefined;
        await commit(`after ${i}`);
      }
      await transactional.reopen();
      expect(textOf(await readAll(direct, name))).toEqual(['before', 'after 0', 'after 1', 'after 2']);
      await impatient.close();
    },
  );

  test('who was fenced while its commit was unknown is told so by reopen, and does not fence its heir', async () => {
    const name = await topic(direct);
    const id = randomUUID();
    const impatient = await open(proxy.url, 700);
    const zombie = await impatient.transactions(id);
    await zombie.fence();
    proxy.faults = ({ api }) => (api === 'EndTxn' ? 'lose' : undefined);
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }]))).toBe('COMMIT_UNKNOWN');
    proxy.faults = () => undefined;
    const heir = await direct.transactions(id);
    await heir.fence();
    await heir.commit([{ topic: name, records: [record('k', 'heir 1')] }]);
    expect(await codeOf(zombie.reopen())).toBe('FENCED');
    await heir.commit([{ topic: name, records: [record('k', 'heir 2')] }]);
    await heir.reopen();
    expect(textOf(await readAll(direct, name))).toEqual(['heir 1', 'heir 2']);
    await impatient.close();
  });

  test('a zombie in the midst of trouble does not fence its heir when it commits again', async () => {
    const name = await topic(direct);
    const id = randomUUID();
    const impatient = await open(proxy.url, 700);
    const zombie = await impatient.transactions(id);
    await zombie.fence();
    proxy.faults = ({ api }) => (api === 'Produce' ? 'lose' : undefined);
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }]))).toBe('ABORTED');
    proxy.faults = () => undefined;
    const heir = await direct.transactions(id);
    await heir.fence();
    expect(await codeOf(zombie.commit([{ topic: name, records: [record('k', 'zombie')] }]))).toBe('FENCED');
    await heir.commit([{ topic: name, records: [record('k', 'heir')] }]);
    await heir.reopen();
    expect(textOf(await readAll(direct, name))).toEqual(['heir']);
    await impatient.close();
  });

  test(`readers see every record in order through broken connections and lost answers (SEED=${SEED})`, async () => {
    const name = await topic(direct, { partitions: 2 });
    const roll = seeded(SEED);
    const group = randomUUID();
    const [consumed, followed]: [string[][], string[][]] = [
      [[], []],
      [[], []],
    ];
    proxy.faults = at(['Fetch', 'OffsetCommit', 'OffsetFetch', 'ListOffsets', 'Heartbeat', 'Metadata'], 15, roll);
    const holder: { consumer?: Awaited<ReturnType<Log['consume']>> } = {};
    const positions = [0, 0];
    holder.consumer = await log.consume({
      group,
      topics: [name],
      onBatch: async ({ partition, records, nextOffset }) => {
        // Repeats are allowed after a rebalance; what is new must follow what was.
        const fresh = records.filter(({ offset }) => offset >= (positions[partition] ?? 0));
        if (fresh[0] !== undefined && positions[partition] !== fresh[0].offset) throw new Error('a gap');
        consumed[partition]?.push(...textOf(fresh));
        positions[partition] = nextOffset;
        await holder.consumer?.commit([{ topic: name, partition, offset: nextOffset }]).catch(() => {});
      },
    });
    const onBatch = async ({ partition, records }: { partition: number; records: Parameters<typeof textOf>[0] }): Promise<void> =>
      void followed[partition]?.push(...textOf(records));
    const follower = await log.follow({ topics: [name], from: 'start', onBatch });
    const producer = await direct.producer();
    const values = Array.from({ length: 200 }, (_, i) => String(i));
    for (const [i, value] of values.entries()) {
      await producer.send([{ topic: name, records: [record('k', value, 0), record('k', value, 1)] }]);
      if (i % 50 === 25) proxy.cutAll();
      await sleep(5);
    }
    await eventually(() => [...consumed, ...followed].every((seen) => seen.length >= values.length));
    expect(consumed).toEqual([values, values]);
    expect(followed).toEqual([values, values]);
    await holder.consumer.close();
    await follower.close();
  });

  test('a log that is down at the start is waited for by readers, refused to askers, and used once it is there', async () => {
    const name = await topic(direct);
    proxy.down = true;
    const early = await open(proxy.url, 300);
    const seen: string[] = [];
    const onBatch = async ({ records }: { records: Parameters<typeof textOf>[0] }): Promise<void> =>
      void seen.push(...textOf(records));
    const [producer, follower] = [await early.producer(), await early.follow({ topics: [name], from: 'start', onBatch })];
    const consuming = early.consume({ group: randomUUID(), topics: [name], onBatch });
    expect(await codeOf(early.ping())).toBe('LOG_UNAVAILABLE');
    expect(await codeOf(early.offsets(name))).toBe('LOG_UNAVAILABLE');
    expect(await codeOf(producer.send([{ topic: name, records: [record('k', 'lost')] }]))).toBe('LOG_UNAVAILABLE');
    proxy.down = false;
    await (await consuming).close();
    await follower.caughtUp;
    await eventually(async () => (await codeOf(producer.send([{ topic: name, records: [record('k', 'late')] }]))) === 'resolved');
    await eventually(() => seen.includes('late'));
    await early.close();
  });

  test('a read is not disturbed by lost answers', async () => {
    const name = await topic(direct);
    const producer = await direct.producer();
    for (let i = 0; i < 10; i += 1) {
      await producer.send([
        { topic: name, records: Array.from({ length: 1_000 }, () => ({ key: 'k', value: Buffer.alloc(1_000) })) },
      ]);
    }
    proxy.faults = at(['Fetch', 'ListOffsets', 'Metadata'], 8, seeded(SEED));
    expect((await readAll(log, name)).map(({ offset }) => offset)).toEqual([...Array(10_000).keys()]);
  });
});
