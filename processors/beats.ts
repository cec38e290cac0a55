/**
 * Beats that no record holds yet, oldest first.
 *
 * A beat that moves only seq, last_seen and ttl is not written at once: producing costs five times what
 * consuming does. The log holds it, so a restore reads it again: from L, the first input offset that not all
 * records hold, which is the head of this queue. A beat leaves the queue when its user is written, for
 * whatever reason, or after `flush` of lease clock, so L is never further back than that. On the lease clock, because
 * that never goes back: the queue stays in order.
 *
 * Limit: one entry a user.
 */
import type { UnwrittenBeat, User } from './record.ts';

export class BeatQueue {
  private queue: UnwrittenBeat[] = [];
  private head = 0;

  /** A beat of this user; only the first since the record was written counts. */
  add(user: User, offset: number, clocks: { readonly stamp: number; readonly lease: number; readonly settle: number }): void {
    if (user.beat !== null) return;
    const { stamp, lease, settle } = clocks;
    const beat: UnwrittenBeat = { user, offset, stamp, lease, settle };
    user.beat = beat;
    this.queue.push(beat);
  }

  /** The user's record is being written. */
  written(user: User): void {
    if (user.beat === null) return;
    user.beat.user = null;
    user.beat = null;
  }

  /** The oldest one not written; null if all are. */
  first(): UnwrittenBeat | null {
    for (; this.head < this.queue.length; this.head += 1) {
      const beat = this.queue[this.head] as UnwrittenBeat;
      if (beat.user !== null) return beat;
    }
    this.queue = [];
    this.head = 0;
    return null;
  }

  /** Drops what is written from memory, now and then. */
  trim(): void {
    if (this.head < 4_096 || this.head * 2 < this.queue.length) return;
    this.queue = this.queue.slice(this.head);
    this.head = 0;
  }
}
