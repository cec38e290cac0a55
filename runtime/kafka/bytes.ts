/**
 * Reading and writing Kafka's wire format into one buffer. Offsets, times and producer ids are int64 on the
 * wire and numbers here (exact to 2^53).
 */
export class ByteReader {
  readonly buffer: Buffer;
  at: number;
  readonly end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }
  int8(): number {
    this.at += 1;
    return this.buffer.readInt8(this.at - 1);
  }
  int16(): number {
    this.at += 2;
    return this.buffer.readInt16BE(this.at - 2);
  }
  int32(): number {
    this.at += 4;
    return this.buffer.readInt32BE(this.at - 4);
  }
  int64(): number {
    this.at += 8;
    return this.buffer.readInt32BE(this.at - 8) * 0x1_0000_0000 + this.buffer.readUInt32BE(this.at - 4);
  }
  string(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    this.at += length;
    return this.buffer.toString('utf8', this.at - length, this.at);
  }
  /** Its length plus one as an unsigned varint, then the bytes. */
  compactString(): string {
    let length = 0;
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = this.int8() & 0xff;
      length |= (byte & 0x7f) << shift;
    }
    this.at += length - 1;
    return this.buffer.toString('utf8', this.at - (length - 1), this.at);
  }
  array<T>(each: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, each);
  }
  /** Zigzag; exact to 53 bits. */
  varint(): number {
    const { buffer } = this;
    let byte = buffer[this.at] as number;
    this.at += 1;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    // Up to 28 bits, which is nearly every one, by shifts.
    let value = byte & 0x7f;
    let shift = 7;
    while (byte >= 0x80 && shift < 28) {
      byte = buffer[this.at] as number;
      this.at += 1;
      value |= (byte & 0x7f) << shift;
      shift += 7;
    }
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    for (let scale = 0x1000_0000; byte >= 0x80; scale *= 0x80) {
      byte = buffer[this.at] as number;
      this.at += 1;
      value += (byte & 0x7f) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  /** A view, not a copy; null for length -1. */
  varbytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }
}

export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(size = 1024) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  get at(): number {
    return this.#at;
  }
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
  int8(value: number): this {
    this.#room(1);
    this.#at = this.#buffer.writeInt8(value, this.#at);
    return this;
  }
  int16(value: number): this {
    this.#room(2);
    this.#at = this.#buffer.writeInt16BE(value, this.#at);
    return this;
  }
  int32(value: number): this {
    this.#room(4);
    this.#at = this.#buffer.writeInt32BE(value, this.#at);
    return this;
  }
  int64(value: number): this {
    this.#room(8);
    this.#buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), this.#at);
    this.#buffer.writeUInt32BE(value >>> 0, this.#at + 4);
    this.#at += 8;
    return this;
  }
  /** Zigzag; exact to 52 bits. */
  varint(value: number): this {
    this.#room(8);
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    if (value !== value >> 0) {
      // Two 28-bit halves, as the shifts above know 32 bits only.
      const wide = value < 0 ? -2 * value - 1 : 2 * value;
      const low = wide % 0x1000_0000;
      for (let shift = 0; shift < 28; shift += 7) this.#buffer[this.#at++] = ((low >>> shift) & 0x7f) | 0x80;
      rest = Math.floor(wide / 0x1000_0000);
    }
    while (rest >= 0x80) {
      this.#buffer[this.#at] = (rest & 0x7f) | 0x80;
      this.#at += 1;
      rest >>>= 7;
    }
    this.#buffer[this.#at] = rest;
    this.#at += 1;
    return this;
  }
  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
    return this;
  }
  /** null is length -1. */
  varbytes(value: string | Uint8Array | null): this {
    if (value === null) return this.varint(-1);
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    return this.varint(bytes.length).bytes(bytes);
  }
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value);
    return this.int16(bytes.length).bytes(bytes);
  }
  array<T>(items: readonly T[], each: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) each(item);
    return this;
  }
  /** Runs `write`, then puts the number of bytes that it wrote before them. */
  sized(write: () => void): this {
    const start = this.#at;
    this.int32(0);
    write();
    this.#buffer.writeInt32BE(this.#at - start - 4, start);
    return this;
  }
  /** What was written so far: valid until the next write. */
  view(from = 0): Buffer {
    return this.#buffer.subarray(from, this.#at);
  }
}
