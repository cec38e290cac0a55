/** Through a real Kafka: a reader that stands still holds what its limit says, and the broker keeps the rest. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { until } from '../runtime/world.ts';
import { describeWith } from '../stack/suite.ts';
import { Gate, mostOf } from './gate.ts';

await describeWith('A reader of Kafka that stands still', ['kafka'], ({ kafka }) => {
  test('holds at most a full queue and one fetch a partition, then reads on without a gap', async () => {
    const log = await createKafkaLog({ brokers: [kafka], clientId: 'stalled', logger: silentLogger });
    const topic = `stalled.${randomUUID().slice(0, 8)}`;
    const partitions = 3;
    await log.ensureTopics([{ name: topic, partitions, cleanup: 'delete', retention_ms: 3_600_000 }]);
    const gate = new Gate();
    const read = Array.from({ length: partitions }, () => [] as number[]);
    gate.close();
    const follower = await log.follow({
      topics: [topic],
      from: 'start',
      onBatch: (batch) =>
        gate.pass(async () => {
          for (const record of batch.records) read[batch.partition]!.push(record.value!.readUInt32BE(0));
        }),
    });
    // 8 MB for each partition, in records of 10 KB.
    const [rounds, size] = [40, 20];
    const producer = await log.producer();
    const value = (n: number) => {
      const bytes = Buffer.alloc(10_000);
      bytes.writeUInt32BE(n);
      return bytes;
    };
    const most = await mostOf('presence_log_fetched_waiting_bytes', async () => {
      for (let round = 0; round < rounds; round += 1) {
        const records = Array.from({ length: size * partitions }, (_, n) => ({
          key: null,
          partition: n % partitions,
          value: value(round * size + Math.floor(n / partitions)),
        }));
        await producer.send([{ topic, records }]);
      }
      await sleep(300); // a few fetches more, if it makes any
    });
    expect(gate.most).toBe(partitions);
    expect(most).toBeGreaterThan(0);
    // The queue is asked for more below 1 MiB, and a fetch brings 1 MiB and what a batch has beyond.
    expect(most).toBeLessThanOrEqual(partitions * (2 << 20) + (1 << 20));
    gate.open();
    await until('all is read', () => read.every((one) => one.length === rounds * size), 30_000);
    for (const one of read) expect(one).toEqual(Array.from({ length: rounds * size }, (_, n) => n));
    await follower.close();
    await producer.close();
    await log.close();
  });
});
