/** Producers: partitions, order, stamps. Part of the log's contract (log.contract.ts). */
import { Partitioners } from 'kafkajs';
import { expect, test } from 'vitest';
import { codeOf, placeOf, readAll, record, type Subject, textOf, topic } from './log.kit.ts';

export function writingLaws({ logs, send }: Subject): void {
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
