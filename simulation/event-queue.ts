/** Events by time; at one time timers first, then what the network brings, then immediates (Node's order), then by age. */
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
  run: (() => void) | null;
}

const before = (a: Event, b: Event): boolean =>
  a.at !== b.at ? a.at < b.at : a.kind !== b.kind ? a.kind < b.kind : a.seq < b.seq;

/** A binary heap. */
export class EventQueue {
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
