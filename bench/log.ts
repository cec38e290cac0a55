/**
 * What a log costs: transactions of several producers beside each other, reading a partition, and the way from a send to a
 * consumer. `npx tsx bench/log.ts [host:port]`; without an address on the embedded log.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../base/logger.ts';
import type { Log, OutRecord } from '../ports/log.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { createKafkaLog } from '../runtime/log-kafka.ts';

const [address] = process.argv.slice(2);
const log: Log =
  address === undefined
    ? await createEmbeddedLog()
    : await createKafkaLog({ brokers: [address], clientId: 'bench', logger: silentLogger });

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0;
const spread = (values: readonly number[]): string => {
  const [p50, p99, most] = [quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)].map(
    (ms) => `${ms.toFixed(1)} ms`,
  );
  return `p50 ${p50}, p99 ${p99}, most ${most} (n=${values.length})`;
};
const records = (count: number, bytes: number): OutRecord[] =>
  Array.from({ length: count }, (_, i) => ({ key: `user-${i}`, value: Buffer.alloc(bytes, 'x'), partition: 0 }));

async function newTopic(partitions: number): Promise<string> {
  const name = `bench.${randomUUID().slice(0, 8)}`;
  await log.ensureTopics([{ name, partitions, cleanup: 'delete', retention_ms: 3_600_000 }]);
  return name;
}

/** Eight partitions of one process, each committing its cut: state, diffs, position. */
async function transactions(every_ms: number, count: number, size: number): Promise<void> {
  const [state, diffs] = [await newTopic(8), await newTopic(8)];
  const times: number[] = [];
  const one = async (partition: number): Promise<void> => {
    const transactional = await log.transactions(randomUUID());
    await transactional.fence();
    const body = records(size, 200).map((record) => ({ ...record, partition }));
    const commit = (i: number): Promise<unknown> =>
      transactional.commit(
        [
          { topic: state, records: body },
          { topic: diffs, records: body },
        ],
        { group: 'bench', offsets: [{ topic: state, partition, offset: i }] },
      );
    await commit(0);
    await sleep((partition * every_ms) / 8);
    for (let i = 1; i <= count; i += 1) {
      const started = performance.now();
      await commit(i);
      const took = performance.now() - started;
      times.push(took);
      await sleep(Math.max(0, every_ms - took));
    }
    await transactional.close();
  };
  const started = performance.now();
  await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(one));
  const rate = (times.length / (performance.now() - started)) * 1_000;
  console.log(
    `8 ids, ${size} + ${size} records and a position, every ${every_ms} ms: ${spread(times)}, ${rate.toFixed(0)} transactions/s`,
  );
}

async function produceAndRead(total: number): Promise<void> {
  const name = await newTopic(1);
  const producer = await log.producer();
  const body = records(1_000, 100);
  let started = performance.now();
  for (let sent = 0; sent < total; sent += body.length) await producer.send([{ topic: name, records: body }]);
  const rate = (since: number): string => `${((total / (performance.now() - since)) * 1_000).toFixed(0)} records/s`;
  console.log(`sends of 1,000 records of 100 bytes: ${rate(started)}`);
  started = performance.now();
  let count = 0;
  let first = 0;
  await log.read({
    topic: name,
    partition: 0,
    from: 0,
    onBatch: (batch) => {
      if (count === 0) first = performance.now() - started;
      count += batch.records.length;
    },
  });
  console.log(`read of ${count} records: ${rate(started)}, the first batch after ${first.toFixed(0)} ms`);
  started = performance.now();
  await log.read({ topic: name, partition: 0, from: total - 1, onBatch: () => {} });
  console.log(`read of one record: ${(performance.now() - started).toFixed(0)} ms`);
}

async function latency(count: number): Promise<void> {
  const name = await newTopic(8);
  const seen = new Map<string, number>();
  const onBatch = async ({ records: batch }: { records: readonly { value: Buffer | null }[] }): Promise<void> => {
    for (const { value } of batch) seen.set(String(value), performance.now());
  };
  let assigned = false;
  const onAssigned = async (): Promise<void> => {
    assigned = true;
  };
  const consumer = await log.consume({ group: randomUUID(), topics: [name], onBatch, onAssigned });
  while (!assigned) await sleep(10);
  const producer = await log.producer();
  const [sent, acknowledged] = [new Map<string, number>(), [] as number[]];
  for (let i = 0; i < count; i += 1) {
    const value = String(i);
    const started = performance.now();
    sent.set(value, started);
    await producer.send([{ topic: name, records: [{ key: value, value: Buffer.from(value) }] }]);
    acknowledged.push(performance.now() - started);
    await sleep(5);
  }
  while (seen.size < count) await sleep(10);
  console.log(`one record sent and acknowledged: ${spread(acknowledged)}`);
  console.log(`sent to consumed: ${spread([...sent].map(([value, at]) => (seen.get(value) ?? 0) - at))}`);
  await consumer.close();
}

await transactions(200, 50, 10);
await transactions(200, 50, 250);
await transactions(0, 50, 10);
await produceAndRead(500_000);
await latency(500);
await log.close();
