/** A log that counts what goes through it: what a replay has read and written, whatever runs on the log. */
import type { Log, LogBatch, LogTransactions, TopicRecords } from '../ports/log.ts';

export interface Tally {
  /** Input records handed over; one that is handed over again counts once. */
  readonly records: number;
  /** Commits, and their records by topic; a commit whose answer was lost is not in them. */
  readonly commits: number;
  readonly written: ReadonlyMap<string, number>;
}

export interface TallyingLog {
  readonly log: Log;
  readonly tally: Tally;
}

export function tallying(log: Log): TallyingLog {
  const written = new Map<string, number>();
  const tally = { records: 0, commits: 0, written };
  /** By topic and partition: everything below it is counted. */
  const counted = new Map<string, number>();

  function countRead({ topic, partition, records, nextOffset }: LogBatch): void {
    const place = `${topic}/${partition}`;
    const from = counted.get(place) ?? 0;
    if (nextOffset <= from) return;
    const first = records[0]?.offset ?? nextOffset;
    tally.records += first >= from ? records.length : records.filter(({ offset }) => offset >= from).length;
    counted.set(place, nextOffset);
  }

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
      consume: (options) =>
        log.consume({
          ...options,
          onBatch: async (batch) => {
            await options.onBatch(batch);
            // Not before: a batch that waits for its partition is not looked at.
            countRead(batch);
          },
        }),
      follow: (options) => log.follow(options),
      read: (options) => log.read(options),
      ping: () => log.ping(),
      close: () => log.close(),
    },
  };
}
