/**
 * The cursors in frames: made once for all frames of a millisecond (cursor-seal.ts says why); one of its own for whom something
 * is withheld from.
 */
import { type Cursor, encodeCursor } from './cursor.ts';
import type { Feed } from './feed.ts';
import type { Watcher } from './watchers.ts';

export class Cursors {
  readonly #feed: Pick<Feed, 'epoch' | 'positions' | 'withheld'>;
  #made: { readonly text: string; readonly incomplete: string; readonly at: number } | null = null;

  constructor(feed: Pick<Feed, 'epoch' | 'positions' | 'withheld'>) {
    this.#feed = feed;
  }

  /** The positions, or what is withheld, are others now. */
  moved(): void {
    this.#made = null;
  }

  /** As of now (wall clock, ms). */
  of(watcher: Watcher, now: number): string {
    const withheld = watcher.withheld(this.#feed.withheld);
    if (withheld !== null && withheld.size > 0) return this.#make(now, { withheld, incomplete: false });
    if (this.#made?.at !== now) {
      const text = this.#make(now, { withheld: new Map(), incomplete: false });
      this.#made = { text, incomplete: this.#make(now, { withheld: new Map(), incomplete: true }), at: now };
    }
    return withheld === null ? this.#made.incomplete : this.#made.text;
  }

  #make(at: number, of: Pick<Cursor, 'withheld' | 'incomplete'>): string {
    return encodeCursor({ at, epoch: this.#feed.epoch, positions: this.#feed.positions(), ...of });
  }
}
