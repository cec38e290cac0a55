/**
 * The cache of present states: Redis, or in process. One contract suite holds both
 * (test/contract/presence-cache.contract.ts).
 */
import type { PresenceBlob } from '../schemas/presence.ts';

/** How far the sinks have come in a partition of presence.state. */
export interface Progress {
  readonly partition: number;
  readonly epoch: number;
  /** The next offset of presence.state to apply. */
  readonly offset: number;
  /** The partition's time as of its last record applied (a broker's stamp): every state of it is confirmed up to then. */
  readonly stamp: number;
  /** The first input offset (presence.signals) not in it: says which diffs come after a state read here. */
  readonly input_offset: number;
}

export interface StateWrite {
  /** The user's key. */
  readonly key: string;
  readonly blob: PresenceBlob;
  /** last_seen in ms, for the sorted set; 0 where never seen. */
  readonly last_seen_ms: number;
}

export interface CacheRead {
  /** One for each key asked, in that order; null where the cache has none (or it has expired). */
  readonly blobs: readonly (PresenceBlob | null)[];
  /** By partition. Read before the blobs, so that a blob is never older than it says. */
  readonly progress: ReadonlyMap<number, Progress>;
}

export interface PresenceCache {
  /** Writes what is newer by (epoch, offset) than what is there, then the progress. Rejects with STORE_UNAVAILABLE. */
  apply(writes: readonly StateWrite[], progress: readonly Progress[]): Promise<void>;
  read(keys: readonly string[]): Promise<CacheRead>;
  /** Fills from the database what the cache lacks, for `ttl_ms`; never over a newer one. */
  fill(writes: readonly StateWrite[], ttl_ms: number): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
