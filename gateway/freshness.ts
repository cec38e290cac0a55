/** How fresh presence is where it is pushed: the metric that alerts are made of. */
import { histogram } from '../base/metrics.ts';
import type { Recent } from './recent-diffs.ts';

const freshness = histogram(
  'presence_freshness_seconds',
  "From a signal's arrival at its gateway (or a deadline) to the first push of its diff by this gateway.",
  ['to', 'cause'],
);

/** A diff is pushed for the first time by this gateway, now (wall clock, ms). */
export function observe({ diff }: Recent, now: number): void {
  // Anyone may read metrics: that somebody has just become invisible is none of theirs.
  if (diff.audience === 'self') return;
  const since = diff.received_at > 0 ? diff.received_at : diff.at;
  freshness.observe({ to: diff.to, cause: diff.cause }, Math.max(0, now - since) / 1_000);
}
