/** What a world measures; worlds add up. Times in ms. */
import type { Cause } from '../schemas/generated.ts';

/** Why a device is gone: said goodbye or closed cleanly; fell silent; its gateway did; its background beats ended. */
export const goneReasons = ['clean', 'silent', 'gateway', 'ttl'] as const;
export type Gone = (typeof goneReasons)[number];

/** A histogram of 10 ms buckets: it adds up over worlds, and forgets nothing that a percentile needs. */
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
      if (left <= 0) return Math.min(bucket, this.max);
    }
    return null;
  }

  toJSON() {
    return { buckets: [...this.buckets], count: this.count, max: this.max };
  }
}

/** By the reason for being gone. */
export type Detection = Readonly<Record<Gone, Spread>>;
const detection = (): Detection => ({ clean: new Spread(), silent: new Spread(), gateway: new Spread(), ttl: new Spread() });

/** A figure while nothing was wrong with the servers, and one while something was. */
class Pair {
  calm = 0;
  disturbed = 0;
  add(amount: number, disturbed: boolean): void {
    if (disturbed) this.disturbed += amount;
    else this.calm += amount;
  }
}

/** Of those whose path loses so many segments (of several devices, the worst path counts), with the servers well. */
export class LossFigures {
  sessions_ms = 0;
  wrong_ms = 0;
  wrongs = 0;
  readonly detection = detection();
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
  /** With the servers well. */
  readonly detection = detection();
  readonly detectionDisturbed = detection();
  readonly freshness = new Spread();
  readonly freshnessDisturbed = new Spread();
  /** By the share of segments lost each way. */
  readonly byLoss = new Map<number, LossFigures>();

  ofLoss(loss: number): LossFigures {
    let figures = this.byLoss.get(loss);
    if (figures === undefined) {
      figures = new LossFigures();
      this.byLoss.set(loss, figures);
    }
    return figures;
  }

  sessions(ms: number, loss: number): void {
    this.sessions_ms += ms;
    this.ofLoss(loss).sessions_ms += ms;
  }
  wrong(cause: Cause, disturbed: boolean, loss: number): void {
    this.wrongs.add(1, disturbed);
    if (disturbed) return;
    this.wrongBy[cause] = (this.wrongBy[cause] ?? 0) + 1;
    this.ofLoss(loss).wrongs += 1;
  }
  wrongFor(ms: number, disturbed: boolean, loss: number): void {
    this.wrong_ms.add(ms, disturbed);
    if (!disturbed) this.ofLoss(loss).wrong_ms += ms;
  }
  fresh(ms: number, disturbed: boolean): void {
    (disturbed ? this.freshnessDisturbed : this.freshness).add(ms);
  }
  flashed(disturbed: boolean): void {
    this.flashes.add(1, disturbed);
  }
  neverSaid(disturbed: boolean): void {
    this.unsaid.add(1, disturbed);
  }
  detected(why: Gone, ms: number, disturbed: boolean, loss: number): void {
    (disturbed ? this.detectionDisturbed : this.detection)[why].add(ms);
    if (!disturbed) this.ofLoss(loss).detection[why].add(ms);
  }
  missed(disturbed: boolean): void {
    this.missing.add(1, disturbed);
  }
}
