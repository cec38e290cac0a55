/**
 * Deadlines of one clock, in the order in which they fall due.
 *
 * The deadlines themselves are in the user records; this is an index over them, rebuilt on restore: a heap of their owners, in
 * which each stands once. It is **lazy**: a deadline that moves later leaves its owner where it is, to be moved on when it
 * comes up; only one that moves earlier moves its owner at once. So a heartbeat that extends a ttl costs one comparison.
 */

import { PresenceError } from '../base/errors.ts';

/** Where an owner without an entry stands. */
const NOWHERE = -1;
/** The deadline of what waits for nothing. */
export const NEVER = Number.POSITIVE_INFINITY;

/** Something with a deadline. Ties are broken by class, key and second key, so that the order is the same on every replay. */
export interface Timed {
  /** Override 0, gateway 1, device 2, ghost 3. */
  readonly timerClass: number;
  readonly timerKey: string;
  readonly timerSubKey: string;
  /** The deadline by which it stands in the heap; Infinity for none. Kept by the index. */
  armed: number;
  /** Its place in the heap; -1 for none. Kept by the index. */
  place: number;
  /** The deadline as it is now; Infinity for none. */
  deadline(): number;
}

/** Orders owners that are due at the same stamp. */
export function compareTimed(a: Timed, b: Timed): number {
  if (a.timerClass !== b.timerClass) return a.timerClass - b.timerClass;
  if (a.timerKey !== b.timerKey) return a.timerKey < b.timerKey ? -1 : 1;
  if (a.timerSubKey !== b.timerSubKey) return a.timerSubKey < b.timerSubKey ? -1 : 1;
  return 0;
}

/** It has no place in the order: looking for the first would never end. */
const noNumber = ({ timerKey, timerSubKey }: Timed): PresenceError =>
  new PresenceError('INTERNAL', `The deadline of ${timerKey}${timerSubKey === '' ? '' : `/${timerSubKey}`} is no number.`, {
    at: 'timers',
    retriable: false,
    help: 'Some length of time in topology/presence.ts, or a stage of your own, is none: presence topology lint.',
  });

const before = (a: Timed, b: Timed): boolean => (a.armed !== b.armed ? a.armed < b.armed : compareTimed(a, b) < 0);

export class Timers {
  private readonly heap: Timed[] = [];

  /** Owners with a deadline. */
  get size(): number {
    return this.heap.length;
  }

  /** Call it whenever an owner's deadline may have come or moved earlier. */
  arm(owner: Timed): void {
    const at = owner.deadline();
    if (at >= owner.armed) return;
    if (Number.isNaN(at)) throw noNumber(owner);
    owner.armed = at;
    if (owner.place === NOWHERE) {
      owner.place = this.heap.length;
      this.heap.push(owner);
    }
    this.rise(owner);
  }

  /** Whose deadline comes first; null if there is none. */
  first(): Timed | null {
    for (let top = this.heap[0]; top !== undefined; top = this.heap[0]) {
      const at = top.deadline();
      if (at === top.armed) return top;
      if (Number.isNaN(at)) throw noNumber(top);
      if (at === NEVER) this.remove(top);
      else {
        top.armed = at;
        this.sink(top);
      }
    }
    return null;
  }

  /** It waits for nothing any more, or is about to fire: the caller arms it again. */
  remove(owner: Timed): void {
    const { heap } = this;
    const { place } = owner;
    if (place === NOWHERE) return;
    owner.armed = NEVER;
    owner.place = NOWHERE;
    const last = heap.pop() as Timed;
    if (last === owner) return;
    last.place = place;
    heap[place] = last;
    this.rise(last);
    this.sink(last);
  }

  private rise(owner: Timed): void {
    const { heap } = this;
    let i = owner.place;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Timed;
      if (!before(owner, above)) break;
      heap[i] = above;
      above.place = i;
      i = parent;
    }
    heap[i] = owner;
    owner.place = i;
  }

  private sink(owner: Timed): void {
    const { heap } = this;
    const { length } = heap;
    let i = owner.place;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && before(heap[child + 1] as Timed, heap[child] as Timed)) child += 1;
      const below = heap[child] as Timed;
      if (!before(below, owner)) break;
      heap[i] = below;
      below.place = i;
      i = child;
    }
    heap[i] = owner;
    owner.place = i;
  }
}
