/**
 * What waits to be sent, by partition, in the order in which it came.
 *
 * **Limits.** `heldSignalsMax` and `heldBytesMax` bound what `send` may put here (ends of holds and
 * restatements pass: at most a few a device held; markers: at most one a partition). A batch takes at most
 * `BATCH_RECORDS_MAX` records and about `BATCH_BYTES_MAX` bytes of a partition, since the broker takes a
 * partition's part of a send as one record batch of at most 1 MB; the rest comes with the next batch.
 */
import type { Signal } from '../schemas/generated.ts';

export const BATCH_RECORDS_MAX = 2_000;
export const BATCH_BYTES_MAX = 512 * 1024;

/** A signal in its place in the queue. */
export interface SignalEntry {
  readonly type: 'signal';
  readonly signal: Signal;
  readonly traceparent: string | undefined;
  readonly cancelled: (() => boolean) | undefined;
  readonly bytes: number;
  /** Monotonic ms. */
  readonly queuedAt: number;
  readonly settle: (outcome: 'sent' | 'cancelled') => void;
  readonly fail: (error: unknown) => void;
}

/** A place in the queue whose content is worked out when its turn comes. */
export interface PlaceEntry {
  readonly type: 'marker' | 'restatement';
}

export type Entry = SignalEntry | PlaceEntry;

/** A queue whose front moves without copying. */
class Fifo {
  #items: (Entry | undefined)[] = [];
  #front = 0;

  get size(): number {
    return this.#items.length - this.#front;
  }

  push(entry: Entry): void {
    this.#items.push(entry);
  }

  peek(): Entry | undefined {
    return this.#items[this.#front];
  }

  shift(): Entry | undefined {
    const entry = this.#items[this.#front];
    if (entry === undefined) return undefined;
    this.#items[this.#front] = undefined;
    this.#front += 1;
    if (this.#front === this.#items.length) {
      this.#items = [];
      this.#front = 0;
    } else if (this.#front > 1_024 && this.#front * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return entry;
  }
}

/** About what a signal takes on the wire, without encoding it (its ordinal is not known yet). */
export function estimateBytes(signal: Signal, traceparent: string | undefined): number {
  let bytes = 96 + (traceparent === undefined ? 0 : 70) + signal.user_id.length * 2;
  for (const text of [
    signal.device_id,
    signal.session_id,
    signal.connection_id,
    signal.override_id,
    signal.reason,
    signal.actor,
  ]) {
    if (text !== null) bytes += text.length + 2;
  }
  return bytes;
}

export class OutboxQueue {
  readonly #queues: readonly Fifo[];
  readonly #markerQueued: boolean[];
  #signals = 0;
  #bytes = 0;

  constructor(partitions: number) {
    this.#queues = Array.from({ length: partitions }, () => new Fifo());
    this.#markerQueued = new Array<boolean>(partitions).fill(false);
  }

  /** Signals waiting; markers do not count. */
  get signals(): number {
    return this.#signals;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#queues.every((queue) => queue.size === 0);
  }

  push(partition: number, entry: SignalEntry): void {
    this.#signals += 1;
    this.#bytes += entry.bytes;
    (this.#queues[partition] as Fifo).push(entry);
  }

  /**
   * A marker behind everything that is queued now; nothing if one waits already: its content is worked out
   * when its turn comes, so it says as much.
   */
  pushMarker(partition: number): void {
    if (this.#markerQueued[partition]) return;
    this.#markerQueued[partition] = true;
    (this.#queues[partition] as Fifo).push({ type: 'marker' });
  }

  /** The place at which a restatement begins. */
  pushRestatement(partition: number): void {
    (this.#queues[partition] as Fifo).push({ type: 'restatement' });
  }

  /** When the oldest signal at the front of any partition was queued; null if none waits. */
  oldest(): number | null {
    let oldest: number | null = null;
    for (const queue of this.#queues) {
      const entry = queue.peek();
      if (entry?.type === 'signal' && (oldest === null || entry.queuedAt < oldest)) oldest = entry.queuedAt;
    }
    return oldest;
  }

  /** Hands over what the next batch takes of a partition, in order. */
  take(partition: number, each: (entry: Entry) => void): void {
    const queue = this.#queues[partition] as Fifo;
    let bytes = 0;
    for (let taken = 0; taken < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX; taken++) {
      const entry = queue.shift();
      if (entry === undefined) return;
      if (entry.type === 'signal') {
        this.#signals -= 1;
        this.#bytes -= entry.bytes;
        bytes += entry.bytes;
      }
      each(entry);
      if (entry.type !== 'marker') continue;
      // A marker ends its partition's part of the batch. Sent again, the batch is written twice; a marker in its middle
      // would then lie behind newer signals, and its number and hash would be wrong where it lies.
      this.#markerQueued[partition] = false;
      return;
    }
  }

  /** Everything that waits, out of the queue: for the end. */
  drain(each: (entry: Entry) => void): void {
    for (let partition = 0; partition < this.#queues.length; partition++) {
      const queue = this.#queues[partition] as Fifo;
      while (queue.size > 0) this.take(partition, each);
    }
  }
}
