/** Making topics and asking about them. Part of the log's contract (log.contract.ts). */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { TopicSpec } from '../../ports/log.ts';
import { codeOf, group, readAll, record, type Subject, topic } from './log.kit.ts';

export function topicLaws({ logs }: Subject): void {
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

  test('a topic is stamped by its broker, or by its writers where they are to', async () => {
    const { log } = logs();
    const [brokers, writers] = [await topic(log), await topic(log, { stamps: 'writer', retention_ms: 1e12 })];
    expect(await Promise.all([brokers, writers].map((name) => log.stamps(name)))).toEqual(['broker', 'writer']);
    expect(await codeOf(log.stamps(`contract.${randomUUID()}`))).toBe('LOG_MISMATCH');
    // Any stamps: in no order, and a year apart in one batch.
    const stamps = [1_700_000_000_000, 1_700_000_000_007, 1_699_999_999_000, 1_731_536_000_000, 1_668_464_000_000];
    const records = stamps.map((timestamp, n) => ({ ...record('k', `${n}`), timestamp }));
    const producer = await log.producer();
    for (const name of [brokers, writers]) await producer.send([{ topic: name, records }]);
    expect((await readAll(log, writers)).map(({ timestamp }) => timestamp)).toEqual(stamps);
    const [own] = await readAll(log, brokers);
    expect(own?.timestamp).toBeGreaterThan(1_731_536_000_000);
  });

  test('the log answers a ping', async () => {
    await logs().log.ping();
  });
}
