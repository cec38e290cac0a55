/** What a partition that has been taken holds, and how it comes to it once earlier owners are fenced. */
import { clock } from '../base/clock.ts';
import { gauge } from '../base/metrics.ts';
import type { LogTransactions } from '../ports/log.ts';
import type { PartitionProcessor } from '../topology/kit/processor.ts';
import { type CommitTrouble, Committer } from './committer.ts';
import type { Feeder } from './feeding.ts';
import type { StateImage } from './image-state.ts';
import { metrics } from './metrics.ts';
import type { PartitionParts } from './partition-parts.ts';
import { restorePartition } from './restore.ts';

/** Replaced as a whole when the partition is taken again. */
export interface Held<I, S, P, D, C> {
  readonly processor: PartitionProcessor<I, S, P, D, C>;
  readonly committer: Committer<I, S, P, D, C>;
  /** What the processor has emitted. */
  readonly image: StateImage;
  /** Whether something emitted is not committed yet: then the image is ahead of the state topic. */
  dirty: boolean;
}

export interface TakeOptions<I, S, P, D, C> {
  /** When it began to be taken, monotonic. */
  readonly began: number;
  readonly transactions: LogTransactions;
  readonly feeder: Feeder<I, S, P, D, C>;
  readonly image: StateImage;
  readonly signal: AbortSignal;
  readonly confirm: () => Promise<void>;
  readonly onTrouble: (trouble: CommitTrouble) => void;
  readonly onProgress: (text: string) => void;
}

export async function restoreHeld<I, S, P, D, C>(
  parts: PartitionParts<I, S, P, D, C>,
  options: TakeOptions<I, S, P, D, C>,
): Promise<Held<I, S, P, D, C>> {
  const { log, wiring, group, partition, limits, logger } = parts;
  const { feeder, transactions, signal, confirm, onTrouble, onProgress } = options;
  const feedTail = feeder.tail.bind(feeder);
  const { poisoned } = feeder;
  const { processor, image, records } = await restorePartition({
    ...{ log, wiring, partition, logger, image: options.image, poisoned, feedTail, signal, onProgress },
  });
  const committer = new Committer({
    ...{ log, wiring, group, partition, limits, logger, signal, transactions, confirm, onTrouble },
    before: image.partitionRecord,
    beforeOffset: image.partitionRecordOffset,
    beforeNext: image.next,
  });
  const seconds = (clock.monotonic() - options.began) / 1_000;
  metrics.restoreSeconds.observe(seconds);
  metrics.restoreRecords.inc(records);
  const { size, bytes } = image.records;
  logger.info({ partition, position: processor.position, records, users: size, bytes, seconds }, 'A partition has been taken.');
  return { processor, committer, image, dirty: false };
}

const imageBytes = gauge('presence_image_bytes', 'Memory of the image of the state of a partition that runs here.', [
  'partition',
]);

/** A partition that is no longer here shows none. */
export const forgetImage = (partition: number): void => imageBytes.remove({ partition: String(partition) });

/** After a commit: what the image holds is the state topic up to where that commit lies, and what it wrote. */
export function markCommitted<I, S, P, D, C>(partition: number, held: Held<I, S, P, D, C>): void {
  imageBytes.set({ partition: String(partition) }, held.image.records.bytes);
  const { partitionRecord, offset, next } = held.committer.committed;
  held.dirty = false;
  held.image.partitionRecord = partitionRecord;
  held.image.partitionRecordOffset = offset;
  held.image.next = next;
}
