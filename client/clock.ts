/** Time as the client sees it: handed in, so that tests can be its time. */

export interface Clock {
  /** Wall clock, ms since 1970: tokens end by it. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** A host's timers overflow beyond this, and then fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** One timer that is set anew rather than twice. */
export class Alarm {
  readonly #clock: Clock;
  #timer: unknown;
  #due: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When it fires, ms since 1970; undefined while it is not set. */
  get due(): number | undefined {
    return this.#due;
  }

  set(ms: number, run: () => void): void {
    this.clear();
    const wait = Math.min(Math.max(0, ms), LONGEST_MS);
    this.#due = this.#clock.now() + wait;
    this.#timer = this.#clock.setTimeout(() => {
      this.#due = undefined;
      run();
    }, wait);
  }

  clear(): void {
    if (this.#due !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#due = undefined;
  }
}
