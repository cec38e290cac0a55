/**
 * A partition's image in a file, so that a restart reads only what is new of the state topic.
 *
 * **Format.** 8 bytes of magic, the header's length (4 bytes, little endian), the header (JSON), the image's parts as they lie in
 * memory (little endian), and the SHA-256 of all before. It is written beside its place, synced, then renamed: a file is there
 * whole or not at all.
 *
 * **Never wrong, at worst useless.** A file counts only if its hash is right, its format is ours, and it was taken of the same
 * topic of the same log (`identity`: a topic that was deleted and made again has another), not longer ago than a deletion is
 * sure to be seen by whoever reads on from there. Anything else is left aside with a warning; then all of the state topic is
 * read. `next` may lie below what the image holds: the records from there on are read again, and say the same.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { clock } from '../base/clock.ts';
import { type ImageLayout, PartitionImage } from './image.ts';
import { StateImage } from './image-state.ts';

const MAGIC = Buffer.from('PRESIMG\x01');
const HASH_BYTES = 32;
const HEADER_BYTES_MAX = 64 << 20;
/** Parts are written and read in pieces of about this. */
const PIECE_BYTES = 4 << 20;
/** Kafka keeps a deletion for `delete.retention.ms`, 24 h unless set otherwise; half of it leaves time for reading. */
export const SNAPSHOT_AGE_MAX_MS = 12 * 3_600_000;

/** What a snapshot is of. */
export interface SnapshotPlace {
  readonly folder: string;
  readonly topic: string;
  readonly partition: number;
  /** As `Log.identity` says it. */
  readonly identity: string;
}

interface Header {
  readonly topic: string;
  readonly partition: number;
  readonly identity: string;
  readonly taken_at: number;
  readonly next: number;
  /** Base64. */
  readonly partition_record: string | null;
  readonly partition_record_offset: number;
  readonly layout: ImageLayout;
}

const fileOf = ({ folder, topic, partition }: SnapshotPlace): string => join(folder, topic, `${partition}.image`);

/**
 * Writes what the image holds at the call, however it goes on meanwhile. Resolves with the file's bytes once it is there;
 * rejects as the file system does.
 */
export async function writeSnapshot(known: Promise<SnapshotPlace>, image: StateImage): Promise<number> {
  const { next, partitionRecord, partitionRecordOffset } = image;
  const dump = image.records.dump();
  const taken_at = clock.now();
  let beside = '';
  try {
    const place = await known;
    const { topic, partition, identity } = place;
    const header: Header = {
      ...{ topic, partition, identity, taken_at, next, layout: dump.layout },
      partition_record: partitionRecord?.toString('base64') ?? null,
      partition_record_offset: partitionRecordOffset,
    };
    const file = fileOf(place);
    // Two processes may share a folder: each writes a file of its own, and either is good.
    beside = `${file}.${clock.randomHex(6)}.tmp`;
    await mkdir(dirname(file), { recursive: true });
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(json.length);
    const bytes = await writeWhole(beside, [MAGIC, length, json, ...dump.parts]);
    await rename(beside, file);
    return bytes;
  } catch (error) {
    if (beside !== '') await rm(beside, { force: true }).catch(() => {});
    throw error;
  } finally {
    dump.release();
  }
}

async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<number> {
  const handle = await open(path, 'wx');
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for (const piece of pieces(parts)) {
      for (const part of piece) hash.update(part);
      bytes += await writeAll(handle, piece);
    }
    bytes += await writeAll(handle, [hash.digest()]);
    await handle.sync();
    return bytes;
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, piece: readonly Uint8Array[]): Promise<number> {
  const wanted = piece.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await handle.writev(piece);
  if (bytesWritten !== wanted) throw new Error(`Only ${bytesWritten} bytes of ${wanted} could be written.`);
  return wanted;
}

/** Groups of parts, so that a call moves some megabytes and no more. */
function* pieces(parts: readonly Uint8Array[]): Iterable<Uint8Array[]> {
  let piece: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    piece.push(part);
    bytes += part.length;
    if (bytes < PIECE_BYTES && piece.length < 1_000) continue;
    yield piece;
    [piece, bytes] = [[], 0];
  }
  if (piece.length > 0) yield piece;
}

/** Why a snapshot is not used, in words. */
export class Unusable extends Error {}

/** null where there is none. Rejects with Unusable where there is one that says nothing, or as the file system does. */
export async function readSnapshot(place: SnapshotPlace, ownKey: string): Promise<StateImage | null> {
  let handle: FileHandle;
  try {
    handle = await open(fileOf(place), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return await readWhole(handle, place, ownKey);
  } catch (error) {
    throw error instanceof RangeError || error instanceof SyntaxError ? new Unusable(`it is damaged (${error.message})`) : error;
  } finally {
    await handle.close();
  }
}

async function readWhole(handle: FileHandle, place: SnapshotPlace, ownKey: string): Promise<StateImage> {
  const { size } = await handle.stat();
  const start = Buffer.alloc(MAGIC.length + 4);
  await readInto(handle, [start], 0, size);
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw new Unusable('it is of another format');
  const length = start.readUInt32LE(MAGIC.length);
  if (length > HEADER_BYTES_MAX) throw new RangeError('its header is too long');
  const json = Buffer.alloc(length);
  await readInto(handle, [json], start.length, size);
  const header = JSON.parse(json.toString('utf8')) as Header;
  check(header, place);
  const bodyAt = start.length + length;
  const { layout } = header;
  // Before anything is allocated for it.
  const body = (layout.buckets + layout.slots) * 4 + layout.chunks.reduce((sum, used) => sum + used * 8, 0);
  if (!(bodyAt + body + HASH_BYTES === size)) throw new RangeError(`it has ${size} bytes, not ${bodyAt + body + HASH_BYTES}`);
  const loading = PartitionImage.load(layout);
  const hash = createHash('sha256').update(start).update(json);
  const end = await readInto(handle, loading.parts, bodyAt, size, (part) => hash.update(part));
  const found = Buffer.alloc(HASH_BYTES);
  await readInto(handle, [found], end, size);
  if (!hash.digest().equals(found)) throw new RangeError('its hash is another');
  return new StateImage(ownKey, {
    records: loading.finish(),
    partitionRecord: header.partition_record === null ? null : Buffer.from(header.partition_record, 'base64'),
    partitionRecordOffset: header.partition_record_offset,
    next: header.next,
  });
}

function check({ topic, partition, identity, taken_at }: Header, place: SnapshotPlace): void {
  if (topic !== place.topic || partition !== place.partition) throw new Unusable(`it is of ${topic}/${partition}`);
  if (identity !== place.identity) throw new Unusable('it is of another log, or of a topic that was deleted since');
  const age = clock.now() - taken_at;
  if (age > SNAPSHOT_AGE_MAX_MS)
    throw new Unusable(`it is ${Math.round(age / 3_600_000)} hours old: deletions since may be gone`);
}

/** Fills the parts from `at` on; where they end. */
async function readInto(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  at: number,
  size: number,
  seen: (part: Uint8Array) => void = () => {},
): Promise<number> {
  let position = at;
  for (const piece of pieces(parts)) {
    const wanted = piece.reduce((sum, part) => sum + part.length, 0);
    if (position + wanted > size) throw new RangeError('it ends too early');
    const { bytesRead } = await handle.readv(piece, position);
    if (bytesRead !== wanted) throw new RangeError('it ends too early');
    for (const part of piece) seen(part);
    position += wanted;
  }
  return position;
}
