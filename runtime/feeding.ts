/**
 * Feeds a processor and takes what it emits as bytes; finds the record at which it throws.
 *
 * A processor that threw is in an unknown state and of no more use. The first time, the batch is marked as
 * suspect and the caller takes the partition again; then the suspect stretch is fed one record at a time,
 * and the record that throws is remembered as poisoned: `poisoned` says which records are to be left out
 * (and put aside) from then on. The memory is the instance's own: after a restart the record is found again,
 * unless the position has passed it.
 */
import { PresenceError } from '../base/errors.ts';
import type { LogBatch } from '../ports/log.ts';
import type { Batch, Input } from '../processors/stage.ts';
import type { Emission, PartitionProcessor } from '../topology/kit/processor.ts';
import type { DeadLetter } from './dead-letters.ts';
import { decodeStretch } from './decoding.ts';
import { type Encoded, encodeEmission } from './encoding.ts';
import type { StateImage } from './image-state.ts';
import type { Wiring } from './wiring.ts';

/** A processor and the image of the state that it has emitted. */
export interface Fed<I, S, P, D, C> {
  readonly processor: PartitionProcessor<I, S, P, D, C>;
  readonly image: StateImage;
}

/** What a batch comes to. */
export interface Digested {
  readonly encoded: readonly Encoded[];
  /** To be put aside before any of it is committed. */
  readonly dead: readonly DeadLetter[];
}

const STRETCH_RECORDS = 512;

export class Feeder<I, S, P, D, C> {
  readonly poisoned = new Map<number, PresenceError>();
  private readonly wiring: Wiring<I, S, P, D, C>;
  private readonly partition: number;
  private readonly limit: number;
  /** Below this input offset records are fed one at a time. */
  private suspectUntil = 0;

  constructor(options: { readonly wiring: Wiring<I, S, P, D, C>; readonly partition: number; readonly limit: number }) {
    this.wiring = options.wiring;
    this.partition = options.partition;
    this.limit = options.limit;
  }

  /**
   * Decodes a batch whose schemas are known and feeds it, a stretch at a time: what is decoded is of no more use once it is
   * processed, and a small heap of it is collected for nothing. Errors as in `process`.
   */
  digest(fed: Fed<I, S, P, D, C>, { records, nextOffset }: LogBatch): Digested {
    const encoded: Encoded[] = [];
    const dead: DeadLetter[] = [];
    const options = { from: fed.processor.position, poisoned: this.poisoned };
    for (let begin = 0; begin < records.length; begin += STRETCH_RECORDS) {
      const end = Math.min(records.length, begin + STRETCH_RECORDS);
      const decoded = decodeStretch(this.wiring.codecs, records, options, begin, end);
      dead.push(...decoded.dead);
      const next = records[end]?.offset ?? nextOffset;
      encoded.push(...this.process(fed, { partition: this.partition, records: decoded.inputs, nextOffset: next }));
    }
    return { encoded, dead };
  }

  /**
   * What the processor emits for this batch, in order. INTERNAL if it throws: retriable, once the state has
   * been dropped and restored; not retriable once more records than the limit are poisoned.
   */
  process({ processor, image }: Fed<I, S, P, D, C>, batch: Batch<I>): readonly Encoded[] {
    const encoded: Encoded[] = [];
    let failure: unknown = null;
    const subscription = processor.emissions.subscribe({
      next: (emission) => encoded.push(this.encode(emission, image)),
      error: (error: unknown) => {
        failure = error ?? new Error('The processor failed.');
      },
    });
    try {
      this.feed(batch, (part) => {
        processor.process(part);
        if (failure !== null) throw failure;
      });
    } finally {
      subscription.unsubscribe();
    }
    return encoded;
  }

  /** Feeds a stretch of the tail; errors as in `process`. */
  tail(processor: PartitionProcessor<I, S, P, D, C>, batch: Batch<I>): void {
    this.feed(batch, (part) => processor.tail(part));
  }

  /** The partition record alone, if there is something to say. */
  checkpoint({ processor, image }: Fed<I, S, P, D, C>): Encoded | null {
    const emission = processor.checkpoint();
    return emission === null ? null : this.encode(emission, image);
  }

  /** The states go into the image before anything else happens: the next record may need them. */
  private encode(emission: Emission<S, P, D, C>, image: StateImage): Encoded {
    const encoded = encodeEmission(this.wiring, this.partition, emission);
    for (const { key, value } of encoded.states) {
      if (key === null) continue;
      if (value === null) image.records.remove(key);
      else image.records.put(key, value);
    }
    return encoded;
  }

  private feed(batch: Batch<I>, apply: (part: Batch<I>) => void): void {
    const first = batch.records[0]?.offset ?? batch.nextOffset;
    if (first >= this.suspectUntil) {
      try {
        apply(batch);
      } catch (error) {
        this.suspectUntil = batch.nextOffset;
        throw this.threw(error, `offsets ${first} to ${batch.nextOffset - 1}`);
      }
      return;
    }
    for (const input of batch.records) this.feedOne(input, apply);
    apply({ partition: this.partition, records: [], nextOffset: batch.nextOffset });
  }

  private feedOne(input: Input<I>, apply: (part: Batch<I>) => void): void {
    try {
      apply({ partition: this.partition, records: [input], nextOffset: input.offset + 1 });
    } catch (error) {
      const poison = this.threw(error, `offset ${input.offset}`);
      if (this.poisoned.size < this.limit) this.poisoned.set(input.offset, poison);
      throw poison;
    }
  }

  private threw(error: unknown, where: string): PresenceError {
    const reason = error instanceof Error ? error.message : String(error);
    return new PresenceError('INTERNAL', `${this.wiring.name} failed at ${where}: ${reason}`, {
      at: `${this.wiring.topics.input}/${this.partition}`,
      retriable: this.poisoned.size < this.limit,
      help: 'A fault of the topology: report it with the record from the dead letters.',
      cause: error,
    });
  }
}
