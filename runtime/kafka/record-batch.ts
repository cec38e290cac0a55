/**
 * Kafka's record batch, version 2 (the only one since Kafka 0.11, and the only one Kafka 4 knows).
 *
 * kafkajs's own decoder drops what a reader needs: an empty batch (what compaction leaves of a producer's
 * last one) vanishes there, and its consumer then asks for the same offset for ever. Here a batch says
 * its last offset whether it holds records or not. Its encoder copies a partition's messages once
 * for each message.
 */
import type { LogRecord, OutRecord } from '../../ports/log.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { unpack } from './compression.ts';
import { crc32c } from './crc32c.ts';

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface DecodedRecords {
  readonly records: readonly LogRecord[];
  readonly isEmpty: boolean;
  /** The offset after the last whole batch; null if there was none. */
  readonly nextOffset: number | null;
}

const HEADER_BYTES = 61;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const ABORT_MARKER = 0;
const COMMIT_MARKER = 1;

interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  /** Where the next batch begins. */
  readonly end: number;
}

/** Leaves the reader at the number of records; null where no whole batch is left. */
function nextHeader(reader: ByteReader): BatchHeader | null {
  if (reader.left < HEADER_BYTES) return null;
  const baseOffset = reader.int64();
  const end = reader.int32() + reader.at;
  if (end > reader.buffer.length) return null;
  reader.at += 4 + 1 + 4; // leader epoch, magic, CRC (TCP has its own)
  const attributes = reader.int16();
  const lastOffset = baseOffset + reader.int32();
  const baseTimestamp = reader.int64();
  const maxTimestamp = reader.int64();
  const producerId = reader.int64();
  reader.at += 2 + 4; // producer epoch, base sequence
  return { baseOffset, lastOffset, attributes, baseTimestamp, maxTimestamp, producerId, end };
}

/** The offset after the last whole batch; null where there is none. */
export function endOf(data: Buffer): number | null {
  let nextOffset: number | null = null;
  const reader = new ByteReader(data);
  for (let header = nextHeader(reader); header !== null; header = nextHeader(reader)) {
    nextOffset = header.lastOffset + 1;
    reader.at = header.end;
  }
  return nextOffset;
}

/** The records of one batch, where they lie: decompressed, not looked at. */
interface Stretch {
  readonly buffer: Buffer;
  readonly at: number;
  readonly count: number;
  readonly baseOffset: number;
  readonly baseTimestamp: number;
  /** The broker's, for all of them; null where each has its writer's. */
  readonly stamp: number | null;
}

/**
 * The committed records in `data` from `from` on. A batch cut off at the end is left for the next fetch.
 * Keys and values are views of `data`: who keeps one for long copies it.
 *
 * Whose transaction was aborted is known by the broker's list (which says where each begins) and by the
 * abort marker in the log (where it ends), as in Kafka's own consumer.
 */
export async function decodeRecords(data: Buffer, from: number, aborted: readonly AbortedTransaction[]): Promise<DecodedRecords> {
  const stretches: Stretch[] = [];
  const upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const ignoring = new Set<number>();
  let nextOffset: number | null = null;
  const reader = new ByteReader(data);
  for (let header = nextHeader(reader); header !== null; header = nextHeader(reader)) {
    const { baseOffset, lastOffset, attributes, baseTimestamp, maxTimestamp, producerId, end } = header;
    while (upcoming[0] !== undefined && upcoming[0].firstOffset <= lastOffset)
      ignoring.add((upcoming.shift() as AbortedTransaction).producerId);

    if ((attributes & CONTROL) !== 0) {
      if (reader.int32() > 0 && markerType(reader) === ABORT_MARKER) ignoring.delete(producerId);
    } else if (lastOffset >= from && !((attributes & TRANSACTIONAL) !== 0 && ignoring.has(producerId))) {
      const count = reader.int32();
      const stamp = (attributes & LOG_APPEND_TIME) !== 0 ? maxTimestamp : null;
      const codec = attributes & COMPRESSION;
      const packed = codec !== 0;
      const buffer = packed ? await unpack(codec, data.subarray(reader.at, end)) : data;
      if (count > 0) stretches.push({ buffer, at: packed ? 0 : reader.at, count, baseOffset, baseTimestamp, stamp });
    }
    nextOffset = lastOffset + 1;
    reader.at = end;
  }
  return new Decoded(stretches, from, nextOffset);
}

/**
 * Objects are made of records when somebody asks for them: a batch may wait for its partition meanwhile, and a thousand
 * objects that wait cost more to collect than to make. One that begins before `from` is looked at at once, for it may hold
 * nothing.
 */
class Decoded implements DecodedRecords {
  readonly nextOffset: number | null;
  readonly #stretches: readonly Stretch[];
  readonly #from: number;
  #records: LogRecord[] | null = null;

  constructor(stretches: readonly Stretch[], from: number, nextOffset: number | null) {
    this.#stretches = stretches;
    this.#from = from;
    this.nextOffset = nextOffset;
  }

  get isEmpty(): boolean {
    const [first] = this.#stretches;
    if (first === undefined) return true;
    return first.baseOffset < this.#from && this.records.length === 0;
  }

  get records(): readonly LogRecord[] {
    this.#records ??= this.#decode();
    return this.#records;
  }

  #decode(): LogRecord[] {
    const records: LogRecord[] = [];
    for (const { buffer, at, count, baseOffset, baseTimestamp, stamp } of this.#stretches) {
      const reader = new ByteReader(buffer, at);
      for (let i = 0; i < count; i += 1) {
        const record = decodeRecord(reader, baseOffset, baseTimestamp, stamp);
        if (record.offset >= this.#from) records.push(record);
      }
    }
    return records;
  }
}

const noHeaders: Readonly<Record<string, Buffer>> = Object.freeze({});

/** A record where it lies: a view of key or value is made when it is asked for, as most readers want the one or the other. */
class FetchedRecord implements LogRecord {
  readonly valueIn: Buffer;
  offset = 0;
  timestamp = 0;
  headers = noHeaders;
  keyFrom = 0;
  /** Below `keyFrom` for none; the same of the value. */
  keyTo = -1;
  valueFrom = 0;
  valueTo = -1;

  constructor(buffer: Buffer) {
    this.valueIn = buffer;
  }

  get key(): Buffer | null {
    return this.keyTo < this.keyFrom ? null : this.valueIn.subarray(this.keyFrom, this.keyTo);
  }
  get value(): Buffer | null {
    return this.valueTo < this.valueFrom ? null : this.valueIn.subarray(this.valueFrom, this.valueTo);
  }
}

function decodeRecord(reader: ByteReader, baseOffset: number, baseTimestamp: number, stamp: number | null): LogRecord {
  const record = new FetchedRecord(reader.buffer);
  reader.varint(); // length
  reader.at += 1; // attributes, none are defined
  const timestampDelta = reader.varint();
  record.timestamp = stamp ?? baseTimestamp + timestampDelta;
  record.offset = baseOffset + reader.varint();
  const keyLength = reader.varint();
  record.keyFrom = reader.at;
  record.keyTo = reader.at + keyLength;
  if (keyLength > 0) reader.at += keyLength;
  const valueLength = reader.varint();
  record.valueFrom = reader.at;
  record.valueTo = reader.at + valueLength;
  if (valueLength > 0) reader.at += valueLength;
  const headers = reader.varint();
  if (headers > 0) record.headers = decodeHeaders(reader, headers);
  return record;
}

function decodeHeaders(reader: ByteReader, count: number): Readonly<Record<string, Buffer>> {
  const headers: Record<string, Buffer> = {};
  for (let i = 0; i < count; i += 1) {
    const name = (reader.varbytes() ?? Buffer.alloc(0)).toString();
    headers[name] = reader.varbytes() ?? Buffer.alloc(0);
  }
  return headers;
}

/** How a producer's transaction ends in these batches, at `from` or later; null: not in here. And where to look on. */
export function findMarker(
  data: Buffer,
  from: number,
  producerId: number,
): { readonly end: 'commit' | 'abort' | null; readonly nextOffset: number } {
  let nextOffset = from;
  const reader = new ByteReader(data);
  for (let header = nextHeader(reader); header !== null; header = nextHeader(reader)) {
    const { baseOffset, attributes, end } = header;
    nextOffset = header.lastOffset + 1;
    const mine = header.producerId === producerId;
    if (mine && (attributes & CONTROL) !== 0 && baseOffset >= from && reader.int32() > 0) {
      const type = markerType(reader);
      if (type === COMMIT_MARKER || type === ABORT_MARKER)
        return { end: type === COMMIT_MARKER ? 'commit' : 'abort', nextOffset };
    }
    reader.at = end;
  }
  return { end: null, nextOffset };
}

/** The key of a control record: its version, then whether it ends a transaction by abort (0) or commit (1). */
function markerType(reader: ByteReader): number | null {
  reader.varint();
  reader.at += 1;
  reader.varint();
  reader.varint();
  const key = reader.varbytes();
  return key === null || key.length < 4 ? null : key.readInt16BE(2);
}

export interface BatchProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

/** One batch, whose records are stamped `now` where they bear no stamp. A LogAppendTime topic replaces all by the broker's. */
export function encodeBatch(records: readonly OutRecord[], producer: BatchProducer, now: number): Buffer {
  const writer = new ByteWriter(
    HEADER_BYTES + records.reduce((sum, record) => sum + 32 + (record.key?.length ?? 0) + (record.value?.length ?? 0), 0),
  );
  writer.int64(0);
  writer.sized(() => {
    writer.int32(-1).int8(2).int32(0);
    writer.int16(producer.transactional ? TRANSACTIONAL : 0).int32(records.length - 1);
    const first = records[0]?.timestamp ?? now;
    const last = records.reduce((most, { timestamp = now }) => Math.max(most, timestamp), first);
    writer.int64(first).int64(last).int64(producer.producerId).int16(producer.producerEpoch).int32(producer.baseSequence);
    writer.int32(records.length);
    const body = new ByteWriter(256);
    records.forEach((record, index) => {
      const start = body.at;
      encodeRecord(body, record, index, (record.timestamp ?? now) - first);
      const bytes = body.view(start);
      writer.varint(bytes.length).bytes(bytes);
    });
  });
  const batch = writer.view();
  // The checksum is over everything behind it.
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function encodeRecord(writer: ByteWriter, record: OutRecord, index: number, later_ms: number): void {
  writer.int8(0).varint(later_ms).varint(index).varbytes(record.key).varbytes(record.value);
  const headers = Object.entries(record.headers ?? {});
  writer.varint(headers.length);
  for (const [name, value] of headers) writer.varbytes(name).varbytes(value);
}
