/**
 * The durable store: CockroachDB or PostgreSQL (connectors/cockroach/). Tables as in contract.md,
 * "Tables and keys". Every write is guarded, so that applying anything twice, or late, changes nothing.
 */
import type { Diff, UserState } from '../schemas/generated.ts';
import type { HistoryEntry, PresenceBlob } from '../schemas/presence.ts';
import type { Gap, Progress, ProgressWrite, StateErasure } from './presence-cache.ts';

/** A record of presence.state, as the sink read it. */
export interface StateRow {
  readonly state: UserState;
  readonly partition: number;
  /** Its offset in presence.state: the guard, with the epoch. */
  readonly offset: number;
}

/** A row with a value that the database cannot hold, however often it is tried: for presence.dlq. The others are written. */
export interface Refused<R> {
  readonly row: R;
  readonly reason: string;
}

export interface StatesApplied {
  readonly refused: readonly Refused<StateRow>[];
  readonly gaps: readonly Gap[];
}

export interface HistoryQuery {
  /** The user's key. */
  readonly key: string;
  /** ms, inclusive. */
  readonly from: number;
  /** ms, exclusive. */
  readonly to: number;
  readonly limit: number;
  /** As returned in `next`; BAD_INPUT if it is not one of ours. */
  readonly cursor?: string;
  /** `self`: the truth; `others`: what others saw. */
  readonly view: 'self' | 'others';
}

export interface HistoryPage {
  /** Newest first. */
  readonly entries: readonly HistoryEntry[];
  readonly next: string | null;
}

export interface StoreRead {
  readonly blobs: readonly (PresenceBlob | null)[];
  readonly progress: ReadonlyMap<number, Progress>;
}

/** Methods reject with STORE_UNAVAILABLE (retriable) when it cannot be reached; 40001 and lost connections are retried inside. */
export interface PresenceStore {
  /** Brings the schema up to date. Safe when several processes do so at once. */
  migrate(): Promise<void>;
  /**
   * Users newer by (epoch, offset), the device rows of those users, and the progress, in one transaction (several
   * where a row is refused: the progress is in the last). Each key at most once among rows and erasures.
   */
  applyStates(
    rows: readonly StateRow[],
    progress: readonly ProgressWrite[],
    erasures?: readonly StateErasure[],
  ): Promise<StatesApplied>;
  /** Transitions not there yet, by (epoch, version). */
  applyDiffs(diffs: readonly Diff[]): Promise<readonly Refused<Diff>[]>;
  read(keys: readonly string[]): Promise<StoreRead>;
  history(query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Removes up to 1,000 rows of devices that stopped counting an hour ago or earlier by their partition's time; how many
   * it removed. A safety net: the topology forgets them after 10 minutes. Never touches what is live.
   */
  cleanUp(): Promise<number>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
