/**
 * What the embedded log writes to disk: frames. A frame is everything that one call did (a send, a
 * transaction over several topics with its offsets, topics made, offsets committed), so that a frame
 * which is whole is a call that happened, and a torn one a call that did not.
 *
 *   u32 length of the payload | u32 CRC-32 of the payload | payload
 *
 * All numbers big endian; offsets and times as float64 (exact to 2^53).
 */
import type { LogRecord, TopicSpec } from '../../ports/log.ts';

/** Records of one partition. `base` is the first offset they took, `next` the one after them and their marker. */
export interface Append {
  readonly topic: string;
  readonly partition: number;
  readonly base: number;
  readonly next: number;
  readonly records: readonly LogRecord[];
}

export interface GroupOffset {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface Frame {
  readonly topics?: readonly TopicSpec[];
  readonly appends?: readonly Append[];
  readonly offsets?: readonly GroupOffset[];
}

export const HEADER_BYTES = 8;
const COMPACT = 1;
const WRITER_STAMPS = 2;

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** zlib.crc32 is there from Node 20.15 on only. */
export function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < data.length; i += 1) crc = (crc >>> 8) ^ (crcTable[(crc ^ (data[i] as number)) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}

export function encodeFrame(frame: Frame): Buffer {
  const writer = new Writer();
  writer.list(frame.topics ?? [], (topic) => {
    writer.text(topic.name);
    writer.u32(topic.partitions);
    writer.u32((topic.cleanup === 'compact' ? COMPACT : 0) | (topic.stamps === 'writer' ? WRITER_STAMPS : 0));
    writer.f64(topic.retention_ms ?? -1);
  });
  writer.list(frame.appends ?? [], (append) => {
    writer.text(append.topic);
    writer.u32(append.partition);
    writer.f64(append.base);
    writer.f64(append.next);
    writer.list(append.records, (record) => writer.record(record));
  });
  writer.list(frame.offsets ?? [], (position) => {
    writer.text(position.group);
    writer.text(position.topic);
    writer.u32(position.partition);
    writer.f64(position.offset);
  });
  return writer.frame();
}

export function decodeFrame(payload: Buffer): Required<Frame> {
  const reader = new Reader(payload);
  const topics = reader.list((): TopicSpec => {
    const [name, partitions] = [reader.text(), reader.u32()];
    const flags = reader.u32();
    const retention_ms = reader.f64();
    return {
      name,
      partitions,
      cleanup: (flags & COMPACT) !== 0 ? 'compact' : 'delete',
      ...(retention_ms >= 0 ? { retention_ms } : {}),
      ...((flags & WRITER_STAMPS) !== 0 ? { stamps: 'writer' as const } : {}),
    };
  });
  const appends = reader.list((): Append => {
    const [topic, partition, base, next] = [reader.text(), reader.u32(), reader.f64(), reader.f64()];
    return { topic, partition, base, next, records: reader.list(() => reader.record()) };
  });
  const offsets = reader.list((): GroupOffset => {
    const [group, topic, partition, offset] = [reader.text(), reader.text(), reader.u32(), reader.f64()];
    return { group, topic, partition, offset };
  });
  return { topics, appends, offsets };
}

/** The payload of the frame at `position`, or null where no whole frame is. */
export function frameAt(file: Buffer, position: number): Buffer | null {
  if (position + HEADER_BYTES > file.length) return null;
  const end = position + HEADER_BYTES + file.readUInt32BE(position);
  if (end > file.length) return null;
  const payload = file.subarray(position + HEADER_BYTES, end);
  return crc32(payload) === file.readUInt32BE(position + 4) ? payload : null;
}

class Writer {
  #buffer = Buffer.allocUnsafe(1024);
  #at = HEADER_BYTES;

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
  u32(value: number): void {
    this.#room(4);
    this.#at = this.#buffer.writeUInt32BE(value, this.#at);
  }
  f64(value: number): void {
    this.#room(8);
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }
  /** null is length 2^32-1. */
  bytes(value: Buffer | null): void {
    this.u32(value === null ? 0xffffffff : value.length);
    if (value === null) return;
    this.#room(value.length);
    this.#at += value.copy(this.#buffer, this.#at);
  }
  text(value: string): void {
    this.bytes(Buffer.from(value));
  }
  list<T>(items: readonly T[], each: (item: T) => void): void {
    this.u32(items.length);
    for (const item of items) each(item);
  }
  record(record: LogRecord): void {
    this.f64(record.offset);
    this.f64(record.timestamp);
    this.bytes(record.key);
    this.bytes(record.value);
    this.list(Object.entries(record.headers), ([name, value]) => {
      this.text(name);
      this.bytes(value);
    });
  }
  frame(): Buffer {
    const payload = this.#buffer.subarray(HEADER_BYTES, this.#at);
    this.#buffer.writeUInt32BE(payload.length, 0);
    this.#buffer.writeUInt32BE(crc32(payload), 4);
    return this.#buffer.subarray(0, this.#at);
  }
}

class Reader {
  readonly #buffer: Buffer;
  #at = 0;
  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }
  u32(): number {
    this.#at += 4;
    return this.#buffer.readUInt32BE(this.#at - 4);
  }
  f64(): number {
    this.#at += 8;
    return this.#buffer.readDoubleBE(this.#at - 8);
  }
  /** A copy: a record must not keep its whole file in memory. */
  bytes(): Buffer | null {
    const length = this.u32();
    if (length === 0xffffffff) return null;
    this.#at += length;
    return Buffer.from(this.#buffer.subarray(this.#at - length, this.#at));
  }
  text(): string {
    return (this.bytes() ?? Buffer.alloc(0)).toString();
  }
  list<T>(each: () => T): T[] {
    return Array.from({ length: this.u32() }, each);
  }
  record(): LogRecord {
    const [offset, timestamp, key, value] = [this.f64(), this.f64(), this.bytes(), this.bytes()];
    const headers = Object.fromEntries(this.list(() => [this.text(), this.bytes() ?? Buffer.alloc(0)] as const));
    return { offset, timestamp, key, value, headers };
  }
}
