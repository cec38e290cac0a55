/**
 * Brings a fresh processor to where the partition's last commit left it.
 *
 * 1. Every record of the partition in the state topic goes into an image (image-state.ts), undecoded: all of them, or those
 *    behind what a standby or a snapshot has already.
 * 2. The processor reads the partition record and goes through the image. `restore()` says which stretch of the input not all
 *    records hold, [tailFrom, position), and that is read again through `tail`.
 *
 * An image that cannot be a beginning of this topic (it ends beyond the topic's end, or before its start) is left aside, with a
 * warning, and all is read. A restore that fails on the way leaves what it has read in the image: the next one goes on there.
 *
 * Refusals, by code, none of them retriable: NO_BASE when the log no longer has that stretch, LOG_MISMATCH
 * when it ends before the position (another log, or one that lost its end), UNDECODABLE when a state record
 * cannot be read (running on without it would forget somebody).
 */
import { hasCode, PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Log, PartitionOffsets } from '../ports/log.ts';
import type { PartitionProcessor } from '../topology/kit/processor.ts';
import { decodeInputs } from './decoding.ts';
import { StateImage } from './image-state.ts';
import { RestoreProgress } from './restore-progress.ts';
import type { Wiring } from './wiring.ts';

export interface RestoreOptions<I, S, P, D, C> {
  readonly log: Log;
  readonly wiring: Wiring<I, S, P, D, C>;
  readonly partition: number;
  readonly logger: Logger;
  /** What is there already of the state topic; empty if nothing. */
  readonly image: StateImage;
  /** Input records known to make the processor throw, by offset: left out. */
  readonly poisoned: ReadonlyMap<number, unknown>;
  /** Feeds a batch of the tail; partition.ts finds the record that throws. */
  readonly feedTail: (
    processor: PartitionProcessor<I, S, P, D, C>,
    batch: Parameters<PartitionProcessor<I, S, P, D, C>['tail']>[0],
  ) => void;
  readonly signal: AbortSignal;
  /** Told how far it is, in words, now and then. */
  readonly onProgress?: (text: string) => void;
}

export interface Restored<I, S, P, D, C> {
  readonly processor: PartitionProcessor<I, S, P, D, C>;
  /** What the state topic says, the partition record among it. */
  readonly image: StateImage;
  /** Records read, of the state topic and of the input. */
  readonly records: number;
}

export async function restorePartition<I, S, P, D, C>(options: RestoreOptions<I, S, P, D, C>): Promise<Restored<I, S, P, D, C>> {
  const { log, wiring, partition, signal } = options;
  const progress = new RestoreProgress(options);
  try {
    const image = await readState(options, progress);
    const processor = wiring.processor(partition, image.records);
    const { tailFrom, position } = await loadInto(options, processor, image);
    const input = { topic: wiring.topics.input, partition };
    mustHold(wiring, await offsetsOf(log, input.topic, partition), { partition, tailFrom, position });
    if (tailFrom < position) {
      progress.begin(input.topic, tailFrom, position);
      await log.read({
        ...input,
        from: tailFrom,
        to: position,
        onBatch: async (batch) => {
          stopIf(signal, input);
          const { inputs } = await decodeInputs(wiring.codecs, batch.records, { from: tailFrom, poisoned: options.poisoned });
          const nextOffset = Math.min(batch.nextOffset, position);
          options.feedTail(processor, { partition, records: inputs.filter((one) => one.offset < position), nextOffset });
          progress.read(batch);
        },
      });
    }
    return { processor, image, records: progress.records };
  } finally {
    progress.end();
  }
}

/** The state topic up to its end, in the image given or, where that is of no use, in a new one. */
async function readState<I, S, P, D, C>(options: RestoreOptions<I, S, P, D, C>, progress: RestoreProgress): Promise<StateImage> {
  const { log, wiring, partition, logger, signal } = options;
  const state = { topic: wiring.topics.state, partition };
  const { start, end } = await offsetsOf(log, state.topic, partition);
  let { image } = options;
  if (image.next > 0 && (image.next > end || image.next < start)) {
    logger.warn(
      { ...state, next: image.next, start, end },
      'What is held of the state topic is not of this log; all of it is read.',
    );
    image = new StateImage(wiring.partitionKey(partition));
  }
  progress.begin(state.topic, Math.max(image.next, start), end);
  await log.read({
    ...state,
    from: image.next,
    onBatch: (batch) => {
      stopIf(signal, state);
      image.apply(batch);
      progress.read(batch);
    },
  });
  return image;
}

async function loadInto<I, S, P, D, C>(
  { wiring, partition }: RestoreOptions<I, S, P, D, C>,
  processor: PartitionProcessor<I, S, P, D, C>,
  image: StateImage,
): Promise<{ readonly tailFrom: number; readonly position: number }> {
  const unknown = wiring.codecs.prepare(image.values());
  if (unknown !== undefined) await unknown;
  try {
    if (image.partitionRecord !== null) processor.loadPartition(wiring.codecs.partition.decode(image.partitionRecord));
    return processor.restore();
  } catch (cause) {
    if (!hasCode(cause, 'UNDECODABLE')) throw cause;
    throw new PresenceError('UNDECODABLE', `A state record cannot be read: ${cause.message}`, {
      at: `${wiring.topics.state}/${partition}`,
      retriable: false,
      help: 'Run a version that knows the schema, or rebuild the partition.',
      cause,
    });
  }
}

/** The input must still have what the restore needs, and reach as far as was committed. */
function mustHold(
  wiring: Pick<Wiring<never, never, never, never, never>, 'topics' | 'restorePlanCommand'>,
  held: PartitionOffsets,
  need: { readonly partition: number; readonly tailFrom: number; readonly position: number },
): void {
  const at = `${wiring.topics.input}/${need.partition}`;
  const command = wiring.restorePlanCommand?.replace('<partition>', String(need.partition));
  const more = command === undefined ? '' : ` What it lacks: ${command}`;
  if (need.tailFrom < held.start) {
    throw new PresenceError(
      'NO_BASE',
      `Partition ${need.partition} needs the input from offset ${need.tailFrom} on, but the log begins at ${held.start}.`,
      { at, retriable: false, help: `It stays parked: no command rebuilds a partition yet.${more}` },
    );
  }
  if (need.position > held.end) {
    throw new PresenceError(
      'LOG_MISMATCH',
      `Partition ${need.partition} has been processed up to offset ${need.position}, but the log ends at ${held.end}.`,
      { at, retriable: false, help: `The log has lost its end, or is another one. Rebuild the partition: ${command}` },
    );
  }
}

export async function offsetsOf(log: Log, topic: string, partition: number): Promise<PartitionOffsets> {
  const offsets = (await log.offsets(topic)).find((one) => one.partition === partition);
  if (offsets === undefined) {
    throw new PresenceError('LOG_MISMATCH', `${topic} has no partition ${partition}.`, { at: topic, retriable: false });
  }
  return offsets;
}

function stopIf(signal: AbortSignal, where: { readonly topic: string; readonly partition: number }): void {
  if (signal.aborted) {
    throw new PresenceError('LOG_UNAVAILABLE', 'The restore was given up.', {
      at: `${where.topic}/${where.partition}`,
      retriable: true,
    });
  }
}
