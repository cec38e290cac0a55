/**
 * Unpacks record batches, whichever of Kafka's four codecs their writer chose. (We write none.)
 *
 * gzip is Node's own, zstd is fzstd's. LZ4 and Snappy are formats of a page each that will not change, and are read here: both
 * say "these bytes next" and "so many bytes from so far back", which is what `Unpacked` does.
 *
 * Their checksums are not looked at: the batch and TCP have their own. What is no such format throws; so does what unpacks to
 * more than `UNPACKED_BYTES_MAX`, which no producer writes (a batch is 1 MiB by default) and which would take the memory of all.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Decompress } from 'fzstd';

const UNPACKED_BYTES_MAX = 256 << 20;
const [NONE, GZIP, SNAPPY, LZ4, ZSTD] = [0, 1, 2, 3, 4];

/** `codec`: the number in a batch's attributes. */
export async function unpack(codec: number, packed: Buffer): Promise<Buffer> {
  switch (codec) {
    case NONE:
      return packed;
    case GZIP:
      return promisify(gunzip)(packed, { maxOutputLength: UNPACKED_BYTES_MAX });
    case SNAPPY:
      return unpackSnappy(packed);
    case LZ4:
      return unpackLz4(packed);
    case ZSTD:
      return unpackZstd(packed);
    default:
      throw new Error(`no codec has the number ${codec}`);
  }
}

class Unpacked {
  #buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(Math.min(size, UNPACKED_BYTES_MAX));
  }

  get length(): number {
    return this.#at;
  }
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  literal(source: Uint8Array, from: number, length: number): void {
    if (from + length > source.length) throw new Error('it ends too early');
    this.#room(length);
    this.#buffer.set(source.subarray(from, from + length), this.#at);
    this.#at += length;
  }

  /** What lies `distance` back, which may be less than `length`: then it repeats. */
  copy(distance: number, length: number): void {
    if (distance === 0 || distance > this.#at) throw new Error('it refers to what was not there');
    this.#room(length);
    for (let left = length; left > 0; ) {
      // Each round doubles what there is to copy from.
      const part = Math.min(left, distance + length - left);
      const from = this.#at - (distance + length - left);
      this.#buffer.copyWithin(this.#at, from, from + part);
      this.#at += part;
      left -= part;
    }
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    if (needed > UNPACKED_BYTES_MAX) throw new Error(`it is more than ${UNPACKED_BYTES_MAX} bytes when unpacked`);
    const grown = Buffer.allocUnsafe(Math.min(UNPACKED_BYTES_MAX, Math.max(needed, this.#buffer.length * 2)));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
}

/** What Java's writers put around blocks: this, two versions, then each block behind its length. Others write one block alone. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

function unpackSnappy(packed: Buffer): Buffer {
  const out = new Unpacked(packed.length * 3);
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) snappyBlock(packed, out);
  else {
    if (packed.length < XERIAL_HEADER_BYTES) throw new Error('it ends too early');
    for (let at = XERIAL_HEADER_BYTES; at < packed.length; ) {
      const end = at + 4 + packed.readInt32BE(at);
      if (end > packed.length) throw new Error('it ends too early');
      snappyBlock(packed.subarray(at + 4, end), out);
      at = end;
    }
  }
  return out.bytes;
}

/** google/snappy, format_description.txt. */
function snappyBlock(block: Buffer, out: Unpacked): void {
  let [at, length] = [0, 0];
  for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
    byte = block.readUInt8(at++);
    length += (byte & 0x7f) * 2 ** shift;
  }
  const end = out.length + length;
  while (at < block.length) {
    const tag = block[at++] as number;
    const high = tag >>> 2;
    if ((tag & 3) === 0) {
      const bytes = Math.max(0, high - 59);
      const literal = 1 + (bytes === 0 ? high : block.readUIntLE(at, bytes));
      out.literal(block, at + bytes, literal);
      at += bytes + literal;
    } else if ((tag & 3) === 1) out.copy(((tag & 0xe0) << 3) | block.readUInt8(at++), 4 + (high & 7));
    else {
      const bytes = (tag & 3) === 2 ? 2 : 4;
      out.copy(block.readUIntLE(at, bytes), 1 + high);
      at += bytes;
    }
  }
  if (out.length !== end) throw new Error('it is not as long as it says');
}

const LZ4_MAGIC = 0x184d2204;
const CONTENT_SIZE = 0x08;
const DICTIONARY = 0x01;
const BLOCK_CHECKSUM = 0x10;
const STORED = 0x8000_0000;

/** lz4/lz4, lz4_Frame_format.md. What comes behind the last block is its checksum, or nothing. */
function unpackLz4(packed: Buffer): Buffer {
  if (packed.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('it is no LZ4 frame');
  const flags = packed.readUInt8(4);
  let at = 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8) + ((flags & DICTIONARY) === 0 ? 0 : 4);
  const out = new Unpacked(packed.length * 3);
  for (let size = packed.readUInt32LE(at); size !== 0; size = packed.readUInt32LE(at)) {
    const length = size % STORED;
    at += 4;
    if (at + length > packed.length) throw new Error('it ends too early');
    if (size >= STORED) out.literal(packed, at, length);
    else lz4Block(packed.subarray(at, at + length), out);
    at += length + ((flags & BLOCK_CHECKSUM) === 0 ? 0 : 4);
  }
  return out.bytes;
}

/** lz4/lz4, lz4_Block_format.md: literals and a copy in turn; the last literals have no copy behind them. */
function lz4Block(block: Buffer, out: Unpacked): void {
  let at = 0;
  /** 15 means that more is to be added, up to and with the first byte that is not 255. */
  const length = (nibble: number): number => {
    let sum = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; sum += byte) byte = block.readUInt8(at++);
    return sum;
  };
  while (at < block.length) {
    const token = block[at++] as number;
    const literal = length(token >>> 4);
    out.literal(block, at, literal);
    at += literal;
    if (at === block.length) return;
    const distance = block.readUInt16LE(at);
    at += 2;
    out.copy(distance, 4 + length(token & 15));
  }
}

function unpackZstd(packed: Buffer): Buffer {
  if (packed.length === 0) throw new Error('it ends too early'); // of which fzstd makes nothing
  const out = new Unpacked(packed.length * 3);
  new Decompress((part) => out.literal(part, 0, part.length)).push(packed, true);
  return out.bytes;
}
