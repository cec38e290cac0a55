/**
 * How fast connections are taken: after a loss everybody comes back at once, and each opening costs (a token to verify, a
 * snapshot to read, a hello to write). Beyond the rate an upgrade is 503, with a Retry-After by which those who were refused come
 * back spread over as long as it takes to let all of them in, and by chance within that.
 *
 * Whether there is room is asked before the token is looked at, so that a storm costs no signatures; the place is taken after it,
 * so that who has no token takes none away.
 *
 * **Limit.** `acceptRateMax` a second, twice as many at once; nobody waits here, so nothing is held.
 */
import { clock } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import { counter, gauge } from '../base/metrics.ts';
import { Bucket, type Rate } from './limits.ts';

export const ACCEPT_RATE_MAX = 2_000;
/** Nobody is sent away for longer: the crowd may be gone by then, or another gateway there. Seconds. */
const AWAY_S = 30;
/** Refusals are forgotten at the pace at which they come back. */
const WINDOW_MS = 1_000;

const refused = counter(
  'presence_gateway_admission_refused_total',
  'Upgrades refused because connections came faster than they are taken.',
);
const crowd = gauge('presence_gateway_admission_crowd_count', 'Upgrades refused lately that are expected to come back.');

export class Admission {
  readonly #rate: Rate;
  readonly #bucket: Bucket;
  /** Refused, and not let in since as far as the rate allows. */
  #crowd = 0;
  #crowdAt = 0;

  /** `perSecond`: at least 1. */
  constructor(perSecond: number) {
    if (!(perSecond >= 1))
      throw new PresenceError('BAD_SETTING', `${perSecond} connections a second are too few.`, {
        at: 'ACCEPT_RATE',
        retriable: false,
      });
    this.#rate = { rate: perSecond, burst: 2 * perSecond };
    this.#bucket = new Bucket(this.#rate.burst, clock.monotonic());
  }

  /** Whether another connection could be taken now; takes nothing. */
  get open(): boolean {
    return this.#bucket.left(this.#rate, Math.floor(clock.monotonic())) >= 1;
  }

  /** Takes a place; false where there is none. */
  take(): boolean {
    return this.#bucket.take(this.#rate, Math.floor(clock.monotonic())) === 0;
  }

  /** After how many whole seconds who is refused now should come back. */
  refuse(): number {
    const now = clock.monotonic();
    const { rate } = this.#rate;
    this.#crowd = Math.max(0, this.#crowd - ((now - this.#crowdAt) / WINDOW_MS) * rate) + 1;
    this.#crowdAt = now;
    refused.inc();
    crowd.set(Math.ceil(this.#crowd));
    const spread_s = Math.min(AWAY_S, Math.ceil(this.#crowd / rate));
    return 1 + Math.floor(clock.random() * spread_s);
  }
}
