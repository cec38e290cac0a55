/**
 * A partition's two clocks (architecture: "Time is in the log").
 *
 * **stamp**, the partition's time, is the highest broker's stamp consumed; a stamp far below it is a leap
 * back, and time goes on from there. **lease** is the sum of time's forward steps: leases, ttls and graces
 * run on it. A long step is a hole, in which nobody may have been able to write: it counts for nothing on the
 * lease clock, and neither does what comes right after it (writers come back one after the other).
 *
 * One rule does both: `settle` is how much of the coming steps the lease clock leaves out. A hole of d sets it to
 * d + what settles, so that the hole itself is left out and the settling after it. Steps then add up:
 * however a step is divided, both clocks end at the same. That is why a partition record may be written in the
 * middle of a step (at a cut), and a restore from there judges the rest of the step as the whole.
 */
import type { Millis } from './time.ts';

export interface ClockOptions {
  /** A step longer than this is a hole. */
  readonly hole: Millis;
  /** After a hole, this much more of time is left out of the lease clock. */
  readonly settle: Millis;
  /** A stamp further below time than this is a leap back. */
  readonly leap: Millis;
}

/** The clocks as a record keeps them. */
export interface Clocks {
  readonly stamp: number;
  readonly lease: number;
  readonly settle: number;
}

/** What a record's stamp does to time. `still`: nothing; `first`: the first record of all. */
export type Arrival = 'still' | 'first' | 'step' | 'hole' | 'leap';

export class PartitionClock implements Clocks {
  stamp = 0;
  lease = 0;
  settle = 0;
  /** null: stamps are some foreign clock's; both clocks are the highest stamp so far. */
  private readonly options: ClockOptions | null;

  constructor(options: ClockOptions | null) {
    this.options = options;
  }

  set(clocks: Clocks): void {
    this.stamp = clocks.stamp;
    this.lease = clocks.lease;
    this.settle = clocks.settle;
  }

  /**
   * Judges a record's stamp before time moves to it. After `step` and `hole` the caller moves by `to`, after
   * `first` and `leap` by `jump`.
   */
  arrive(stamp: number): Arrival {
    const step = stamp - this.stamp;
    if (this.stamp === 0) return 'first';
    if (this.options === null) return step > 0 ? 'step' : 'still';
    if (step < -this.options.leap) return 'leap';
    if (step <= 0) return 'still';
    if (step <= this.options.hole) return 'step';
    this.settle = step + this.options.settle;
    return 'hole';
  }

  /** Moves time on to `stamp`, not below the present one. */
  to(stamp: number): void {
    const step = stamp - this.stamp;
    const left = Math.min(step, this.settle);
    this.stamp = stamp;
    this.settle -= left;
    this.lease += step - left;
  }

  /** What the lease clock will say at `stamp`, if nothing but steps comes. */
  leaseAt(stamp: number): number {
    const step = stamp - this.stamp;
    return this.lease + step - Math.min(step, this.settle);
  }

  /** Time goes on from `stamp`; the lease clock has not moved. */
  jump(stamp: number): void {
    this.stamp = stamp;
    if (this.options === null) this.lease = stamp;
  }

  /** A record's whole effect on the clocks, with nothing in between: for a restore's tail. */
  pass(stamp: number): void {
    const arrival = this.arrive(stamp);
    if (arrival === 'step' || arrival === 'hole') this.to(stamp);
    else if (arrival !== 'still') this.jump(stamp);
  }

  /** The stamp at which the lease clock reaches `deadline`, if nothing but steps comes. */
  stampOf(deadline: number): number {
    return this.stamp + this.settle + (deadline - this.lease);
  }
}
