/**
 * A clock that stands still while this process does.
 *
 * **Model.** After a pause (garbage collection, a long turn, SIGSTOP) timers run before sockets: every client
 * looks silent though its beats lie unread. So silence is judged by loop time: monotonic time less every
 * stall of the loop over 250 ms. A stall moves all deadlines at once, since nothing of a deadline is stored
 * but the loop time of the last beat. A stall is seen as soon as anybody asks (not only when the timer
 * comes), so a beat read right after a pause is not credited twice.
 */
import { clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { counter } from '../base/metrics.ts';

export const STALL_MS_MIN = 250;
const TICK_MS = 50;

const stalls = counter('presence_gateway_stalls_total', "Stalls of the gateway's own loop over 250 ms.");
const stalledSeconds = counter(
  'presence_gateway_stalled_seconds_total',
  "How long the gateway's own loop stood still, stalls over 250 ms only.",
);

export interface LoopClockOptions {
  /** Monotonic ms. Default performance.now. */
  readonly now?: () => number;
  readonly logger?: Logger;
}

export class LoopClock {
  readonly #now: () => number;
  readonly #logger: Logger | undefined;
  /** When the loop was last seen to turn. */
  #turned: number;
  #stalled = 0;
  #timer: Timer | null = null;

  constructor(options: LoopClockOptions = {}) {
    this.#now = options.now ?? (() => clock.monotonic());
    this.#logger = options.logger;
    this.#turned = this.#now();
  }

  /** Watches the loop. Without it (tests) call `turned` by hand. */
  start(): void {
    this.#turned = this.#now();
    this.#timer ??= clock.setInterval(() => this.turned(), TICK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clock.clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Loop time, ms. */
  get loop(): number {
    const now = this.#now();
    return now - this.#stalled - this.#stallUnderWay(now);
  }

  /** Monotonic time, ms, stalls included. */
  get real(): number {
    return this.#now();
  }

  /** The loop turns: a stall that lasted until now is over. */
  turned(): void {
    const now = this.#now();
    const stall = this.#stallUnderWay(now);
    this.#turned = now;
    if (stall === 0) return;
    this.#stalled += stall;
    stalls.inc();
    stalledSeconds.inc(stall / 1_000);
    this.#logger?.warn({ stalled_ms: Math.round(stall) }, 'The loop stood still; all deadlines are moved.');
  }

  #stallUnderWay(now: number): number {
    const late = now - this.#turned - TICK_MS;
    return late > STALL_MS_MIN ? late : 0;
  }
}
