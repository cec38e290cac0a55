/**
 * The diffs of the last minutes, by user: what is laid over a snapshot that the cache had not caught up with, and
 * what a resumed connection has missed.
 *
 * **Model.** Per partition: every diff from `start` (an offset) to `next` is held, in order; `heldSince` is the stamp from
 * which on none is missing. Per user: their diffs, oldest first. Diffs older than `keep_ms` leave.
 *
 * **At the limit** (`max`, all partitions together) the oldest of the partition that grows leave earlier: cursors from before
 * them then get a snapshot instead of diffs, and snapshots from a cache that lags that far are marked stale.
 */
import { counter, gauge } from '../base/metrics.ts';
import type { Audience, Diff, State } from '../schemas/generated.ts';
import type { DiffView } from '../schemas/presence.ts';
import { parseUserKey } from '../schemas/user-key.ts';
import { traceForOthers } from './secrecy.ts';

/** `self`: the truth, for the user; `others`: what everyone else sees. */
export type View = 'self' | 'others';

const heldDiffs = gauge('presence_gateway_recent_diffs', 'Diffs of the last minutes held for snapshots and resumes.');
const evicted = counter(
  'presence_gateway_recent_diffs_evicted_total',
  'Diffs that left before their time: the limit was reached.',
);

/** A version in a view. */
export interface Versioned {
  readonly epoch: number;
  readonly version: number;
}

export const newer = (a: Versioned, b: Versioned): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);

export const sees = (audience: Audience, view: View): boolean => audience === 'all' || audience === view;

/** What a connection was last sent of a user. `state` null: what it had before it came here, the next diff's `from`. */
export interface Sent extends Versioned {
  readonly state: State | null;
  /** Where it had that before it came here: changes below this offset are in it. */
  readonly below?: number;
}

export class Recent {
  readonly diff: Diff;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** Shared by all connections that were sent it. */
  readonly #sent: { self?: Sent; others?: Sent } = {};
  readonly #json: { self?: string; others?: string } = {};

  constructor(diff: Diff, partition: number, offset: number, timestamp: number) {
    this.diff = diff;
    this.partition = partition;
    this.offset = offset;
    this.timestamp = timestamp;
  }

  sent(view: View): Sent {
    const { epoch, version, public_version, to } = this.diff;
    this.#sent[view] ??= { epoch, version: view === 'self' ? version : public_version, state: to };
    return this.#sent[view];
  }

  /** The element of a `diffs` frame. Encoded once where `from` is the diff's own, as it nearly always is. */
  json(view: View, from: State): string {
    if (from !== this.diff.from) return JSON.stringify(this.#view(view, from));
    this.#json[view] ??= JSON.stringify(this.#view(view, from));
    return this.#json[view];
  }

  #view(view: View, from: State): DiffView {
    const { user_id, to, at, epoch, cause, source, trace_id } = this.diff;
    const { version } = this.sent(view);
    return {
      user_id: parseUserKey(user_id).user_id,
      from,
      to,
      at: new Date(at).toISOString(),
      epoch,
      version,
      cause,
      source,
      trace_id: view === 'self' ? trace_id : traceForOthers(user_id, { epoch, version, cause, trace_id }),
    };
  }
}

interface Held {
  /** Oldest first; `front` is the first that is still held. */
  items: Recent[];
  front: number;
  /** null: nothing is known of this partition yet. */
  start: number | null;
  next: number;
  heldSince: number;
}

export interface RecentDiffsOptions {
  readonly partitions: number;
  readonly keep_ms: number;
  /** Default 500,000 (about 250 bytes each). */
  readonly max?: number;
  /** Wall clock, ms. */
  readonly now: () => number;
}

export class RecentDiffs {
  readonly #options: RecentDiffsOptions;
  readonly #max: number;
  readonly #held: readonly Held[];
  readonly #users = new Map<string, Recent[]>();
  #size = 0;
  #epoch = 0;

  constructor(options: RecentDiffsOptions) {
    this.#options = options;
    this.#max = options.max ?? 500_000;
    const heldSince = options.now() - options.keep_ms;
    this.#held = Array.from({ length: options.partitions }, () => ({ items: [], front: 0, start: null, next: 0, heldSince }));
  }

  get partitions(): number {
    return this.#held.length;
  }

  get size(): number {
    return this.#size;
  }

  /** The newest epoch of any diff seen. */
  get epoch(): number {
    return this.#epoch;
  }

  /** By partition: every diff below was handed to `add`. */
  positions(): number[] {
    return this.#held.map((held) => held.next);
  }

  positionOf(partition: number): number {
    return this.#of(partition).next;
  }

  /**
   * What is known of a partition before the first `add`: `items` are all its diffs from `start` to `next`; `whole`: there
   * never was one before.
   */
  begin(
    partition: number,
    known: { readonly start: number; readonly next: number; readonly items: readonly Recent[]; readonly whole: boolean },
  ): void {
    const held = this.#of(partition);
    held.start = known.start;
    held.next = known.next;
    if (known.whole) held.heldSince = Number.NEGATIVE_INFINITY;
    for (const item of known.items) this.#put(held, item);
    this.#expire(held);
  }

  /** Takes what was read of a partition, in order; returns what is new. */
  add(partition: number, items: readonly Recent[], nextOffset: number): readonly Recent[] {
    const held = this.#of(partition);
    const fresh = held.start === null ? items : items.filter((item) => item.offset >= held.next);
    held.start ??= items[0]?.offset ?? nextOffset;
    held.next = Math.max(held.next, nextOffset);
    for (const item of fresh) this.#put(held, item);
    this.#expire(held);
    heldDiffs.set(this.#size);
    return fresh;
  }

  /** The newest diff of a user in a view, if it is held. */
  newest(key: string, view: View): Recent | undefined {
    const user = this.#users.get(key) ?? [];
    for (let i = user.length - 1; i >= 0; i--) {
      const item = user[i] as Recent;
      if (sees(item.diff.audience, view)) return item;
    }
    return undefined;
  }

  /** The first and the newest diff of a user in a view at `offset` or above; null where there is none. */
  since(key: string, view: View, offset: number): { readonly first: Recent; readonly last: Recent } | null {
    const user = this.#users.get(key);
    const first = user?.find((item) => item.offset >= offset && sees(item.diff.audience, view));
    if (first === undefined) return null;
    return { first, last: this.newest(key, view) as Recent };
  }

  /** Whether all diffs from these positions up to now are held. */
  covers(positions: readonly number[]): boolean {
    return this.#held.every(({ start, next }, partition) => {
      const position = positions[partition];
      return position !== undefined && start !== null && start <= position && position <= next;
    });
  }

  /** Whether all diffs below these positions have been read. */
  reached(positions: readonly number[]): boolean {
    return this.#held.every(({ next }, partition) => (positions[partition] ?? 0) <= next);
  }

  /** From this stamp on no diff of the partition is missing here. */
  heldSince(partition: number): number {
    return this.#of(partition).heldSince;
  }

  /** As `heldSince`, but no longer ago than diffs are kept: what is older was let go, or was never of interest. */
  windowSince(partition: number): number {
    return Math.max(this.#of(partition).heldSince, this.#options.now() - this.#options.keep_ms);
  }

  /** Lets go what is too old everywhere. */
  expire(): void {
    for (const held of this.#held) this.#expire(held);
    heldDiffs.set(this.#size);
  }

  #of(partition: number): Held {
    return this.#held[partition] as Held;
  }

  #put(held: Held, item: Recent): void {
    held.items.push(item);
    this.#size += 1;
    this.#epoch = Math.max(this.#epoch, item.diff.epoch);
    const user = this.#users.get(item.diff.user_id);
    if (user === undefined) this.#users.set(item.diff.user_id, [item]);
    else user.push(item);
    if (this.#size > this.#max) {
      evicted.inc();
      this.#dropOldest(held);
    }
  }

  #expire(held: Held): void {
    const before = this.#options.now() - this.#options.keep_ms;
    for (
      let oldest = held.items[held.front];
      oldest !== undefined && oldest.timestamp < before;
      oldest = held.items[held.front]
    ) {
      this.#dropOldest(held);
    }
  }

  #dropOldest(held: Held): void {
    const oldest = held.items[held.front] as Recent;
    held.front += 1;
    if (held.front > 1_024 && held.front * 2 > held.items.length) {
      held.items = held.items.slice(held.front);
      held.front = 0;
    }
    held.start = oldest.offset + 1;
    held.heldSince = Math.max(held.heldSince, oldest.timestamp + 1);
    this.#size -= 1;
    const user = this.#users.get(oldest.diff.user_id) as Recent[];
    if (user.length === 1) this.#users.delete(oldest.diff.user_id);
    else user.shift();
  }
}
