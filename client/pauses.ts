/**
 * How long to wait before coming back: exponential backoff with full jitter (any moment up to a bound that doubles).
 * Full jitter, since what breaks one connection mostly breaks thousands: those that wait about equally long come back
 * as one wave, and break it again.
 */
import { closes } from './protocol.ts';

export interface Backoff {
  /** The first pause's bound, ms. Default 1,000: two attempts within the 3 s after which a device is silent. */
  readonly base_ms: number;
  /** No bound is above it, ms. Default 30,000. */
  readonly max_ms: number;
}

/** The reason of close 4429: "Come back after 5 s". */
const TOO_FAST_MS = 5_000;

/** `failures`: connections in a row that did not last. `least_ms`: what the server asked for (Retry-After). */
export function pauseOf(
  { base_ms, max_ms }: Backoff,
  { failures, code, least_ms = 0 }: { readonly failures: number; readonly code: number; readonly least_ms?: number },
  random: () => number,
): number {
  const bound = Math.min(max_ms, base_ms * 2 ** Math.min(failures, 30));
  return Math.max(least_ms, code === closes.tooFast ? TOO_FAST_MS : 0) + Math.round(bound * random());
}
