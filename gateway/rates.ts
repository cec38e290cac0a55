/**
 * A user's rate over all gateways.
 *
 * **Model.** A request is judged here and now: by this gateway's own buckets, and by whether the user is known to be above the
 * limit over all gateways. What was let through is counted in the shared store beside, every FLUSH_MS one call for each user who
 * asked; if that says that the user is above the limit they are refused here until their period ends. So no answer waits for
 * the store, and the limit may be passed by what comes in FLUSH_MS and a round trip. While the store is away (or slow) each
 * gateway's own buckets hold the limit, as without a store: nobody is refused because of it.
 *
 * **Limits.** COUNTED_KEYS_MAX users wait to be counted, and so many are known to be above the limit; who is beyond either is
 * held by this gateway's own buckets alone, and counted in a metric.
 */
import { clock, type Timer } from '../base/clock.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { SharedRate } from '../ports/shared-rate.ts';
import { Buckets, type Rate, type UserRate } from './limits.ts';

export const COUNTED_KEYS_MAX = 20_000;
const FLUSH_MS = 25;
/** After a failure nothing is asked for so long. */
const REST_MS = 1_000;

const above = gauge('presence_gateway_rate_above_count', 'Users known to be above their rate over all gateways.');
const uncounted = counter(
  'presence_gateway_rate_uncounted_total',
  'Requests that were not counted over all gateways: the store was away, or too many waited.',
);

export class Rates implements UserRate {
  readonly #own: Buckets;
  readonly #shared: SharedRate | undefined;
  #waiting = new Map<string, number>();
  /** Until when (monotonic ms) who is above the limit. */
  readonly #above = new Map<string, number>();
  #resting = 0;
  readonly #timer: Timer | undefined;

  /** Without `shared` each gateway's own buckets are all there is. */
  constructor(rate: Rate, shared?: SharedRate) {
    this.#own = new Buckets(rate);
    this.#shared = shared;
    if (shared === undefined) return;
    this.#timer = clock.setInterval(() => this.#flush(), FLUSH_MS);
    this.#timer.unref();
  }

  take(key: string, now: number): number {
    if (this.#shared === undefined) return this.#own.take(key, now);
    const until = this.#above.size === 0 ? undefined : this.#above.get(key);
    if (until !== undefined) {
      const wait = until - clock.monotonic();
      if (wait > 0) return Math.ceil(wait);
      this.#above.delete(key);
      above.set(this.#above.size);
    }
    const wait = this.#own.take(key, now);
    if (wait === 0) {
      const counted = this.#waiting.get(key);
      if (counted !== undefined || this.#waiting.size < COUNTED_KEYS_MAX) this.#waiting.set(key, (counted ?? 0) + 1);
      else uncounted.inc();
    }
    return wait;
  }

  async close(): Promise<void> {
    if (this.#timer !== undefined) clock.clearInterval(this.#timer);
    await this.#shared?.close();
  }

  #flush(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    if (clock.monotonic() < this.#resting) {
      for (const n of waiting.values()) uncounted.inc(n);
      return;
    }
    for (const [key, n] of waiting) void this.#count(this.#shared as SharedRate, key, n);
  }

  async #count(shared: SharedRate, key: string, n: number): Promise<void> {
    try {
      const wait = await shared.count(key, n);
      if (wait === 0) return;
      this.#above.delete(key);
      // The first one is over soonest, or is over.
      if (this.#above.size >= COUNTED_KEYS_MAX) this.#above.delete(this.#above.keys().next().value as string);
      this.#above.set(key, clock.monotonic() + wait);
      above.set(this.#above.size);
    } catch {
      uncounted.inc(n);
      this.#resting = clock.monotonic() + REST_MS;
    }
  }
}
