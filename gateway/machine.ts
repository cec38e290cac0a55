/**
 * What the machine lets this process have: file descriptors and memory, read once at start and said.
 *
 * A gateway that takes more connections than it has descriptors stops accepting in the middle of a crowd, and tells nobody why.
 * So the most that it takes is lowered to what its descriptors bear (beyond it an upgrade is answered 503, and the client goes
 * elsewhere), and memory that would not bear it is a warning. Node cannot raise either limit: `ulimit -n`, LimitNOFILE and
 * the container's memory are the operator's.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Logger } from '../base/logger.ts';

/** For the log, database, cache, requests over HTTP, and files. */
export const FILES_KEPT = 500;

/** Of memory, a connection with 50 watched users, everything in it: bench/RESULTS.md, `npm run bench:idle`. */
export const CONNECTION_BYTES = 16 * 1024;

export interface MachineLimits {
  /** Descriptors that may be open at once; null where the system does not say (not Linux) or sets no limit. */
  readonly files: number | null;
  /** Bytes that the process may use: of its container, or the machine's. */
  readonly memory: number;
  /** Bytes of Node's heap (`--max-old-space-size`). */
  readonly heap: number;
}

type ReadText = (file: string) => string;

const readText: ReadText = (file) => readFileSync(file, 'utf8');

/** `read` is given by tests. */
export function machineLimits(read: ReadText = readText): MachineLimits {
  const files = /^Max open files\s+(\d+)/m.exec(textOf(read, '/proc/self/limits'))?.[1];
  const container = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']
    .map((file) => Number.parseInt(textOf(read, file), 10))
    .filter((bytes) => bytes > 0);
  return {
    files: files === undefined ? null : Number(files),
    memory: Math.min(totalmem(), ...container),
    heap: getHeapStatistics().heap_size_limit,
  };
}

function textOf(read: ReadText, file: string): string {
  try {
    return read(file);
  } catch {
    return ''; // another system, another version of it
  }
}

/** Where nobody asked for a number. */
export const CONNECTIONS_MAX = 250_000;

/**
 * How many connections this process takes: `wanted`, or what its descriptors bear. Says what does not fit; warns where it was
 * asked for.
 */
export function connectionsThatFit(wanted: number | undefined, limits: MachineLimits, logger: Logger): number {
  const { files, memory, heap } = limits;
  const asked = wanted ?? CONNECTIONS_MAX;
  const fit = files === null ? asked : Math.max(1, Math.min(asked, files - FILES_KEPT));
  logger.info({ connections_max: fit, files, memory_bytes: memory, heap_bytes: heap }, 'What this machine gives the gateway.');
  if (wanted === undefined) return fit;
  if (fit < asked)
    logger.warn(
      { files, asked, connections_max: fit },
      'File descriptors bear fewer connections than asked for. Raise them (ulimit -n), or start more processes (SHARE_PORT).',
    );
  const needed = fit * CONNECTION_BYTES;
  if (needed > Math.min(memory, heap))
    logger.warn(
      { needed_bytes: needed, memory_bytes: memory, heap_bytes: heap },
      'Memory may not bear as many connections. Give more (and --max-old-space-size in NODE_OPTIONS), or start more processes.',
    );
  return fit;
}
