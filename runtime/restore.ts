/**
 * Brings a fresh processor to where the partition's last commit left it.
 *
 * 1. Every record of the partition in the state topic is loaded, in order (a compacted topic may still hold
 *    several of a key: the last one counts), the partition record among them.
 * 2. `restore()` says which stretch of the input not all records hold, [tailFrom, position), and that is
 *    read again through `tail`.
 *
 * Refusals, by code, none of them retriable: NO_BASE when the log no longer has that stretch, LOG_MISMATCH
 * when it ends before the position (another log, or one that lost its end), UNDECODABLE when a state record
 * cannot be read (running on without it would forget somebody).
 */
import { PresenceError } from '../base/errors.ts';
import type { Log, LogRecord, PartitionOffsets } from '../ports/log.ts';
import type { PartitionProcessor } from '../topology/kit/processor.ts';
import { decodeInputs, valuesOf } from './decoding.ts';
import type { Wiring } from './wiring.ts';

export interface RestoreOptions<I, S, P, D, C> {
  readonly log: Log;
  readonly wiring: Wiring<I, S, P, D, C>;
  readonly partition: number;
  /** Input records known to make the processor throw, by offset: left out. */
  readonly poisoned: ReadonlyMap<number, unknown>;
  /** Feeds a batch of the tail; partition.ts finds the record that throws. */
  readonly feedTail: (
    processor: PartitionProcessor<I, S, P, D, C>,
    batch: Parameters<PartitionProcessor<I, S, P, D, C>['tail']>[0],
  ) => void;
  readonly signal: AbortSignal;
}

export interface Restored<I, S, P, D, C> {
  readonly processor: PartitionProcessor<I, S, P, D, C>;
  /** The partition record's bytes; null for a partition that never committed. */
  readonly partitionRecord: Buffer | null;
  /** Where it lies in the state topic; 0 where there is none. */
  readonly partitionRecordOffset: number;
  readonly records: number;
}

export async function restorePartition<I, S, P, D, C>(options: RestoreOptions<I, S, P, D, C>): Promise<Restored<I, S, P, D, C>> {
  const { log, wiring, partition, signal } = options;
  const processor = wiring.processor(partition);
  const loaded = await loadState(options, processor);
  const { tailFrom, position } = processor.restore();
  const input = { topic: wiring.topics.input, partition };
  mustHold(wiring, await offsetsOf(log, input.topic, partition), { partition, tailFrom, position });
  let tailed = 0;
  if (tailFrom < position) {
    await log.read({
      ...input,
      from: tailFrom,
      to: position,
      onBatch: async (batch) => {
        stopIf(signal, input);
        const { inputs } = await decodeInputs(wiring.codecs, batch.records, { from: tailFrom, poisoned: options.poisoned });
        const nextOffset = Math.min(batch.nextOffset, position);
        options.feedTail(processor, { partition, records: inputs.filter((one) => one.offset < position), nextOffset });
        tailed += batch.records.length;
      },
    });
  }
  return { ...loaded, processor, records: loaded.records + tailed };
}

/** Loads the state topic's partition; where the partition record stands in it. */
async function loadState<I, S, P, D, C>(options: RestoreOptions<I, S, P, D, C>, processor: PartitionProcessor<I, S, P, D, C>) {
  const { log, wiring, partition, signal } = options;
  const state = { topic: wiring.topics.state, partition };
  const ownKey = wiring.partitionKey(partition);
  const found = { partitionRecord: null as Buffer | null, partitionRecordOffset: 0, records: 0 };
  await log.read({
    ...state,
    from: 0,
    onBatch: async (batch) => {
      stopIf(signal, state);
      const unknown = wiring.codecs.prepare(valuesOf(batch.records));
      if (unknown !== undefined) await unknown;
      // Within a batch the last record of a key is enough.
      const newest = new Map<string, LogRecord>();
      for (const record of batch.records) newest.set(record.key?.toString('utf8') ?? '', record);
      for (const [key, record] of newest) {
        if (key === ownKey) {
          if (record.value === null) continue;
          processor.loadPartition(decodeState(wiring.codecs.partition, record.value, state, record.offset));
          found.partitionRecord = record.value;
          found.partitionRecordOffset = record.offset;
        } else {
          processor.load(
            key,
            record.value === null ? null : decodeState(wiring.codecs.state, record.value, state, record.offset),
          );
        }
      }
      found.records += batch.records.length;
    },
  });
  return found;
}

function decodeState<T>(
  codec: { decode(bytes: Buffer): T },
  value: Buffer,
  from: { topic: string; partition: number },
  offset: number,
): T {
  try {
    return codec.decode(value);
  } catch (cause) {
    throw new PresenceError(
      'UNDECODABLE',
      `A state record cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        at: `${from.topic}/${from.partition}@${offset}`,
        retriable: false,
        help: 'Run a version that knows the schema, or rebuild the partition.',
        cause,
      },
    );
  }
}

/** The input must still have what the restore needs, and reach as far as was committed. */
function mustHold(
  wiring: Pick<Wiring<never, never, never, never, never>, 'topics' | 'rebuildCommand'>,
  held: PartitionOffsets,
  need: { readonly partition: number; readonly tailFrom: number; readonly position: number },
): void {
  const at = `${wiring.topics.input}/${need.partition}`;
  const command = (wiring.rebuildCommand ?? 'npx presence replay --partition <partition>').replace(
    '<partition>',
    String(need.partition),
  );
  if (need.tailFrom < held.start) {
    throw new PresenceError(
      'NO_BASE',
      `Partition ${need.partition} needs the input from offset ${need.tailFrom} on, but the log begins at ${held.start}.`,
      { at, retriable: false, help: `Rebuild it: ${command}` },
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
