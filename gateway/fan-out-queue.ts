/**
 * Diffs that were read and are not told yet.
 *
 * **Model.** What came in one turn is told at its end, in order. Where that is more than `ONLINE_FIRST_FROM` changes it is told
 * in two goes, with a turn for the sockets between them: whoever is there first, then who has gone offline. A user's own diffs
 * keep their order: once one of theirs waits for the second go, so do those that come after it.
 *
 * Until then the feed's positions say more than was told: a cursor that goes to somebody who watches one of those who wait is
 * marked incomplete, and they get another one with the second go.
 */
import { counter } from '../base/metrics.ts';
import type { Recent } from './recent-diffs.ts';

/** Changes of watched users in one turn, above which who went offline is told last. */
export const ONLINE_FIRST_FROM = 1_000;

const longQueues = counter(
  'presence_gateway_online_first_total',
  'Times that so much changed in a turn that who went offline was told after the others.',
);

export class DiffQueue {
  readonly #onlineFirstFrom: number;
  #queue: Recent[] = [];
  #second: Recent[] = [];
  /** Users of whom something waits for the second go. */
  readonly waiting = new Set<string>();

  constructor(onlineFirstFrom = ONLINE_FIRST_FROM) {
    this.#onlineFirstFrom = onlineFirstFrom;
  }

  /** What waits for the first go. */
  get size(): number {
    return this.#queue.length;
  }

  push(item: Recent): void {
    this.#queue.push(item);
  }

  /** What is to be told in the first go, in order. */
  first(): readonly Recent[] {
    const queue = this.#queue;
    if (queue.length === 0) return queue;
    this.#queue = [];
    const long = queue.length > this.#onlineFirstFrom;
    if (!long && this.waiting.size === 0) return queue;
    if (long) longQueues.inc();
    return queue.filter((item) => {
      const { user_id, to } = item.diff;
      if (!(long && to === 'offline') && !this.waiting.has(user_id)) return true;
      this.waiting.add(user_id);
      this.#second.push(item);
      return false;
    });
  }

  /** What is to be told in the second go, in order. */
  second(): readonly Recent[] {
    const second = this.#second;
    this.#second = [];
    this.waiting.clear();
    return second;
  }
}
