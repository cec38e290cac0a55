/**
 * The cursors in frames: made once for all frames of a millisecond (cursor-seal.ts says why); one of its own for whom something
 * is withheld from.
 */
import { type Cursor, encodeCursor } from './cursor.ts';
import type { Feed } from './feed.ts';
import type { Watcher } from './watchers.ts';

export class Cursors {
  readonly #feed: Pick<Feed, 'epoch' | 'positions' | 'withheld'>;
  readonly #untold: ReadonlySet<string>;
  /** Who was given an incomplete cursor because of them. */
  #marked = new Set<Watcher>();
  #made: { readonly text: string; readonly incomplete: string; readonly at: number } | null = null;

  /** `untold`: users of whom the positions say more than was told, for now. */
  constructor(feed: Pick<Feed, 'epoch' | 'positions' | 'withheld'>, untold: ReadonlySet<string>) {
    this.#feed = feed;
    this.#untold = untold;
  }

  /** The positions, or what is withheld, are others now. */
  moved(): void {
    this.#made = null;
  }

  /** Who was given an incomplete cursor because of `untold` since this was last asked. */
  marked(): Iterable<Watcher> {
    const marked = this.#marked;
    if (marked.size > 0) this.#marked = new Set();
    return marked;
  }

  /** As of now (wall clock, ms). */
  of(watcher: Watcher, now: number): string {
    const isMarked = this.#untold.size > 0 && this.#isUntold(watcher);
    if (isMarked) this.#marked.add(watcher);
    const withheld = isMarked ? null : watcher.withheld(this.#feed.withheld);
    if (withheld !== null && withheld.size > 0) return this.#make(now, { withheld, incomplete: false });
    if (this.#made?.at !== now) {
      const text = this.#make(now, { withheld: new Map(), incomplete: false });
      this.#made = { text, incomplete: this.#make(now, { withheld: new Map(), incomplete: true }), at: now };
    }
    return withheld === null ? this.#made.incomplete : this.#made.text;
  }

  #isUntold({ watches }: Watcher): boolean {
    for (const key of watches.keys()) if (this.#untold.has(key)) return true;
    return false;
  }

  #make(at: number, of: Pick<Cursor, 'withheld' | 'incomplete'>): string {
    return encodeCursor({ at, epoch: this.#feed.epoch, positions: this.#feed.positions(), ...of });
  }
}
