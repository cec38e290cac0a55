/**
 * The older uWebSockets.js (20.30, package `uws-node20`), with its limit on heads raised.
 *
 * It assembles a request's head from at most 4,096 bytes: a longer one that comes in more than one TCP segment, as
 * every long URL does on a real network, is cut off without an answer [measured]. The current line reads the limit
 * from UWS_HTTP_MAX_HEADERS_SIZE; here it is a constant, written into each HTTP parser by its two constructors
 * (with TLS and without). So a copy of the binary gets another constant in these two places, and is loaded instead.
 *
 * Only a binary known byte for byte (SHA-256) is touched. The copy lies in a folder that only this user can enter, and
 * is gone from it as soon as it is loaded. Where it cannot be written or loaded (a read-only or noexec /tmp), and
 * on machines whose binary is not listed, the original serves: heads above 4 KB must then come in one segment.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Known {
  readonly file: string;
  readonly sha256: string;
  /** Where the four bytes of the constant are. */
  readonly at: readonly number[];
}

const known: readonly Known[] = [
  {
    file: 'uws_linux_x64_115.node',
    sha256: 'f158fb441f7e2e37b3ab9a56782fe37f4c0d33b5cd32e96ee5c0120ce7db7ced',
    at: [0xe98d7 + 7, 0xf90e4 + 7],
  },
];

const BUILT_IN_BYTES = 4_096;

/** A copy of this binary that takes heads of `bytes`; undefined for one that is not known. */
export function withHeadLimit(binary: Buffer, bytes: number): Buffer | undefined {
  const sha256 = createHash('sha256').update(binary).digest('hex');
  const entry = known.find((one) => one.sha256 === sha256);
  if (entry === undefined || !entry.at.every((at) => binary.readUInt32LE(at) === BUILT_IN_BYTES)) return undefined;
  const copy = Buffer.from(binary);
  for (const at of entry.at) copy.writeUInt32LE(bytes, at);
  return copy;
}

export interface LoadedNode20 {
  readonly module: unknown;
  /** The largest head that may come in several segments. */
  readonly headBytesMax: number;
}

/** Throws what `load` throws of the original. */
export function loadNode20(file: string, headBytes: number, load: (id: string) => unknown): LoadedNode20 {
  const copy = known.some((one) => file.endsWith(one.file)) ? withHeadLimit(readFileSync(file), headBytes) : undefined;
  if (copy !== undefined) {
    let folder: string | undefined;
    try {
      folder = mkdtempSync(join(tmpdir(), 'presence-uws-'));
      const path = join(folder, 'uws.node');
      writeFileSync(path, copy, { mode: 0o500, flag: 'wx' });
      return { module: load(path), headBytesMax: headBytes };
    } catch {
      // The original will do, or say why not.
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }
  return { module: load(file), headBytesMax: BUILT_IN_BYTES };
}
