/**
 * The image of one partition's compacted state topic: every key's newest record, as bytes (processors/stored.ts says what for).
 *
 * **Model.** A *slot* is a key's number for as long as its record is here. Two typed arrays over an arena of bytes
 * (image-arena.ts) hold it all, so that a million records are a million entries and no objects:
 *
 *     buckets[hash]  -> slot + 1, hash   open addressing, linear probing, at most 5/8 full
 *     places[slot]   -> entry            slot, lengths, key bytes, value bytes
 *
 * The hash lies beside the slot: to find a key is to miss the processor's cache three times, bucket, place and entry.
 *
 * A record of 150 bytes under a key of 12 costs about 190 bytes, the table included. The hash has a seed of its own in each
 * image: who chooses their own user id cannot choose whom it collides with.
 *
 * The image is brought forward by `put` and `remove`, from the state topic (restore, standby) or by emissions (the owner). What
 * it says is the topic up to an offset only while nothing emitted is uncommitted: snapshot.ts dumps it at such a moment.
 * `dump` is taken at once, and stays what it was while it is written and the image goes on.
 *
 * **Limits.** A key of 4,095 bytes, a value of 8 MiB, 2^31 records and 32 GiB an image: far above what Kafka takes in one
 * partition. BAD_INPUT for a key or value above, INTERNAL for an image.
 */
import { clock } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { StoredRecords } from '../processors/stored.ts';
import { Arena, ENTRY_UNITS_MAX, KEY_BYTES_MAX } from './image-arena.ts';

const FIRST_BUCKETS = 1_024;
const FULL = 5 / 8;
const VALUE_BYTES_MAX = ENTRY_UNITS_MAX * 8 - KEY_BYTES_MAX - 64;

/** An image at one moment, as it goes to a file: `parts` in order. */
export interface ImageDump {
  readonly layout: ImageLayout;
  readonly parts: readonly Uint8Array[];
  /** Ends the dump; must be called, whatever became of it. */
  release(): void;
}

/** What `load` must know beside the bytes. */
export interface ImageLayout {
  readonly seed: number;
  readonly records: number;
  /** Slots ever given, those free again among them. */
  readonly slots: number;
  /** Words of the table. */
  readonly buckets: number;
  /** Units in use, by chunk. */
  readonly chunks: readonly number[];
}

export class PartitionImage implements StoredRecords {
  /** Two words each. */
  private buckets = new Uint32Array(FIRST_BUCKETS * 2);
  /** 0 where the slot is free. */
  private places = new Uint32Array(FIRST_BUCKETS / 2);
  private readonly free: number[] = [];
  private slots = 0;
  private count = 0;
  private readonly seed: number;
  private readonly arena = new Arena(
    (slot, place) => {
      this.places[slot] = place;
    },
    (slot) => this.places[slot] as number,
  );
  /** The key asked for last. */
  private readonly key = new Uint8Array(KEY_BYTES_MAX);
  private keyLength = 0;

  constructor(seed = Math.floor(clock.random() * 2 ** 32)) {
    this.seed = seed;
  }

  get size(): number {
    return this.count;
  }

  /** Memory held, garbage included. */
  get bytes(): number {
    return this.arena.size + this.buckets.byteLength + this.places.byteLength;
  }

  /** Of these, what no record needs any more. */
  get garbage(): number {
    return this.arena.garbage;
  }

  find(key: string | Buffer): number {
    return this.lookUp(this.take(key));
  }

  keyOf(slot: number): string {
    return this.arena.keyAt(this.places[slot] as number).toString('utf8');
  }

  valueOf(slot: number): Buffer {
    return this.arena.valueAt(this.places[slot] as number);
  }

  /** Slots end here. */
  get slotsEnd(): number {
    return this.slots;
  }

  /** Whether there is a record in this slot. */
  holds(slot: number): boolean {
    return this.places[slot] !== 0;
  }

  each(visit: (slot: number) => void): void {
    for (let slot = 0; slot < this.slots; slot += 1) if (this.places[slot] !== 0) visit(slot);
  }

  /** The bytes are copied. Its slot. */
  put(key: string | Buffer, value: Buffer): number {
    if (value.length > VALUE_BYTES_MAX) throw tooLong('value', value.length, VALUE_BYTES_MAX);
    const hash = this.take(key);
    let slot = this.lookUp(hash);
    if (slot >= 0) {
      const place = this.places[slot] as number;
      if (this.arena.replace(place, value)) return slot;
      // Dropped first, so that making room does not move what is about to go.
      this.arena.drop(place);
      this.places[slot] = 0;
    } else {
      slot = this.newSlot();
      this.count += 1;
      if (this.count * 2 > this.buckets.length * FULL) this.grow();
      this.enter(slot, hash);
    }
    this.places[slot] = this.arena.add(slot, this.key, this.keyLength, value);
    return slot;
  }

  /** Whether there was one. */
  remove(key: string | Buffer): boolean {
    const hash = this.take(key);
    const slot = this.lookUp(hash);
    if (slot < 0) return false;
    this.arena.drop(this.places[slot] as number);
    this.places[slot] = 0;
    this.takeOut(slot, hash);
    this.free.push(slot);
    this.count -= 1;
    return true;
  }

  /** As it is now; it may be written while the image goes on. One at a time. */
  dump(): ImageDump {
    const chunks = this.arena.freeze();
    const { slots, seed, count: records } = this;
    const parts: Uint8Array[] = [bytesOf(this.buckets.slice()), bytesOf(this.places.slice(0, slots))];
    for (const chunk of chunks) if (chunk !== null) parts.push(chunk.bytes);
    const layout = { seed, records, slots, buckets: this.buckets.length, chunks: chunks.map((chunk) => chunk?.used ?? 0) };
    return { layout, parts, release: () => this.arena.thaw() };
  }

  /**
   * An image to be filled by a dump: the parts, in order, into which its bytes are to be read, then `finish`, which says
   * RangeError where they cannot be an image's.
   */
  static load(layout: ImageLayout): { readonly parts: readonly Uint8Array[]; finish(): PartitionImage } {
    const image = new PartitionImage(layout.seed);
    image.buckets = new Uint32Array(layout.buckets);
    image.places = new Uint32Array(layout.slots);
    const chunks = layout.chunks.map((used) => image.arena.restore(used)).filter((bytes) => bytes.length > 0);
    return { parts: [bytesOf(image.buckets), bytesOf(image.places), ...chunks], finish: () => image.loaded(layout) };
  }

  private loaded({ slots, records }: ImageLayout): PartitionImage {
    this.slots = slots;
    for (let slot = slots - 1; slot >= 0; slot -= 1) {
      const place = this.places[slot] as number;
      if (place === 0) {
        this.free.push(slot);
        continue;
      }
      this.arena.adopt(place, slot);
      this.count += 1;
    }
    if (this.count !== records) throw new RangeError(`${this.count} records, not ${records}.`);
    return this;
  }

  // ---- the table

  /** Puts a key's bytes into `this.key`; their hash. */
  private take(key: string | Buffer): number {
    const length = key.length;
    if (length > KEY_BYTES_MAX) throw tooLong('key', length, KEY_BYTES_MAX);
    const into = this.key;
    let hash = this.seed;
    if (typeof key === 'string') {
      for (let i = 0; i < length; i += 1) {
        const code = key.charCodeAt(i);
        if (code > 127) return this.take(Buffer.from(key));
        into[i] = code;
        hash = Math.imul(hash ^ code, 0x01000193);
      }
    } else {
      for (let i = 0; i < length; i += 1) {
        const code = key[i] as number;
        into[i] = code;
        hash = Math.imul(hash ^ code, 0x01000193);
      }
    }
    this.keyLength = length;
    // FNV-1a, then murmur3's last step: keys that differ in their end alone must not lie side by side.
    hash ^= hash >>> 16;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  private lookUp(hash: number): number {
    const { buckets } = this;
    const mask = buckets.length - 1;
    for (let at = (hash * 2) & mask; ; at = (at + 2) & mask) {
      const slot = (buckets[at] as number) - 1;
      if (slot < 0) return -1;
      if (buckets[at + 1] === hash && this.arena.keyIs(this.places[slot] as number, this.key, this.keyLength)) return slot;
    }
  }

  private enter(slot: number, hash: number): void {
    const { buckets } = this;
    const mask = buckets.length - 1;
    let at = (hash * 2) & mask;
    while (buckets[at] !== 0) at = (at + 2) & mask;
    buckets[at] = slot + 1;
    buckets[at + 1] = hash;
  }

  /** Linear probing without tombstones: what follows moves up where it may. */
  private takeOut(slot: number, hash: number): void {
    const { buckets } = this;
    const mask = buckets.length - 1;
    let hole = (hash * 2) & mask;
    while (buckets[hole] !== slot + 1) hole = (hole + 2) & mask;
    for (let at = (hole + 2) & mask; buckets[at] !== 0; at = (at + 2) & mask) {
      const home = ((buckets[at + 1] as number) * 2) & mask;
      // It may move up unless its home lies between the hole and where it is.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      buckets[hole] = buckets[at] as number;
      buckets[hole + 1] = buckets[at + 1] as number;
      hole = at;
    }
    buckets[hole] = 0;
  }

  private newSlot(): number {
    const free = this.free.pop();
    if (free !== undefined) return free;
    if (this.slots === this.places.length) {
      const places = new Uint32Array(this.slots + Math.max(512, this.slots >>> 1));
      places.set(this.places);
      this.places = places;
    }
    this.slots += 1;
    return this.slots - 1;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0) this.enter((old[at] as number) - 1, old[at + 1] as number);
  }
}

const bytesOf = (array: Uint32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const tooLong = (what: string, length: number, most: number): PresenceError =>
  new PresenceError('BAD_INPUT', `A ${what} of ${length} bytes; an image takes ${most}.`, { at: 'image', retriable: false });
