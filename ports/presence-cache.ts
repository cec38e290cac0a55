/**
 * The cache of present states: Redis, or in process. One contract suite holds both
 * (test/contract/presence-cache.contract.ts).
 */
import type { PresenceBlob } from '../schemas/presence.ts';

/** How far the sinks have come in a partition of presence.state. */
export interface Progress {
  readonly partition: number;
  /** Of the partition's last record applied. */
  readonly epoch: number;
  /** The next offset of presence.state to apply. */
  readonly offset: number;
  /** The partition's time as of its last record applied (a broker's stamp): every state of it is confirmed up to then. */
  readonly stamp: number;
  /** The first input offset (presence.signals) not in it: says which diffs come after a state read here. */
  readonly input_offset: number;
}

/**
 * Progress as a sink writes it. It never jumps: it is taken only if what is there already reaches `from`, or
 * `from` is 0 (read from the start). So a target that lost its data, or was put back to an older copy, is
 * found out at the next write, and the sink reads again from where it stands.
 */
export interface ProgressWrite extends Progress {
  /** Everything in [from, offset) is applied. */
  readonly from: number;
}

/** Progress that was not taken: everything from `offset` on is to be applied again. */
export interface Gap {
  readonly partition: number;
  /** How far what is there reaches; 0 where there is nothing. */
  readonly offset: number;
}

export interface StateWrite {
  /** The user's key. */
  readonly key: string;
  readonly blob: PresenceBlob;
  /** last_seen in ms, for the sorted set; 0 where never seen. */
  readonly last_seen_ms: number;
}

/** A tombstone of presence.state: the user is forgotten, unless what is there is newer. */
export interface StateErasure {
  readonly key: string;
  readonly epoch: number;
  readonly offset: number;
}

export interface CacheRead {
  /** One for each key asked, in that order; null where the cache has none (or it has expired). */
  readonly blobs: readonly (PresenceBlob | null)[];
  /** By partition. Read before the blobs, so that a blob is never older than it says. */
  readonly progress: ReadonlyMap<number, Progress>;
}

export interface PresenceCache {
  /**
   * Writes what is newer by (epoch, offset) than what is there, then the progress; each key at most once among
   * writes and erasures. Rejects with STORE_UNAVAILABLE.
   */
  apply(
    writes: readonly StateWrite[],
    progress: readonly ProgressWrite[],
    erasures?: readonly StateErasure[],
  ): Promise<readonly Gap[]>;
  read(keys: readonly string[]): Promise<CacheRead>;
  /** Fills from the database what the cache lacks, for `ttl_ms`; never over a newer one. */
  fill(writes: readonly StateWrite[], ttl_ms: number): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
