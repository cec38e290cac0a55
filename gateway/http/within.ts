import { clock, type Timer } from '../../base/clock.ts';
import { unavailable } from './problem.ts';

/** The promise's outcome, or 503 with Retry-After once `ms` have gone by. What it waits for goes on all the same. */
export async function within<T>(ms: number, promise: Promise<T>, detail: string): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimeout(() => reject(unavailable(detail, 2)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clock.clearTimeout(timer);
  }
}
