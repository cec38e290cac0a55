/**
 * The first record of every signals partition: a cut whose epoch is the time at which the topics were made, in
 * seconds, the same in all partitions (architecture: "Epochs and regions").
 *
 * All partitions get theirs in one transaction, so there is no half of it. Two processes that start at once
 * fence each other by the transactional id: the loser looks again and finds it done. A partition that is
 * empty while others are not (made again by hand, say) gets the others' epoch.
 */
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Log, LogTransactions, OutRecord } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { signal } from '../schemas/signal.ts';
import { partitionKey, topicNames } from '../schemas/topics.ts';

export interface FirstCutOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** The stem of the transactional id. */
  readonly group: string;
  /** ms since 1970. */
  readonly now: () => number;
}

const ATTEMPTS_MAX = 20;

/** Resolves once every partition begins with a cut. Rejects with LOG_UNAVAILABLE. */
export async function ensureFirstCuts(options: FirstCutOptions): Promise<void> {
  if ((await emptyPartitions(options.log)).empty.length === 0) return;
  const topic = topicNames.signals;
  const writes = Array.from({ length: await options.log.partitions(topic) }, (_, partition) => ({ topic, partition }));
  const transactions = await options.log.transactions(`${options.group}-first-cut`, writes);
  try {
    for (let attempt = 1; !(await writeCuts(options, transactions)); attempt += 1) {
      if (attempt === ATTEMPTS_MAX) throw new Error(`no first cut after ${attempt} attempts`);
    }
  } finally {
    await transactions.close();
  }
}

/** false: somebody else was at it, or the answer was lost; look again. */
async function writeCuts({ log, codecs, logger, now }: FirstCutOptions, transactions: LogTransactions): Promise<boolean> {
  try {
    await transactions.fence();
    // Only after the fence: nobody can write a cut between this look and our commit.
    const { empty, others } = await emptyPartitions(log);
    if (empty.length === 0) return true;
    const epoch = (await epochOf(log, codecs, others)) ?? Math.floor(now() / 1_000);
    const value = codecs.signal.encode(signal({ kind: 'cut', epoch }));
    const records = empty.map((partition): OutRecord => ({ key: null, value, partition }));
    await transactions.commit([{ topic: topicNames.signals, records }]);
    logger.info({ epoch, partitions: empty }, 'Began an epoch in partitions that were empty.');
    return true;
  } catch (error) {
    if (hasCode(error, 'COMMIT_UNKNOWN')) await transactions.reopen();
    else if (!hasCode(error, 'ABORTED', 'FENCED')) throw error;
    return false;
  }
}

/** A partition that retention has emptied is not empty: its end is above 0. */
async function emptyPartitions(log: Log): Promise<{ readonly empty: readonly number[]; readonly others: readonly number[] }> {
  const offsets = await log.offsets(topicNames.signals);
  const empty = offsets.filter(({ end }) => end === 0).map(({ partition }) => partition);
  return { empty, others: offsets.filter(({ end }) => end > 0).map(({ partition }) => partition) };
}

/** The epoch that other partitions are in: as their partition records say, else their first record. */
async function epochOf(log: Log, codecs: Codecs, others: readonly number[]): Promise<number | null> {
  let epoch: number | null = null;
  const note = (found: number | null): void => {
    if (found !== null && (epoch === null || found > epoch)) epoch = found;
  };
  for (const partition of others) {
    const key = partitionKey(partition);
    await log.read({
      topic: topicNames.state,
      partition,
      from: 0,
      onBatch: async ({ records }) => {
        const values = records.filter((record) => record.key?.toString() === key).map((record) => record.value);
        const wait = codecs.prepare(values);
        if (wait !== undefined) await wait;
        for (const value of values) if (value !== null) note(codecs.partitionState.decode(value).epoch);
      },
    });
    await log.read({
      topic: topicNames.signals,
      partition,
      from: 0,
      to: 1,
      onBatch: async ({ records }) => {
        const values = records.map((record) => record.value);
        const wait = codecs.prepare(values);
        if (wait !== undefined) await wait;
        for (const value of values) if (value !== null) note(codecs.signal.decode(value).epoch);
      },
    });
  }
  return epoch;
}
