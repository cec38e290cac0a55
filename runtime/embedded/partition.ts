/**
 * One partition in memory.
 *
 *   start ........... stable ......... end ........ reserved
 *     | what readers see | held back      | being written |
 *
 * An append has two steps: `reserve` gives offsets and a stamp, in order; `publish` makes the records
 * readable, once they are on disk. A transaction takes one offset more, unseen, where Kafka puts its
 * marker, so that nobody comes to count records by offset. While a transaction is open (only a simulated
 * fault leaves one open) readers stop before it: `stable` is Kafka's last stable offset.
 *
 * Bounds. A `delete` partition drops what is older than its retention, and above `bytesMax` the oldest
 * records whatever their age. A `compact` partition keeps the newest record of each key (offsets stay), so it is bounded by its
 * keys; a tombstone goes a day later. It is compacted whenever it has doubled since the last time: constant cost a record.
 */
import type { LogBatch, LogRecord, TopicSpec } from '../../ports/log.ts';

export interface PartitionLimits {
  /** Of keys, values, headers and a flat 200 a record. */
  readonly bytesMax: number;
  readonly batchRecordsMax: number;
  readonly batchBytesMax: number;
}

const RECORD_OVERHEAD_BYTES = 200;
const TOMBSTONE_MS = 24 * 3_600_000;
const COMPACT_FROM_RECORDS = 1_000;

export class Partition {
  readonly topic: string;
  readonly index: number;
  readonly #spec: TopicSpec;
  readonly #limits: PartitionLimits;
  #records: LogRecord[] = [];
  #start = 0;
  #end = 0;
  #reserved = 0;
  #bytes = 0;
  #compactAt = COMPACT_FROM_RECORDS;
  #retainAt = 0;
  /** First offsets of open transactions. */
  readonly #open = new Set<number>();
  #waiting: (() => void)[] = [];
  /** Records dropped because the partition held `bytesMax`. */
  dropped = 0;

  constructor(spec: TopicSpec, index: number, limits: PartitionLimits) {
    this.topic = spec.name;
    this.index = index;
    this.#spec = spec;
    this.#limits = limits;
  }

  get start(): number {
    return this.#start;
  }
  get stable(): number {
    return Math.min(this.#end, ...this.#open);
  }
  get records(): readonly LogRecord[] {
    return this.#records;
  }
  get end(): number {
    return this.#end;
  }

  /** The first of `count` offsets; `marker` takes one more. */
  reserve(count: number, marker: boolean): number {
    const base = this.#reserved;
    this.#reserved += count + (marker ? 1 : 0);
    return base;
  }

  /** `next`: the end after these. */
  publish(records: readonly LogRecord[], next: number): void {
    const last = this.#records.at(-1);
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += bytesOf(record);
    }
    // Only what was held back while others went on can come out of order.
    if (last !== undefined && records[0] !== undefined && records[0].offset < last.offset)
      this.#records.sort((a, b) => a.offset - b.offset);
    this.#end = Math.max(this.#end, next);
    this.#reserved = Math.max(this.#reserved, next);
    this.wake();
  }

  /** For a partition that is read from disk: where it began. */
  startAt(offset: number): void {
    if (this.#end === 0 && this.#records.length === 0) this.#start = offset;
  }

  /** Readers stop before `offset` until `release`. */
  hold(offset: number): void {
    this.#open.add(offset);
  }
  release(offset: number): void {
    this.#open.delete(offset);
    this.wake();
  }

  /** The records from `position` on, within the limits of a batch and below `to`; null where there is nothing to read yet. */
  slice(position: number, to = Number.POSITIVE_INFINITY): LogBatch | null {
    const endOffset = this.stable;
    const limit = Math.min(endOffset, to);
    const from = Math.max(position, this.#start);
    if (from >= limit) return null;
    const records: LogRecord[] = [];
    let bytes = 0;
    let at = this.#find(from);
    for (; at < this.#records.length; at += 1) {
      const record = this.#records[at] as LogRecord;
      if (record.offset >= limit) break;
      bytes += bytesOf(record);
      if (records.length > 0 && (records.length >= this.#limits.batchRecordsMax || bytes > this.#limits.batchBytesMax)) break;
      records.push(record);
    }
    const nextOffset = Math.min(limit, this.#records[at]?.offset ?? limit);
    return { topic: this.topic, partition: this.index, records, nextOffset, endOffset };
  }

  /** The first offset stamped at or after `timestamp`; the end if there is none. */
  offsetAt(timestamp: number): number {
    return this.#records.find((record) => record.timestamp >= timestamp)?.offset ?? this.stable;
  }

  /** Resolves at the next change, or `wake`. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Drops what may go. Returns the bytes freed. */
  trim(now: number): number {
    const before = this.#bytes;
    if (this.#spec.cleanup === 'compact') this.#compact(now, false);
    else this.#retain(now);
    return before - this.#bytes;
  }
  compact(now: number): void {
    if (this.#spec.cleanup === 'compact') this.#compact(now, true);
  }

  #retain(now: number): void {
    const over = this.#bytes > this.#limits.bytesMax;
    if (!over && now < this.#retainAt) return;
    this.#retainAt = now + 1_000;
    const oldest = now - (this.#spec.retention_ms ?? Number.POSITIVE_INFINITY);
    // A tenth at once, so that a full partition is not trimmed for every record.
    const bytesMax = over ? this.#limits.bytesMax * 0.9 : this.#limits.bytesMax;
    let count = 0;
    for (; count < this.#records.length; count += 1) {
      const record = this.#records[count] as LogRecord;
      if (record.offset >= this.stable || (record.timestamp >= oldest && this.#bytes <= bytesMax)) break;
      if (record.timestamp >= oldest) this.dropped += 1;
      this.#bytes -= bytesOf(record);
    }
    if (count === 0) return;
    this.#records.splice(0, count);
    this.#start = this.#records[0]?.offset ?? this.stable;
  }

  #compact(now: number, force: boolean): void {
    if (!force && this.#records.length < this.#compactAt) return;
    const stable = this.stable;
    const newest = new Map<string, number>();
    for (const record of this.#records) if (record.offset < stable) newest.set(keyOf(record), record.offset);
    this.#records = this.#records.filter((record) => {
      if (record.offset >= stable) return true;
      const stays =
        newest.get(keyOf(record)) === record.offset && (record.value !== null || record.timestamp > now - TOMBSTONE_MS);
      if (!stays) this.#bytes -= bytesOf(record);
      return stays;
    });
    this.#compactAt = Math.max(COMPACT_FROM_RECORDS, this.#records.length * 2);
  }

  /** The index of the first record at or after `offset`. */
  #find(offset: number): number {
    let [low, high] = [0, this.#records.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle] as LogRecord).offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const keyOf = (record: LogRecord): string => record.key?.toString('latin1') ?? '';

function bytesOf(record: LogRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const name in record.headers) bytes += name.length + (record.headers[name]?.length ?? 0);
  return bytes;
}
