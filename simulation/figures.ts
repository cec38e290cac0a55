/** What a world measures; worlds add up. Times in ms. */
import type { Cause } from '../schemas/generated.ts';

/** Why a device is gone: said goodbye or closed cleanly; fell silent; its gateway did; its background beats ended. */
export const goneReasons = ['clean', 'silent', 'gateway', 'ttl'] as const;
export type Gone = (typeof goneReasons)[number];

/** A histogram of 10 ms buckets: adds up, and forgets nothing that a percentile needs. */
export class Spread {
  readonly buckets = new Map<number, number>();
  count = 0;
  max = 0;

  add(ms: number): void {
    const bucket = Math.round(ms / 10) * 10;
    this.buckets.set(bucket, (this.buckets.get(bucket) ?? 0) + 1);
    this.count += 1;
    this.max = Math.max(this.max, ms);
  }

  merge(other: { readonly buckets: Iterable<readonly [number, number]>; readonly count: number; readonly max: number }): void {
    for (const [bucket, count] of other.buckets) this.buckets.set(bucket, (this.buckets.get(bucket) ?? 0) + count);
    this.count += other.count;
    this.max = Math.max(this.max, other.max);
  }

  /** null where nothing was measured. */
  quantile(share: number): number | null {
    let left = Math.ceil(this.count * share);
    for (const [bucket, count] of [...this.buckets].sort((a, b) => a[0] - b[0])) {
      left -= count;
      if (left <= 0) return bucket;
    }
    return null;
  }

  toJSON() {
    return { buckets: [...this.buckets], count: this.count, max: this.max };
  }
}

/** A figure while nothing was wrong with the servers, and one while something was. */
class Pair {
  calm = 0;
  disturbed = 0;
  add(amount: number, disturbed: boolean): void {
    if (disturbed) this.disturbed += amount;
    else this.calm += amount;
  }
}

export class Figures {
  sessions_ms = 0;
  wrong_ms = new Pair();
  wrongs = new Pair();
  wrongBy: Record<string, number> = {};
  /** Detections that should have come, and did not. */
  missing = new Pair();
  /** Said to be there again though gone, after offline had been said. */
  flashes = new Pair();
  /** There, and gone again before it was ever said. */
  unsaid = new Pair();
  readonly detection: Record<Gone, Spread> = {
    clean: new Spread(),
    silent: new Spread(),
    gateway: new Spread(),
    ttl: new Spread(),
  };
  readonly detectionDisturbed = new Spread();
  readonly freshness = new Spread();
  readonly freshnessDisturbed = new Spread();

  sessions(ms: number): void {
    this.sessions_ms += ms;
  }
  wrong(cause: Cause, disturbed: boolean): void {
    this.wrongs.add(1, disturbed);
    if (!disturbed) this.wrongBy[cause] = (this.wrongBy[cause] ?? 0) + 1;
  }
  wrongFor(ms: number, disturbed: boolean): void {
    this.wrong_ms.add(ms, disturbed);
  }
  fresh(ms: number, disturbed: boolean): void {
    (disturbed ? this.freshnessDisturbed : this.freshness).add(ms);
  }
  flashed(disturbed: boolean): void {
    this.flashes.add(1, disturbed);
  }
  neverSaid(_ms: number, disturbed: boolean): void {
    this.unsaid.add(1, disturbed);
  }
  detected(why: Gone, ms: number, disturbed: boolean): void {
    (disturbed ? this.detectionDisturbed : this.detection[why]).add(ms);
  }
  missed(_why: Gone, disturbed: boolean): void {
    this.missing.add(1, disturbed);
  }
}
