/**
 * Events by time; at one time timers first, then what the network brings, then immediates (Node's order), then by age.
 *
 * **Model.** A wheel of slots, a millisecond each, every one a heap: what is due soon, which is nearly everything, costs the
 * same in a world of fifty clients as in one of thousands. What is due beyond the wheel lies in a heap beside it until the
 * wheel comes there.
 */
import type { Host } from './host.ts';

/** What kind of event: also its rank among those of one moment. */
export const TIMER = 0;
export const ARRIVAL = 1;
export const IMMEDIATE = 2;
export type EventKind = typeof TIMER | typeof ARRIVAL | typeof IMMEDIATE;

export interface Event {
  at: number;
  readonly kind: EventKind;
  readonly seq: number;
  readonly host: Host;
  /** null once it is cancelled. */
  run: ((given: number) => void) | null;
  /** What `run` is given: so that what happens a thousand times a second needs no function of its own each time. */
  readonly given: number;
}

const before = (a: Event, b: Event): boolean =>
  a.at !== b.at ? a.at < b.at : a.kind !== b.kind ? a.kind < b.kind : a.seq < b.seq;

/** A binary heap. */
class Heap {
  readonly #heap: Event[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): Event | undefined {
    return this.#heap[0];
  }

  push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  pop(): Event | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    const size = heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

/** A power of two. */
const SLOTS = 1_024;

export class EventQueue {
  readonly #slots: readonly Heap[] = Array.from({ length: SLOTS }, () => new Heap());
  readonly #far = new Heap();
  /** The first slot in which anything can lie, in ms: the wheel reaches from here to SLOTS further. */
  #first = 0;
  /** On the wheel. */
  #near = 0;
  /** When the first beyond it is due. */
  #farAt = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#near + this.#far.size;
  }

  peek(): Event | undefined {
    // Nothing near: the wheel leaps.
    if (this.#near === 0 && this.#farAt !== Number.POSITIVE_INFINITY) this.#first = Math.floor(this.#farAt);
    for (;;) {
      if (this.#farAt < this.#first + SLOTS) this.#bringNear();
      const event = this.#slot(this.#first).peek();
      if (event !== undefined || this.#near === 0) return event;
      this.#first += 1;
    }
  }

  push(event: Event): void {
    if (event.at >= this.#first + SLOTS) {
      this.#far.push(event);
      this.#farAt = Math.min(this.#farAt, event.at);
      return;
    }
    // Earlier than the first slot only after a look beyond the end of a run: then it is the first in there.
    this.#slot(Math.max(this.#first, Math.floor(event.at))).push(event);
    this.#near += 1;
  }

  pop(): Event | undefined {
    const event = this.peek();
    if (event === undefined) return undefined;
    this.#near -= 1;
    return this.#slot(this.#first).pop();
  }

  #slot(ms: number): Heap {
    return this.#slots[ms & (SLOTS - 1)] as Heap;
  }

  #bringNear(): void {
    while (this.#farAt < this.#first + SLOTS) {
      this.#slot(Math.floor(this.#farAt)).push(this.#far.pop() as Event);
      this.#near += 1;
      this.#farAt = this.#far.peek()?.at ?? Number.POSITIVE_INFINITY;
    }
  }
}
