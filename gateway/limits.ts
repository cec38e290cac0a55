/**
 * Token buckets: how fast one may ask.
 *
 * A bucket holds at most `burst` tokens and gains `rate` a second. One that has not been touched for `burst /
 * rate` seconds is full, which is what a new one is: so buckets are kept in two generations, and the older one
 * is dropped whole after that time. Memory is bound by who asked in the last two periods, RATE_KEYS_MAX in each: one more
 * begins a new period early, which forgets in favour of those who ask.
 */
import { PresenceError } from '../base/errors.ts';
import { gauge } from '../base/metrics.ts';

/** contract.md: "never under 50 requests a second a user". */
export const MIN_RATE = 50;

/** Users whose rate is watched, in a period. */
export const RATE_KEYS_MAX = 1_000_000;

const bucketsKept = gauge('presence_gateway_rate_buckets_count', 'Users whose rate of requests is being watched.');

export interface Rate {
  /** A second; at least MIN_RATE. Default 100. */
  readonly rate: number;
  /** At once; at least `rate`. Default 200. */
  readonly burst: number;
}

export const defaultRate: Rate = { rate: 100, burst: 200 };

/** Of what is read: presences and history. */
export const defaultQueryRate: Rate = { rate: 50, burst: 200 };

/** Of diffs pushed to a connection; any rate above 0. */
export const defaultPushRate: Rate = { rate: 500, burst: 2_000 };

/** One bucket. `now` is any clock in whole ms that does not go back. */
export class Bucket {
  /** In thousandths, so that whole milliseconds times a whole rate stay exact. */
  #milliTokens: number;
  #at: number;

  constructor(burst: number, now: number) {
    this.#milliTokens = burst * 1000;
    this.#at = now;
  }

  /** Takes one token. 0: taken; else how many ms until there is one. */
  take(rate: Rate, now: number): number {
    this.#fill(rate, now);
    if (this.#milliTokens < 1000) return Math.ceil((1000 - this.#milliTokens) / rate.rate);
    this.#milliTokens -= 1000;
    return 0;
  }

  /** How many there are. */
  left(rate: Rate, now: number): number {
    this.#fill(rate, now);
    return this.#milliTokens / 1000;
  }

  #fill(rate: Rate, now: number): void {
    this.#milliTokens = Math.min(rate.burst * 1000, this.#milliTokens + Math.max(0, now - this.#at) * rate.rate);
    this.#at = now;
  }
}

/** How fast each user may ask. */
export interface UserRate {
  /** Takes a token of this key's bucket. 0: taken; else how many ms until there is one. */
  take(key: string, now: number): number;
}

export class Buckets implements UserRate {
  readonly #rate: Rate;
  readonly #period: number;
  #young = new Map<string, Bucket>();
  #old = new Map<string, Bucket>();
  #turned = 0;

  constructor(rate: Rate) {
    checkRate(rate);
    this.#rate = rate;
    this.#period = (rate.burst / rate.rate) * 1000;
  }

  /** Takes a token of this key's bucket. 0: taken; else how many ms until there is one. */
  take(key: string, now: number): number {
    if (now - this.#turned >= this.#period || this.#young.size >= RATE_KEYS_MAX) {
      this.#old = now - this.#turned >= 2 * this.#period ? new Map() : this.#young;
      this.#young = new Map();
      this.#turned = now;
      bucketsKept.set(this.#old.size);
    }
    let bucket = this.#young.get(key);
    if (bucket === undefined) {
      bucket = this.#old.get(key) ?? new Bucket(this.#rate.burst, now);
      this.#young.set(key, bucket);
    }
    return bucket.take(this.#rate, now);
  }

  /** How many are kept. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }
}

export function checkRate(rate: Rate): void {
  if (rate.rate >= MIN_RATE && rate.burst >= rate.rate) return;
  throw new PresenceError('BAD_SETTING', `A rate of ${rate.rate}/s with bursts of ${rate.burst} is too low.`, {
    at: 'rate limit',
    retriable: false,
    help: `The contract promises ${MIN_RATE} requests a second a user; the burst may not be below the rate.`,
  });
}
