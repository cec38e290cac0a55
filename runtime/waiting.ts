/** Pauses that can be cut short, and the growing ones between attempts. */
import { clock, type Timer } from '../base/clock.ts';

/** Resolves after `ms`, or at once when `signal` is or becomes aborted. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clock.clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Whether `work` settles within `ms`. A rejection counts as settled and is not reported here. */
export async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), ms);
  });
  const settled = work.then(
    () => true as const,
    () => true as const,
  );
  const result = await Promise.race([settled, late]);
  clock.clearTimeout(timer);
  return result;
}

export interface BackoffOptions {
  readonly first_ms: number;
  readonly max_ms: number;
}

/** Pauses that double, from `first_ms` to `max_ms`, each shortened by up to a half at random so that many do not move in step. */
export class Backoff {
  private readonly options: BackoffOptions;
  private next: number;

  constructor(options: BackoffOptions) {
    this.options = options;
    this.next = options.first_ms;
  }

  async pause(signal?: AbortSignal): Promise<void> {
    const ms = this.next * (0.5 + clock.random() / 2);
    this.next = Math.min(this.next * 2, this.options.max_ms);
    await pause(ms, signal);
  }

  reset(): void {
    this.next = this.options.first_ms;
  }
}
