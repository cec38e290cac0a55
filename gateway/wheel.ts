/**
 * A timer wheel for many deadlines that nearly always move before they are due.
 *
 * **Model.** Time is cut into slots of `slot_ms`; an item lies in the slot of the deadline that it had when it was
 * last looked at. A beat does not touch the wheel: it only changes the item. When an item's slot comes, its
 * deadline is asked anew: if it has moved, the item goes to the slot of the new one, else it is due. So
 * a beat costs one assignment, and an item is looked at about once per its own timeout. What is dropped
 * stays until its slot comes, and is then gone.
 */
export interface WheelOptions<T> {
  /** Default 50. Nothing is due later than this after its deadline, besides how often `advance` is called. */
  readonly slot_ms?: number;
  /** The farthest deadline ahead, ms; a later one is looked at earlier and put on. */
  readonly span_ms: number;
  /** When this item is due; null: it is dropped. */
  readonly deadline: (item: T) => number | null;
}

export class Wheel<T> {
  readonly #slotMs: number;
  readonly #slots: T[][];
  readonly #deadline: (item: T) => number | null;
  /** The number (since time 0) of the next slot to look at. */
  #next: number;

  constructor(now: number, options: WheelOptions<T>) {
    this.#slotMs = options.slot_ms ?? 50;
    this.#slots = Array.from({ length: Math.ceil(options.span_ms / this.#slotMs) + 2 }, () => []);
    this.#deadline = options.deadline;
    this.#next = Math.floor(now / this.#slotMs);
  }

  /** Items on the wheel, dropped ones included until their slot comes. */
  get size(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.length, 0);
  }

  /** Puts an item on the wheel; it must not be on it. */
  add(item: T): void {
    const deadline = this.#deadline(item);
    if (deadline !== null) this.#put(item, deadline);
  }

  /** Everything due by `now`, each item once, off the wheel. */
  advance(now: number, due: (item: T) => void): void {
    const last = Math.floor(now / this.#slotMs);
    // After a gap longer than the wheel every slot is looked at once.
    const slots = this.#slots.length;
    let from = this.#next;
    if (last - from >= slots) from = last - slots + 1;
    // First move on, so that what is put back lands in a slot not looked at yet.
    this.#next = Math.max(this.#next, last + 1);
    for (let slot = from; slot <= last; slot++) {
      const index = ((slot % slots) + slots) % slots;
      const items = this.#slots[index] as T[];
      if (items.length === 0) continue;
      this.#slots[index] = [];
      for (const item of items) {
        const deadline = this.#deadline(item);
        if (deadline === null) continue;
        if (deadline <= now) due(item);
        else this.#put(item, deadline);
      }
    }
  }

  #put(item: T, deadline: number): void {
    const slots = this.#slots.length;
    // One slot later than the deadline's own, so that its slot is only looked at when it has passed.
    const wanted = Math.floor(deadline / this.#slotMs) + 1;
    const slot = Math.min(Math.max(wanted, this.#next), this.#next + slots - 1);
    (this.#slots[((slot % slots) + slots) % slots] as T[]).push(item);
  }
}
