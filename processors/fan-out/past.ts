/**
 * The changes of the last minutes, by user: from what state somebody goes on who was told everything up to an offset.
 *
 * **Limit.** `most` changes; beyond it the oldest leave before their time, and who asks from before them is answered with the
 * newest state alone.
 */
import type { Audience, State } from '../../schemas/generated.ts';
import { type Change, sees, type View } from './flow.ts';

interface Past {
  readonly user_id: string;
  readonly offset: number;
  readonly stamp: number;
  readonly audience: Audience;
  readonly from: State;
}

/** A change that is remembered no more. */
export type Left = (user_id: string, offset: number) => void;

export class PastChanges {
  readonly #keep_ms: number;
  readonly #most: number;
  readonly #left: Left;
  readonly #users = new Map<string, Past[]>();
  #all: Past[] = [];
  #front = 0;
  /** No change from this offset on is missing. */
  #since = 0;
  /** Behind the last change. */
  #next = 0;

  constructor(options: { readonly keep_ms: number; readonly most: number; readonly left?: Left }) {
    this.#keep_ms = options.keep_ms;
    this.#most = options.most;
    this.#left = options.left ?? (() => {});
  }

  /** Behind the last change. */
  get next(): number {
    return this.#next;
  }

  get size(): number {
    return this.#all.length - this.#front;
  }

  add({ diff, offset, stamp }: Change): void {
    const past = { user_id: diff.user_id, offset, stamp, audience: diff.audience, from: diff.from };
    this.#next = Math.max(this.#next, offset + 1);
    this.#all.push(past);
    const user = this.#users.get(diff.user_id);
    if (user === undefined) this.#users.set(diff.user_id, [past]);
    else user.push(past);
    for (let oldest = this.#all[this.#front]; oldest !== undefined; oldest = this.#all[this.#front]) {
      if (this.size <= this.#most && oldest.stamp > stamp - this.#keep_ms) break;
      this.#dropOldest(oldest);
    }
  }

  /** Changes are added from `from` on; those below `position` have been told before. */
  begin({ from, position }: { readonly from: number; readonly position: number }): void {
    this.#since = from;
    this.#next = position;
  }

  /** Whether all changes from this offset up to now are remembered; not for who has been told of more than was read here. */
  covers(offset: number): boolean {
    return offset >= this.#since && offset <= this.#next;
  }

  /** The state before the first change at `offset` or above; null where there was none. */
  stateAt(user_id: string, view: View, offset: number): State | null {
    return this.#users.get(user_id)?.find((past) => past.offset >= offset && sees(past, view))?.from ?? null;
  }

  #dropOldest(oldest: Past): void {
    this.#front += 1;
    if (this.#front > 1_024 && this.#front * 2 > this.#all.length) {
      this.#all = this.#all.slice(this.#front);
      this.#front = 0;
    }
    this.#since = oldest.offset + 1;
    const user = this.#users.get(oldest.user_id) as Past[];
    if (user.length === 1) this.#users.delete(oldest.user_id);
    else user.shift();
    this.#left(oldest.user_id, oldest.offset);
  }
}
