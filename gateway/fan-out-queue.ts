/**
 * Diffs that were read and are not told yet.
 *
 * **Model.** What came in one turn is told at its end, in order. Where that is more than `ONLINE_FIRST_FROM` changes, only who
 * is there is told then; who has gone offline waits for a second go. That comes when no such queue has come for a moment
 * (QUIET_MS), after SECOND_GO_MS at the latest. A user's own diffs keep their order: once one of theirs waits, so do those that
 * come after it.
 *
 * Until then the feed's positions say more than was told: a cursor that goes to somebody who watches one of those who wait is
 * marked incomplete, and they get another one with the second go.
 *
 * **Limits.** WAITING_DIFFS_MAX diffs wait; with more the second go comes at once, before more is read.
 */
import { clock, sleep } from '../base/clock.ts';
import { counter } from '../base/metrics.ts';
import type { Recent } from './recent-diffs.ts';

/** Changes of watched users in one turn, above which who went offline is told last. */
export const ONLINE_FIRST_FROM = 1_000;

/** Diffs that wait for a second go. */
export const WAITING_DIFFS_MAX = 50_000;
const QUIET_MS = 10;
const SECOND_GO_MS = 500;

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
  /** How many long queues there were. */
  #long = 0;
  #awaited = false;

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
    if (long) {
      this.#long += 1;
      longQueues.inc();
    }
    return queue.filter((item) => {
      const { user_id, to } = item.diff;
      if (!(long && to === 'offline') && !this.waiting.has(user_id)) return true;
      this.waiting.add(user_id);
      this.#second.push(item);
      return false;
    });
  }

  /** As much waits as may. */
  get isFull(): boolean {
    return this.#second.length >= WAITING_DIFFS_MAX;
  }

  /** Resolves when the second go is due; undefined where nothing waits for it, or somebody else does already. */
  quiet(): Promise<void> | undefined {
    if (this.waiting.size === 0 || this.#awaited) return undefined;
    this.#awaited = true;
    return this.#quiet().finally(() => {
      this.#awaited = false;
    });
  }

  async #quiet(): Promise<void> {
    const until = clock.monotonic() + SECOND_GO_MS;
    for (let long = -1; this.#long > long && this.waiting.size > 0 && clock.monotonic() < until; ) {
      long = this.#long;
      await sleep(QUIET_MS);
    }
  }

  /** What is to be told in the second go, in order. */
  second(): readonly Recent[] {
    const second = this.#second;
    this.#second = [];
    this.waiting.clear();
    return second;
  }
}
