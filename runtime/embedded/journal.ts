/**
 * The embedded log on disk: one journal for all partitions, so that a transaction over several topics is
 * one frame, which is there or not.
 *
 *   journal-<n>   frames, appended
 *   snapshot-<n>  everything that was live when journal-<n> was begun
 *
 * Start: the newest whole snapshot, then the journals from its number on, in order. Frames after a torn
 * one (the process was killed while writing) were never acknowledged; the file is cut there. When the
 * journals have outgrown the last snapshot (twice its size and 16 MiB more), a new journal is begun, then a
 * snapshot is written beside it, renamed into place when whole, and what it replaces is deleted.
 *
 * A write is acknowledged after write(2): it survives the process. fsync runs once a second in the
 * background, and at close: a loss of power may take the last second. Writes that come while one is under
 * way go together in the next. At most 64 MiB wait; beyond that, and while the disk refuses, an append
 * rejects with LOG_UNAVAILABLE.
 */

import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { clock } from '../../base/clock.ts';
import { PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { gauge } from '../../base/metrics.ts';
import { decodeFrame, encodeFrame, type Frame, frameAt, HEADER_BYTES } from './frame.ts';
import { lockFolder } from './lock.ts';

const waitingGauge = gauge('presence_embedded_log_waiting_bytes', 'Bytes that the embedded log has still to write to disk.');

export interface JournalOptions {
  readonly folder: string;
  readonly logger: Logger;
  /** Everything live, for a snapshot. Called when every append that has resolved is in it, and no other. */
  readonly snapshot: () => Iterable<Frame>;
  readonly waitingBytesMax?: number;
  /** The journals may grow by so much beyond twice the snapshot. */
  readonly slackBytes?: number;
}

export interface Journal {
  /** Resolves when the frame is written; frames are written in the order of the calls, and `then` runs in that order. */
  append(frame: Frame, then: () => void): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly then: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Opens the folder, hands every frame in it to `load`, and is ready to append. */
export async function openJournal(options: JournalOptions, load: (frame: Required<Frame>) => void): Promise<Journal> {
  const { folder, logger, waitingBytesMax = 64 << 20, slackBytes = 16 << 20 } = options;
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(folder);
  const found = await recover(folder, logger, load).catch(async (error) => {
    await unlock();
    throw error;
  });
  let { number, snapshotBytes, journalBytes } = found;
  let handle = await open(join(folder, `journal-${number}`), 'a');
  let good = (await handle.stat()).size;
  let torn = false;
  let dirty = false;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let writing: Promise<void> | null = null;
  let snapshotting: Promise<void> | null = null;
  let closed = false;

  const sync = clock.setInterval(() => {
    if (!dirty) return;
    dirty = false;
    handle.datasync().catch((error) => logger.warn({ error }, 'The embedded log could not be synced to disk.'));
  }, 1_000);
  sync.unref();

  async function write(batch: readonly Waiting[]): Promise<void> {
    const bytes = Buffer.concat(batch.map((entry) => entry.bytes));
    try {
      // A write that failed may have left a part of itself, behind which nothing would be read again.
      if (torn) await handle.truncate(good);
      torn = true;
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
      torn = false;
      good += bytes.length;
      journalBytes += bytes.length;
      dirty = true;
    } catch (cause) {
      logger.error({ error: cause, folder }, 'The embedded log could not be written.');
      const error = new PresenceError('LOG_UNAVAILABLE', 'The embedded log could not be written.', {
        at: folder,
        retriable: true,
        cause,
      });
      for (const entry of batch) entry.reject(error);
      return;
    }
    for (const entry of batch) {
      entry.then();
      entry.resolve();
    }
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      waitingBytes = 0;
      waitingGauge.set(0);
      await write(batch);
      if (journalBytes > 2 * snapshotBytes + slackBytes && snapshotting === null && !closed) await roll();
    }
    writing = null;
  }

  /** Begins the next journal, at a moment when all that is written has been applied; the snapshot is written beside the work. */
  async function roll(): Promise<void> {
    try {
      const next = await open(join(folder, `journal-${number + 1}`), 'a');
      await handle.datasync();
      await handle.close();
      [handle, good, number] = [next, 0, number + 1];
      const frames = options.snapshot();
      snapshotting = writeSnapshot(folder, number, frames)
        .then((bytes) => {
          [snapshotBytes, journalBytes] = [bytes, good];
        })
        .catch((error) => logger.warn({ error, folder }, 'The embedded log could not write its snapshot; its journals are kept.'))
        .finally(() => {
          snapshotting = null;
        });
    } catch (error) {
      logger.warn({ error, folder }, 'The embedded log could not begin a new journal; it goes on with the old one.');
    }
  }

  return {
    append(frame, then) {
      const bytes = encodeFrame(frame);
      if (closed || waitingBytes + bytes.length > waitingBytesMax) {
        const why = closed ? 'The embedded log is closed.' : 'The embedded log has too much to write.';
        return Promise.reject(new PresenceError('LOG_UNAVAILABLE', why, { at: folder, retriable: !closed }));
      }
      waitingBytes += bytes.length;
      waitingGauge.set(waitingBytes);
      const written = new Promise<void>((resolve, reject) => waiting.push({ bytes, then, resolve, reject }));
      writing ??= drain();
      return written;
    },
    async close() {
      if (closed) return;
      closed = true;
      clock.clearInterval(sync);
      await writing;
      await snapshotting;
      await handle.datasync();
      await handle.close();
      await unlock();
    },
  };
}

interface Recovered {
  /** Of the newest journal, which is to be appended to. */
  readonly number: number;
  readonly snapshotBytes: number;
  readonly journalBytes: number;
}

async function recover(folder: string, logger: Logger, load: (frame: Required<Frame>) => void): Promise<Recovered> {
  const names = await readdir(folder);
  const numbers = (prefix: string): number[] =>
    names
      .filter((name) => new RegExp(`^${prefix}-\\d+$`).test(name))
      .map((name) => Number(name.slice(prefix.length + 1)))
      .sort((a, b) => a - b);
  const snapshot = numbers('snapshot').at(-1);
  let snapshotBytes = 0;
  if (snapshot !== undefined) {
    const file = join(folder, `snapshot-${snapshot}`);
    const bytes = await readFile(file);
    snapshotBytes = bytes.length;
    // It was renamed into place when whole: a fault in it is no torn tail.
    if (readFrames(bytes, load) < bytes.length) {
      throw new PresenceError('LOG_UNAVAILABLE', `The embedded log's snapshot ${file} is damaged.`, {
        at: file,
        retriable: false,
        help: 'Restore the folder from a backup, or move it away to begin anew.',
      });
    }
  }
  let journalBytes = 0;
  const journals = numbers('journal').filter((number) => number >= (snapshot ?? 0));
  for (const number of journals) {
    const file = join(folder, `journal-${number}`);
    const bytes = await readFile(file);
    const good = readFrames(bytes, load);
    journalBytes += good;
    if (good < bytes.length) {
      logger.warn(
        { file, cut_bytes: bytes.length - good },
        'The embedded log cut a torn write off its end; it was never acknowledged.',
      );
      const handle = await open(file, 'r+');
      await handle.truncate(good);
      await handle.close();
    }
  }
  return { number: journals.at(-1) ?? snapshot ?? 0, snapshotBytes, journalBytes };
}

/** Returns where the whole frames end. */
function readFrames(file: Buffer, load: (frame: Required<Frame>) => void): number {
  let at = 0;
  for (let payload = frameAt(file, at); payload !== null; payload = frameAt(file, at)) {
    load(decodeFrame(payload));
    at += HEADER_BYTES + payload.length;
  }
  return at;
}

async function writeSnapshot(folder: string, number: number, frames: Iterable<Frame>): Promise<number> {
  const temporary = join(folder, `snapshot-${number}.part`);
  const handle: FileHandle = await open(temporary, 'w');
  let bytes = 0;
  try {
    for (const frame of frames) {
      const encoded = encodeFrame(frame);
      bytes += encoded.length;
      for (let at = 0; at < encoded.length; ) at += (await handle.write(encoded, at)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, join(folder, `snapshot-${number}`));
  for (const name of await readdir(folder)) {
    const older = /^(?:journal|snapshot)-(\d+)$/.exec(name);
    if (older !== null && Number(older[1]) < number) await rm(join(folder, name));
  }
  return bytes;
}
