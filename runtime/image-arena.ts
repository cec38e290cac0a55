/**
 * Where an image (image.ts) keeps its records' bytes: entries, one behind the other, in chunks of 256 KiB.
 *
 * An entry is three words (its slot; its value's length; its key's length and its own length), the key's bytes and the value's,
 * in units of 8 bytes. A place is one number, chunk and unit, so a slot costs 4 bytes for it; place 0 is nobody's.
 *
 * **Garbage.** A value that fits where the old one lay takes its place; else it goes to the end, and where it lay is garbage.
 * Whenever a chunk is full, and over `GARBAGE_SHARE` of all is garbage, the emptiest chunks are moved out and used again: at most
 * `EVACUATIONS` of them, so a put never takes longer than copying 1 MiB, and what is held stays under 1 / (1 - GARBAGE_SHARE) of
 * what lives, and a chunk.
 *
 * **Frozen.** While a dump is being written nothing that it holds is changed in place or moved: new values go to the end.
 */
import { PresenceError } from '../base/errors.ts';

const CHUNK_BITS = 15;
/** Of 8 bytes each. */
const CHUNK_UNITS = 1 << CHUNK_BITS;
export const CHUNK_BYTES = CHUNK_UNITS * 8;
const CHUNKS_MAX = 2 ** (32 - CHUNK_BITS);
const HEADER_BYTES = 12;
/** Key and entry lengths share a word. */
const KEY_BITS = 12;
export const KEY_BYTES_MAX = (1 << KEY_BITS) - 1;
export const ENTRY_UNITS_MAX = 2 ** (32 - KEY_BITS) - 1;
const GARBAGE_SHARE = 0.25;
const EVACUATIONS = 4;

/** A chunk as it stands in a dump: the bytes in use. */
export interface ChunkDump {
  readonly used: number;
  readonly bytes: Buffer;
}

export class Arena {
  private readonly bytes: (Buffer | null)[] = [];
  private readonly words: (Uint32Array | null)[] = [];
  /** Units in use, by chunk: written up to, and of these those that live. */
  private readonly used: number[] = [];
  private readonly live: number[] = [];
  private readonly spare: number[] = [];
  /** Numbers of chunks that are no more. */
  private readonly closed: number[] = [];
  private moving = false;
  private current = -1;
  private usedUnits = 0;
  private liveUnits = 0;
  private heldBytes = 0;
  /** Chunks below this index are in a dump under way. */
  private frozen = 0;
  /** Tells where an entry lies now. */
  private readonly moved: (slot: number, place: number) => void;
  /** Where this slot's entry lies: what is found elsewhere in its name is garbage. */
  private readonly placeOf: (slot: number) => number;

  constructor(moved: (slot: number, place: number) => void, placeOf: (slot: number) => number) {
    this.moved = moved;
    this.placeOf = placeOf;
  }

  /** Memory held. */
  get size(): number {
    return this.heldBytes;
  }

  get garbage(): number {
    return (this.usedUnits - this.liveUnits) * 8;
  }

  /** Writes an entry behind all others; where. */
  add(slot: number, key: Uint8Array, keyLength: number, value: Buffer): number {
    const units = (HEADER_BYTES + keyLength + value.length + 7) >>> 3;
    const place = this.allocate(units);
    const chunk = place >>> CHUNK_BITS;
    const bytes = this.bytes[chunk] as Buffer;
    this.header(place, slot, value.length, (units << KEY_BITS) | keyLength);
    let at = (place & (CHUNK_UNITS - 1)) * 8 + HEADER_BYTES;
    for (let i = 0; i < keyLength; i += 1) bytes[at + i] = key[i] as number;
    at += keyLength;
    value.copy(bytes, at);
    return place;
  }

  /** Writes a value over the old one where it fits and wastes no half; false: it must go elsewhere. */
  replace(place: number, value: Buffer): boolean {
    const chunk = place >>> CHUNK_BITS;
    if (chunk < this.frozen) return false;
    const words = this.words[chunk] as Uint32Array;
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    const lengths = words[word + 2] as number;
    const keyLength = lengths & KEY_BYTES_MAX;
    const units = lengths >>> KEY_BITS;
    const needed = (HEADER_BYTES + keyLength + value.length + 7) >>> 3;
    if (needed > units || needed * 2 < units) return false;
    words[word + 1] = value.length;
    value.copy(this.bytes[chunk] as Buffer, word * 4 + HEADER_BYTES + keyLength);
    return true;
  }

  /** What lies there is garbage from now on. */
  drop(place: number): void {
    const units = this.lengthsAt(place) >>> KEY_BITS;
    this.liveUnits -= units;
    this.live[place >>> CHUNK_BITS] = (this.live[place >>> CHUNK_BITS] as number) - units;
  }

  keyIs(place: number, key: Uint8Array, keyLength: number): boolean {
    const chunk = place >>> CHUNK_BITS;
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    if ((this.lengthsAt(place) & KEY_BYTES_MAX) !== keyLength) return false;
    const bytes = this.bytes[chunk] as Buffer;
    const at = word * 4 + HEADER_BYTES;
    for (let i = 0; i < keyLength; i += 1) if (bytes[at + i] !== key[i]) return false;
    return true;
  }

  keyAt(place: number): Buffer {
    const chunk = place >>> CHUNK_BITS;
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    const at = word * 4 + HEADER_BYTES;
    return (this.bytes[chunk] as Buffer).subarray(at, at + (this.lengthsAt(place) & KEY_BYTES_MAX));
  }

  valueAt(place: number): Buffer {
    const chunk = place >>> CHUNK_BITS;
    const words = this.words[chunk] as Uint32Array;
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    const at = word * 4 + HEADER_BYTES + ((words[word + 2] as number) & KEY_BYTES_MAX);
    return (this.bytes[chunk] as Buffer).subarray(at, at + (words[word + 1] as number));
  }

  // ---- dumps

  /** Everything as it is now, by chunk; null where one is not in use. Valid until `thaw`, one at a time. */
  freeze(): (ChunkDump | null)[] {
    if (this.frozen > 0) throw new PresenceError('INTERNAL', 'A dump is under way.', { at: 'image', retriable: false });
    this.frozen = this.bytes.length;
    // The chunk being filled goes on behind what is dumped of it.
    return this.bytes.map((bytes, index) => {
      const used = this.used[index] as number;
      return bytes === null || used === 0 ? null : { used, bytes: bytes.subarray(0, used * 8) };
    });
  }

  thaw(): void {
    this.frozen = 0;
  }

  /** Makes room for the next chunk of a dump; its bytes are to be filled by the caller. Only on a fresh arena. */
  restore(used: number): Buffer {
    const index = this.bytes.length;
    if (used === 0) {
      this.closed.push(index);
      [this.bytes[index], this.words[index], this.used[index], this.live[index]] = [null, null, 0, 0];
      return Buffer.alloc(0);
    }
    this.open(index, Math.max(CHUNK_UNITS, used));
    this.used[index] = used;
    this.usedUnits += used;
    if (used < CHUNK_UNITS) this.current = index;
    return (this.bytes[index] as Buffer).subarray(0, used * 8);
  }

  /** After `restore`: an entry that a slot refers to. RangeError where there is none. */
  adopt(place: number, slot: number): void {
    const chunk = place >>> CHUNK_BITS;
    const words = this.words[chunk];
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    if (words === undefined || words === null || words[word] !== slot) throw new RangeError(`There is no entry at ${place}.`);
    const units = (words[word + 2] as number) >>> KEY_BITS;
    this.live[chunk] = (this.live[chunk] as number) + units;
    this.liveUnits += units;
  }

  // ---- room

  private lengthsAt(place: number): number {
    return (this.words[place >>> CHUNK_BITS] as Uint32Array)[(place & (CHUNK_UNITS - 1)) * 2 + 2] as number;
  }

  private header(place: number, slot: number, valueLength: number, lengths: number): void {
    const words = this.words[place >>> CHUNK_BITS] as Uint32Array;
    const word = (place & (CHUNK_UNITS - 1)) * 2;
    words[word] = slot;
    words[word + 1] = valueLength;
    words[word + 2] = lengths;
  }

  private allocate(units: number): number {
    let chunk = this.current;
    if (chunk < 0 || (this.used[chunk] as number) + units > CHUNK_UNITS) {
      // One that no chunk takes has one of its own, and the present one goes on.
      if (units >= CHUNK_UNITS) {
        this.evacuate();
        chunk = this.next(units + 1);
      } else {
        this.current = this.next(CHUNK_UNITS);
        this.evacuate();
        // What was moved out may have filled it again.
        if ((this.used[this.current] as number) + units > CHUNK_UNITS) this.current = this.next(CHUNK_UNITS);
        chunk = this.current;
      }
    }
    const unit = this.used[chunk] as number;
    this.used[chunk] = unit + units;
    this.live[chunk] = (this.live[chunk] as number) + units;
    this.usedUnits += units;
    this.liveUnits += units;
    return ((chunk << CHUNK_BITS) + unit) >>> 0;
  }

  private next(units: number): number {
    const index = (units === CHUNK_UNITS ? this.spare.pop() : undefined) ?? this.closed.pop() ?? this.bytes.length;
    if (index >= CHUNKS_MAX)
      throw new PresenceError('INTERNAL', 'An image is full.', { at: 'image', retriable: false, help: 'Use more partitions.' });
    if (this.bytes[index] === undefined || this.bytes[index] === null) this.open(index, units);
    // Place 0 is nobody's.
    this.used[index] = index === 0 ? 1 : 0;
    this.usedUnits += this.used[index] as number;
    return index;
  }

  private open(index: number, units: number): void {
    const words = new Uint32Array(units * 2);
    this.words[index] = words;
    this.bytes[index] = Buffer.from(words.buffer);
    this.used[index] = 0;
    this.live[index] = 0;
    this.heldBytes += units * 8;
  }

  /** Moves out the chunks that hold the most garbage, a few, if there is too much of it. */
  private evacuate(): void {
    for (let n = 0; n < EVACUATIONS && this.frozen === 0 && !this.moving; n += 1) {
      if (this.usedUnits - this.liveUnits < Math.max(this.usedUnits * GARBAGE_SHARE, CHUNK_UNITS)) return;
      let worst = -1;
      let most = 0;
      for (let index = 0; index < this.bytes.length; index += 1) {
        const garbage = (this.used[index] as number) - (this.live[index] as number);
        if (index !== this.current && garbage > most) [worst, most] = [index, garbage];
      }
      if (worst < 0) return;
      this.moving = true;
      this.moveOut(worst);
      this.moving = false;
    }
  }

  private moveOut(chunk: number): void {
    const words = this.words[chunk] as Uint32Array;
    const bytes = this.bytes[chunk] as Buffer;
    const end = this.used[chunk] as number;
    for (let unit = chunk === 0 ? 1 : 0; unit < end; ) {
      const word = unit * 2;
      const slot = words[word] as number;
      const lengths = words[word + 2] as number;
      const place = ((chunk << CHUNK_BITS) + unit) >>> 0;
      if (this.placeOf(slot) === place) this.moved(slot, this.copy(bytes, word * 4, slot, words[word + 1] as number, lengths));
      unit += lengths >>> KEY_BITS;
    }
    this.usedUnits -= end;
    this.liveUnits -= this.live[chunk] as number;
    this.used[chunk] = 0;
    this.live[chunk] = 0;
    // A chunk of another size is of use to nobody else.
    if (bytes.length === CHUNK_BYTES) this.spare.push(chunk);
    else this.close(chunk, bytes.length);
  }

  /** Copies an entry, at the length that it needs now, to the end. */
  private copy(from: Buffer, at: number, slot: number, valueLength: number, lengths: number): number {
    const keyLength = lengths & KEY_BYTES_MAX;
    const length = HEADER_BYTES + keyLength + valueLength;
    const units = (length + 7) >>> 3;
    if ((this.used[this.current] as number) + units > CHUNK_UNITS && units < CHUNK_UNITS) this.current = this.next(CHUNK_UNITS);
    const place = this.allocate(units);
    from.copy(this.bytes[place >>> CHUNK_BITS] as Buffer, (place & (CHUNK_UNITS - 1)) * 8, at, at + length);
    this.header(place, slot, valueLength, (units << KEY_BITS) | keyLength);
    return place;
  }

  private close(chunk: number, length: number): void {
    this.bytes[chunk] = null;
    this.words[chunk] = null;
    this.heldBytes -= length;
    this.closed.push(chunk);
  }
}
