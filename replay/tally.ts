/** A log that counts what goes through it: what a replay has read and written, whatever runs on the log. */
import type { Log, LogBatch, LogTransactions, TopicPartition, TopicRecords } from '../ports/log.ts';

export interface Tally {
  /** Input records below the positions that were taken. */
  readonly records: number;
  /** Commits, and their records by topic; a commit whose answer was lost is not in them. */
  readonly commits: number;
  readonly written: ReadonlyMap<string, number>;
}

export interface TallyingLog {
  readonly log: Log;
  readonly tally: Tally;
}

type Position = TopicPartition & { readonly offset: number };

/** The offsets of a batch's records, once somebody has looked at them. */
interface Seen {
  readonly nextOffset: number;
  offsets: Float64Array;
}

const NONE = new Float64Array(0);

/** What was handed over and is not counted yet: a batch or two a partition. Of a batch its offsets alone, no objects. */
class Handed {
  readonly #batches = new Map<string, Seen[]>();
  /** Up to which offset all is counted. */
  readonly #counted = new Map<string, number>();

  /** The same batch, which tells what it holds when its records are asked for: it may wait for its partition before. */
  over(batch: LogBatch): LogBatch {
    const { topic, partition, nextOffset, endOffset } = batch;
    const place = `${topic}/${partition}`;
    const queue = this.#batches.get(place) ?? [];
    this.#batches.set(place, queue);
    // Handed over again: the newest counts.
    while ((queue.at(-1)?.nextOffset ?? 0) >= nextOffset) queue.pop();
    const seen: Seen = { nextOffset, offsets: NONE };
    queue.push(seen);
    return {
      ...{ topic, partition, nextOffset, endOffset },
      get records() {
        const { records } = batch;
        if (seen.offsets.length !== records.length) seen.offsets = Float64Array.from(records, ({ offset }) => offset);
        return records;
      },
    };
  }

  /** How many records lie below the position that were not counted before. */
  take({ topic, partition, offset }: Position): number {
    const place = `${topic}/${partition}`;
    const from = this.#counted.get(place) ?? 0;
    const queue = this.#batches.get(place) ?? [];
    let count = 0;
    let at = from;
    for (const { offsets, nextOffset } of queue) {
      for (const read of offsets) if (read >= at && read < offset) count += 1;
      at = Math.max(at, Math.min(nextOffset, offset));
    }
    while ((queue[0]?.nextOffset ?? Number.POSITIVE_INFINITY) <= offset) queue.shift();
    this.#counted.set(place, Math.max(from, offset));
    return count;
  }

  forget({ topic, partition }: TopicPartition): void {
    this.#batches.delete(`${topic}/${partition}`);
  }
}

export function tallying(log: Log): TallyingLog {
  const written = new Map<string, number>();
  const tally = { records: 0, commits: 0, written };
  const handed = new Handed();
  const countRead = (positions: readonly Position[]): void => {
    for (const position of positions) tally.records += handed.take(position);
  };

  function countWritten(batches: readonly TopicRecords[]): void {
    tally.commits += 1;
    for (const { topic, records } of batches) written.set(topic, (written.get(topic) ?? 0) + records.length);
  }

  const counting = (transactions: LogTransactions): LogTransactions => ({
    fence: () => transactions.fence(),
    reopen: () => transactions.reopen(),
    close: () => transactions.close(),
    append: async (batches) => {
      const appended = await transactions.append(batches);
      countWritten(batches);
      return appended;
    },
    commit: async (batches, offsets) => {
      const appended = await transactions.commit(batches, offsets);
      countWritten(batches);
      countRead(offsets?.offsets ?? []);
      return appended;
    },
  });

  return {
    tally,
    log: {
      ensureTopics: (topics) => log.ensureTopics(topics),
      partitions: (topic) => log.partitions(topic),
      stamps: (topic) => log.stamps(topic),
      identity: (topic) => log.identity(topic),
      offsets: (topic) => log.offsets(topic),
      committed: (group, topic) => log.committed(group, topic),
      producer: () => log.producer(),
      transactions: async (id, writes) => counting(await log.transactions(id, writes)),
      consume: async (options) => {
        const consumer = await log.consume({
          ...options,
          onBatch: (batch) => options.onBatch(handed.over(batch)),
          onRevoked: async (partitions) => {
            await options.onRevoked?.(partitions);
            for (const place of partitions) handed.forget(place);
          },
        });
        const commit = async (offsets: readonly Position[]): Promise<void> => {
          await consumer.commit(offsets);
          countRead(offsets);
        };
        return {
          commit,
          seek: (position) => consumer.seek(position),
          warmed: (partition) => consumer.warmed(partition),
          get assignment() {
            return consumer.assignment;
          },
          close: () => consumer.close(),
        };
      },
      follow: (options) => log.follow(options),
      read: (options) => log.read(options),
      ping: () => log.ping(),
      close: () => log.close(),
    },
  };
}
