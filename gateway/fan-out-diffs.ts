/**
 * presence.diffs as this gateway reads it: from minutes back, so that a snapshot can be brought up to date and a cursor
 * resumed, then on. Each gateway reads all partitions (broadcast mode).
 *
 * Where a partition is quiet, its last records are read too, however old: a cursor that lies before a gap of hours
 * is then still known to lie in what is held, right after a restart of the gateway.
 */
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter } from '../base/metrics.ts';
import type { Follower, Log, LogBatch, LogRecord } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { topicNames } from '../schemas/topics.ts';
import { Recent, type RecentDiffs } from './recent-diffs.ts';

/** How many of the last offsets of a partition are read at start, however old. */
const TAIL_OFFSETS = 200;

const undecodable = counter('presence_gateway_diffs_undecodable_total', 'Diffs that could not be read and were left out.');

export interface DiffReaderOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  readonly recents: RecentDiffs;
  /** Wall clock ms from which on diffs are read at least. */
  readonly since: number;
  /** What is new of a batch, in order. The next batch of the partition waits for it. */
  readonly onDiffs: (diffs: readonly Recent[]) => Promise<void> | void;
}

/** Rejects with LOG_UNAVAILABLE. */
export async function followDiffs(options: DiffReaderOptions): Promise<Follower> {
  const { log, recents, since, onDiffs } = options;
  const topic = topicNames.diffs;
  await Promise.all((await log.offsets(topic)).map((partition) => readTail(options, partition)));
  const onBatch = async (batch: LogBatch): Promise<void> => {
    const decoded = await decode(options, batch.partition, batch.records);
    const fresh = recents.add(batch.partition, decoded, after(batch.records, batch.nextOffset));
    if (fresh.length > 0) await onDiffs(fresh);
  };
  return log.follow({ topics: [topic], from: { timestamp: since }, onBatch });
}

/** A busy partition's tail begins too late to be of use: what is held then begins with the first batch followed. */
async function readTail(
  options: DiffReaderOptions,
  at: { readonly partition: number; readonly start: number; readonly end: number },
): Promise<void> {
  const { log, recents, since } = options;
  const { partition, start, end } = at;
  const from = Math.max(start, end - TAIL_OFFSETS);
  const records: LogRecord[] = [];
  if (from < end)
    await log.read({
      topic: topicNames.diffs,
      partition,
      from,
      to: end,
      onBatch: (batch) => void records.push(...batch.records),
    });
  const oldest = records[0];
  const reachesBack = from === start || (oldest !== undefined && oldest.timestamp < since);
  if (oldest !== undefined && !reachesBack) return;
  // An empty stretch says nothing of what lies before it, but that much is held: nothing, from `from` on.
  recents.begin(partition, {
    start: from,
    next: after(records, from),
    items: await decode(options, partition, records),
    whole: from === 0,
  });
}

/**
 * Behind the last record: positions are counted by records, so that gateways that have read the same have the same
 * (offsets of transaction markers come to some earlier than to others).
 */
const after = (records: readonly LogRecord[], otherwise: number): number => (records.at(-1)?.offset ?? otherwise - 1) + 1;

async function decode(options: DiffReaderOptions, partition: number, records: readonly LogRecord[]): Promise<Recent[]> {
  const { codecs, logger } = options;
  await codecs.prepare(records.map((record) => record.value));
  const diffs: Recent[] = [];
  for (const { value, offset, timestamp } of records) {
    if (value === null) continue;
    try {
      diffs.push(new Recent(codecs.diff.decode(value), partition, offset, timestamp));
    } catch (error) {
      if (!hasCode(error, 'UNDECODABLE')) throw error;
      undecodable.inc();
      logger.warn({ err: error, partition, offset }, 'A diff cannot be read; it is left out.');
    }
  }
  return diffs;
}
