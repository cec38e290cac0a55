/** Reads a stretch of one partition, as fast as it comes: the next fetch is under way while a batch is handed over. */
import { PresenceError } from '../../base/errors.ts';
import type { LogBatch, ReadOptions } from '../../ports/log.ts';
import { type Client, type Connection, persist } from './client.ts';
import { unavailable } from './errors.ts';
import { listOffset, readAnswer } from './fetcher.ts';
import { protocolError } from './internals.ts';
import { fetch } from './requests.ts';

const READ_BYTES = 4 << 20;
/** Below the stable end a broker answers at once; the wait is for replicas that lag. */
const MAX_WAIT_MS = 50;

export async function readPartition(client: Client, options: ReadOptions): Promise<void> {
  const { topic, partition, from, to = Number.POSITIVE_INFINITY, onBatch } = options;
  const at = `${topic}/${partition}`;
  // Its own connection: a read of millions must not stand before others' questions.
  const connection = client.open();
  const retry = { connection, patience_ms: client.patience_ms, final: (error: unknown) => error instanceof PresenceError };
  try {
    const [start, end] = await persist(retry, async () => {
      if (partition >= (await connection.partitionsOf(topic))) {
        throw new PresenceError('LOG_MISMATCH', `Topic ${topic} has no partition ${partition}.`, { at, retriable: false });
      }
      return Promise.all([listOffset(connection, options, -2), listOffset(connection, options, -1)]);
    });
    const limit = Math.min(to, end);
    const next = (offset: number): Promise<LogBatch> | null => {
      if (offset >= limit) return null;
      const fetched = persist(retry, () => fetchOne(connection, options, offset, client.patience_ms));
      fetched.catch(() => {}); // it is awaited below, after the batch before it
      return fetched;
    };
    for (let fetched = next(Math.max(from, start)); fetched !== null; ) {
      const batch = await fetched;
      fetched = next(batch.nextOffset);
      const records = batch.nextOffset <= limit ? batch.records : batch.records.filter(({ offset }) => offset < limit);
      if (records.length === 0) continue;
      if ((await onBatch({ ...batch, records, nextOffset: Math.min(batch.nextOffset, limit) })) === 'enough') return;
    }
  } catch (error) {
    throw unavailable(at, error);
  } finally {
    await connection.close();
  }
}

async function fetchOne(
  connection: Connection,
  { topic, partition }: ReadOptions,
  offset: number,
  patience_ms: number,
): Promise<LogBatch> {
  await connection.prepare([topic]);
  const limits = { maxWait_ms: MAX_WAIT_MS, maxBytes: READ_BYTES, partitionBytes: READ_BYTES };
  const end = performance.now() + patience_ms;
  while (performance.now() < end) {
    const [answer] = await connection.send(connection.leaderOf(topic, partition), fetch([{ topic, partition, offset }], limits));
    if (answer === undefined) throw new Error('An empty answer to a fetch.');
    if (answer.errorCode !== 0) throw protocolError(answer.errorCode);
    const batch = await readAnswer(answer, offset);
    if (batch !== null) return batch;
  }
  throw new Error('Nothing comes, though this is not the end.');
}
