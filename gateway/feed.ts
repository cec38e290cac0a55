/**
 * Where a gateway's diffs come from: all of presence.diffs (fan-out-broadcast.ts), or what its routes bring (fan-out-routed.ts).
 * Everything that watchers see is made of it in fan-out.ts, the same for both.
 */
import type { Presence } from '../schemas/presence.ts';
import type { Cursor } from './cursor.ts';
import type { Recent, Sent, View } from './recent-diffs.ts';
import type { Place } from './watchers.ts';

/** For how long diffs are of use: a cursor resumes within 5 minutes, is made anew each minute, and the way takes time. */
export const KEEP_MS = 300_000 + 60_000 + 10_000;

/** What is known of users' newest states beside the cache. */
export interface Known {
  /** The newest diff of a user in a view, where one is known. */
  newest(key: string, view: View): Recent | undefined;
  /** What the cache says may lack changes that are not known here. null: it may, whatever the cache says. */
  isBehind(key: string, view: View, cached: Presence | null): boolean;
  /** What the cache says tells of a change whose diff has not come here yet. */
  isAhead(key: string, view: View, cached: Presence): boolean;
}

export interface Changed {
  readonly key: string;
  /** What was last sent; `state` null: not known, and the same as the next diff's `from`. */
  readonly sent: Sent;
  /** The newest diff, if it is newer. */
  readonly last: Recent | null;
}

export interface Feed extends Known {
  /** All is read up to the start. */
  readonly ready: Promise<void>;
  readonly epoch: number;
  /** By partition: every diff below it has been handed to the fan-out, but what `withheld` says; -1: not known. */
  positions(): number[];
  /** Whether the position of its partition lies behind this change; one of no offset is covered. */
  covers(place: Place): boolean;
  /** The last place below an offset of this user's partition. */
  placeBelow(key: string, offset: number): Place;
  /** Users whose newest diff is withheld, for now. */
  readonly withheld: ReadonlySet<string>;
  /** Somebody watches this user from now on, or nobody any more. */
  watched(key: string, isWatched: boolean): void;
  /** Resolves when the newest of each is known here; undefined: it is. */
  known(keys: readonly string[]): Promise<void> | undefined;
  /**
   * Says of each key, in the turn in which it is exact, what changed since the cursor. Resolves with the keys for which that
   * cannot be said, null: for none. They get a snapshot.
   */
  resume(cursor: Cursor, keys: readonly string[], options: ResumeOptions): Promise<readonly string[] | null>;
  everySecond(): void;
  close(): Promise<void>;
}

export interface ResumeOptions {
  readonly viewOf: (key: string) => View;
  readonly tell: (changed: Changed) => void;
}

/** What a feed does with what it hears. */
export interface FeedSink {
  /** Diffs in order; they are told at the end of this turn. The next batch waits for it. */
  diffs(items: readonly Recent[]): Promise<void> | undefined;
  /** The positions, or what is withheld, are others now. */
  moved(): void;
  /** What a watcher who was last sent this user before they came here (`state` null) was last sent, after all. */
  wasSent(recent: Recent, from: Sent['state']): void;
}

/** Before anything was sent that is known here: the next diff's `from` is what was last sent. */
export const unknownSent = (state: Sent['state'], below: number): Sent => ({ epoch: -1, version: -1, state, below });

/** A withheld user of a cursor: what was last sent, and what is newer. */
export function changedSince(key: string, sent: Sent, newest: Recent | undefined): Changed {
  return { key, sent, last: newest ?? null };
}
