/**
 * Commits transactions of one partition, one after the other, through whatever the log answers.
 *
 * - **ABORTED**: nothing of it is readable. The same bytes again, after a pause that grows; the processor's
 *   state is not rolled back, for it is what the bytes say.
 * - **COMMIT_UNKNOWN**, and any other failure: the transaction may have been written. Once the group has
 *   confirmed that the partition is still ours (or a zombie would fence its successor), the producer is made
 *   anew, which settles the old transaction, and the partition record is read. Byte-equal to the one just written: it was.
 *   Byte-equal to the one before: it was not; the same bytes again. Anything else: somebody was here.
 * - **FENCED**: somebody is.
 *
 * It holds one transaction at a time; the caller waits.
 */
import { hasCode, type PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Log, LogTransactions } from '../ports/log.ts';
import { recordsOf, type Transaction } from './encoding.ts';
import { Backoff } from './waiting.ts';
import type { RuntimeLimits, Wiring } from './wiring.ts';

/**
 * `committed`: it is readable. `superseded`, `fenced`: the partition is or was somebody else's, all state
 * must go. `stopped`: given up because the partition was revoked; it may or may not be readable.
 * An error: the log will never take it (BAD_INPUT); nothing of it is readable.
 */
export type CommitOutcome = 'committed' | 'superseded' | 'fenced' | 'stopped' | PresenceError;

/** Which answer a commit met; for metrics and the partition's state. */
export type CommitTrouble = 'aborted' | 'unknown' | 'fenced';

export interface CommitterParts<I, S, P, D, C> {
  readonly log: Log;
  readonly wiring: Wiring<I, S, P, D, C>;
  readonly group: string;
  readonly partition: number;
  readonly limits: RuntimeLimits;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly transactions: LogTransactions;
  /** The partition record as last committed, null where there is none, and where it lies. */
  readonly before: Buffer | null;
  readonly beforeOffset: number;
  /** Where the state topic ended when that was read. */
  readonly beforeNext: number;
  /** Resolves if the group says that the partition is still ours. */
  readonly confirm: () => Promise<void>;
  readonly onTrouble: (trouble: CommitTrouble) => void;
}

export class Committer<I, S, P, D, C> {
  private readonly parts: CommitterParts<I, S, P, D, C>;
  private before: Buffer | null;
  /** The last committed partition record lies at or above this offset of the state topic. */
  private mark: number;
  private next: number;

  constructor(parts: CommitterParts<I, S, P, D, C>) {
    this.parts = parts;
    this.before = parts.before;
    this.mark = parts.beforeOffset;
    this.next = parts.beforeNext;
  }

  /**
   * The partition record as last committed, null where there is none, and an offset of the state topic at or below it. What lies
   * below `next` is ours, or was read by our restore: nobody else could write there before we committed.
   */
  get committed(): { readonly partitionRecord: Buffer | null; readonly offset: number; readonly next: number } {
    return { partitionRecord: this.before, offset: this.mark, next: this.next };
  }

  async commit(transaction: Transaction): Promise<CommitOutcome> {
    const { wiring, group, partition, limits, signal, transactions } = this.parts;
    const records = recordsOf(wiring, partition, transaction);
    const offsets = { group, offsets: [{ topic: wiring.topics.input, partition, offset: transaction.position }] };
    const backoff = new Backoff({ first_ms: limits.backoff_ms, max_ms: limits.backoffMax_ms });
    while (!signal.aborted) {
      try {
        const appended = await transactions.commit(records, offsets);
        this.written(appended.find(({ topic }) => topic === wiring.topics.state)?.baseOffset ?? -1, transaction);
      } catch (error) {
        const verdict = await this.judge(error, transaction);
        if (verdict === 'again') {
          await backoff.pause(signal);
          continue;
        }
        if (verdict !== 'committed') return verdict;
      }
      this.before = transaction.partitionRecord;
      return 'committed';
    }
    return 'stopped';
  }

  private written(baseOffset: number, { states }: Transaction): void {
    if (baseOffset < this.mark) return;
    this.mark = baseOffset;
    // The states and the partition record, one behind the other: nobody else writes here.
    this.next = baseOffset + states.length + 1;
  }

  private async judge(error: unknown, transaction: Transaction): Promise<CommitOutcome | 'again'> {
    const { logger, onTrouble, partition } = this.parts;
    if (hasCode(error, 'ABORTED')) {
      onTrouble('aborted');
      logger.warn({ partition, err: error }, 'A transaction was aborted; it is written again.');
      return 'again';
    }
    if (hasCode(error, 'FENCED')) {
      onTrouble('fenced');
      return 'fenced';
    }
    if (hasCode(error, 'BAD_INPUT')) return error;
    onTrouble('unknown');
    logger.warn({ partition, err: error }, 'The answer to a commit was lost; the log is asked.');
    return this.settle(transaction);
  }

  /** Finds out what became of a transaction whose answer was lost. */
  private async settle(transaction: Transaction): Promise<CommitOutcome | 'again'> {
    const { confirm, limits, logger, onTrouble, partition, signal, transactions } = this.parts;
    const backoff = new Backoff({ first_ms: limits.backoff_ms, max_ms: limits.backoffMax_ms });
    while (!signal.aborted) {
      try {
        await confirm();
        if (signal.aborted) break;
        await transactions.reopen();
        return this.compare(transaction, await this.readPartitionRecord());
      } catch (error) {
        if (hasCode(error, 'FENCED')) {
          onTrouble('fenced');
          return 'fenced';
        }
        logger.warn({ partition, err: error }, 'The log cannot be asked yet what became of a commit.');
        await backoff.pause(signal);
      }
    }
    return 'stopped';
  }

  private compare(transaction: Transaction, found: Buffer | null): CommitOutcome | 'again' {
    const written = found?.equals(transaction.partitionRecord) === true;
    const unwritten = found === null ? this.before === null : this.before !== null && found.equals(this.before);
    // Two commits in a row with the same partition record would tell nothing: then start over.
    if (written && unwritten) return 'superseded';
    return written ? 'committed' : unwritten ? 'again' : 'superseded';
  }

  /** The partition record as it stands in the state topic. */
  private async readPartitionRecord(): Promise<Buffer | null> {
    const { log, wiring, partition } = this.parts;
    const key = Buffer.from(wiring.partitionKey(partition));
    let found: Buffer | null = null;
    await log.read({
      topic: wiring.topics.state,
      partition,
      from: this.mark,
      onBatch: (batch) => {
        for (const record of batch.records) {
          if (record.key?.equals(key) === true) found = record.value;
        }
      },
    });
    return found;
  }
}
