/**
 * Deadlines of one clock, in the order in which they fall due.
 *
 * The deadlines themselves are in the user records; this is an index over them, rebuilt on restore. It is
 * **lazy**: a deadline that moves later leaves its entry where it is, and the entry is moved on when it comes
 * up; one that moves earlier gets a new entry, and the old one is dropped when it comes up. So a heartbeat
 * that extends a ttl costs one comparison, and each owner has one entry that counts (`armed`).
 *
 * Entries that no longer count are removed when they outnumber the others, so the index holds at most
 * about twice as many entries as there are owners.
 */

/** Something with a deadline. Ties are broken by class, key and second key, so that the order is the same on every replay. */
export interface Timed {
  /** Override 0, gateway 1, device 2, ghost 3. */
  readonly timerClass: number;
  readonly timerKey: string;
  readonly timerSubKey: string;
  /** Where its entry lies; Infinity for none. Kept by the index. */
  armed: number;
  /** The deadline as it is now; Infinity for none. */
  deadline(): number;
}

interface Entry {
  readonly at: number;
  readonly owner: Timed;
}

/** Orders owners that are due at the same stamp. */
export function compareTimed(a: Timed, b: Timed): number {
  if (a.timerClass !== b.timerClass) return a.timerClass - b.timerClass;
  if (a.timerKey !== b.timerKey) return a.timerKey < b.timerKey ? -1 : 1;
  if (a.timerSubKey !== b.timerSubKey) return a.timerSubKey < b.timerSubKey ? -1 : 1;
  return 0;
}

const before = (a: Entry, b: Entry): boolean => (a.at !== b.at ? a.at < b.at : compareTimed(a.owner, b.owner) < 0);

export class Timers {
  private heap: Entry[] = [];
  private superseded = 0;

  /** Owners with a deadline, about. */
  get size(): number {
    return this.heap.length - this.superseded;
  }

  /** Call it whenever an owner's deadline may have come or moved earlier. */
  arm(owner: Timed): void {
    const at = owner.deadline();
    if (at >= owner.armed) return;
    if (owner.armed !== Number.POSITIVE_INFINITY) this.superseded += 1;
    owner.armed = at;
    this.push({ at, owner });
    if (this.superseded > 1_024 && this.superseded * 2 > this.heap.length) this.sweep();
  }

  /** Whose deadline comes first; null if there is none. */
  first(): Timed | null {
    for (let top = this.heap[0]; top !== undefined; top = this.heap[0]) {
      const { owner } = top;
      if (owner.armed !== top.at) {
        this.pop();
        this.superseded -= 1;
        continue;
      }
      const at = owner.deadline();
      if (at === top.at) return owner;
      this.pop();
      owner.armed = Number.POSITIVE_INFINITY;
      this.arm(owner);
    }
    return null;
  }

  /** Takes out the entry that `first` answered with; the caller lets it fire, then arms it again. */
  take(owner: Timed): void {
    this.pop();
    owner.armed = Number.POSITIVE_INFINITY;
  }

  private sweep(): void {
    const owners = new Set(this.heap.map((entry) => entry.owner));
    this.heap = [];
    this.superseded = 0;
    for (const owner of owners) if (owner.armed !== Number.POSITIVE_INFINITY) this.push({ at: owner.armed, owner });
  }

  private push(entry: Entry): void {
    const heap = this.heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!before(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  private pop(): void {
    const heap = this.heap;
    const last = heap.pop() as Entry;
    const length = heap.length;
    if (length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      if (child + 1 < length && before(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (!before(below, last)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
  }
}
