/**
 * What people see of presence as JSON: the shapes of contract.md, "HTTP" and "WebSocket", and the blob
 * that the cache keeps. Times are RFC 3339 with milliseconds.
 */
import type { Cause, Source, State } from './generated.ts';

/** contract.md: Presence. */
export interface Presence {
  readonly user_id: string;
  readonly state: State;
  readonly source: Source;
  /** The `at` of the diff that began the state; null for a user never seen. */
  readonly since: string | null;
  readonly last_seen: string | null;
  /** When the system last confirmed this state; null before anything was ever confirmed. */
  readonly fresh_at: string | null;
  /** fresh_at is longer ago than 5 s while the user should be live. */
  readonly stale: boolean;
  readonly epoch: number;
  readonly version: number;
  /** Live devices. */
  readonly devices: number;
}

export interface OverrideView {
  readonly override_id: string;
  readonly state: State;
  readonly until: string | null;
  readonly reason: string | null;
}

/**
 * What the cache keeps of a user: their own Presence, what others see of it under `public`, and what a
 * reader needs to bring both up to date (fresh_at and stale are of the moment of writing; readers work them
 * out anew from the partition's progress).
 */
export interface PresenceBlob extends Presence {
  readonly public: Presence;
  readonly override: OverrideView | null;
  /** A device is held by a connection: last_seen is then fresh_at. Of the user's own view. */
  readonly streaming: boolean;
  /** The same of what others see. */
  readonly public_streaming: boolean;
  readonly partition: number;
  /** The offset of the record in presence.state: with epoch, the guard against older writes. */
  readonly offset: number;
  /** Entries filled from the database end here (ms since 1970); readers honour it. Absent on the sink's own writes. */
  readonly expires_at?: number;
}

/** contract.md: an element of a `diffs` frame. */
export interface DiffView {
  readonly user_id: string;
  readonly from: State;
  readonly to: State;
  readonly at: string;
  readonly epoch: number;
  readonly version: number;
  readonly cause: Cause;
  readonly source: Source;
  readonly trace_id: string | null;
}

/** contract.md: an element of `GET /presence/history`. */
export interface HistoryEntry {
  readonly epoch: number;
  readonly version: number;
  readonly from: State;
  readonly to: State;
  readonly at: string;
  readonly cause: Cause;
  readonly source: Source;
  readonly trace_id: string | null;
}
