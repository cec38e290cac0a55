/**
 * The guarantee `at_least_once`, behind the port of transactions, so that whoever commits need not know of it.
 *
 * **What is written.** The same records, as a plain idempotent producer writes them: first the output, then the state with the
 * partition record last, each acknowledged before the next; then the group's position. A state batch that a log takes whole
 * or not at all is what makes this sound: a restore meets the user records and the partition record that speaks of them
 * together. One too large for that goes, with its output, in a transaction, which is rare.
 *
 * **After a crash** the partition record decides where the input is taken up. What had been written of output beyond it is
 * written again, the same bytes in the same order, as far as the last write had come. So a reader may see diffs again (the
 * same epoch and version), never others and never a gap. What nobody waits for is a marker, so records are readable at once, a
 * few milliseconds before the position is taken.
 *
 * **Zombies** are fenced as ever: the id's epoch guards plain writes too. The group's position is for those who watch the lag; if
 * it cannot be taken now, the next one will be. How often is counted, and an outage is told of once.
 */
import type { Logger } from '../base/logger.ts';
import type { LogTransactions, OutRecord, TopicRecords } from '../ports/log.ts';
import { metrics } from './metrics.ts';

/** `processing.guarantee`, as Kafka Streams has it. */
export const processingGuarantees = ['exactly_once', 'at_least_once'] as const;
export type ProcessingGuarantee = (typeof processingGuarantees)[number];

/** Well below what a broker takes in one batch (1 MiB by default), frames and headers included. */
export const WHOLE_BYTES = 768 * 1024;

const sizeOf = ({ key, value, headers }: OutRecord): number =>
  64 + (key?.length ?? 0) * 3 + (value?.length ?? 0) + (headers === undefined ? 0 : 256);

const bytesOf = ({ records }: TopicRecords): number => records.reduce((sum, record) => sum + sizeOf(record), 0);

export interface AtLeastOnceOptions {
  /** Takes this as the group's position. */
  readonly commitPosition: (offset: number) => Promise<void>;
  readonly logger: Logger;
}

/** The last of `batches` must be the one that a restore reads. */
export function atLeastOnce(transactions: LogTransactions, { commitPosition, logger }: AtLeastOnceOptions): LogTransactions {
  let down = false;
  async function takePosition(offset: number): Promise<void> {
    try {
      await commitPosition(offset);
      if (down) logger.info({ offset }, "The group's positions are taken again.");
      down = false;
    } catch (error) {
      metrics.positionsFailed.inc();
      logger[down ? 'debug' : 'warn']({ err: error, offset }, "The group's position could not be taken; the next one will be.");
      down = true;
    }
  }

  return {
    fence: () => transactions.fence(),
    reopen: () => transactions.reopen(),
    append: (batches) => transactions.append(batches),
    close: () => transactions.close(),
    commit: async (batches, offsets) => {
      const last = batches.at(-1);
      if (last !== undefined && bytesOf(last) > WHOLE_BYTES) return transactions.commit(batches, offsets);
      const appended = await transactions.append(batches);
      for (const { offset } of offsets?.offsets ?? []) await takePosition(offset);
      return appended;
    },
  };
}
