/**
 * The broker's clock as its acknowledgements show it.
 *
 * A record sent at local time `sent`, acknowledged at `acked` and stamped `T` was appended at some local
 * moment in between, while the broker's clock stood in [T, T + 1). So the difference between the clocks
 * (broker minus local) lies in (T - acked, T + 1 - sent). Every acknowledgement gives such an interval; the
 * truth lies in all of them, so their intersection is kept, widened with age by what two clocks may drift
 * apart. An interval that does not meet it means that a clock was set or another broker leads the
 * partition: then the newest one alone holds. A stamp that was read, and that the clock cannot have reached, means so too:
 * then nothing is known until the next acknowledgement.
 *
 * Local times are monotonic (performance.now), so a wall clock that is set here changes nothing.
 */

/** How far two clocks may drift apart: 200 ppm, four times what a poor quartz does. */
const DRIFT = 200e-6;

export class BrokerClock {
  private low = Number.NEGATIVE_INFINITY;
  private high = Number.POSITIVE_INFINITY;
  private measuredAt = 0;

  /** Takes an acknowledgement into account; times in ms. */
  acknowledged(sent: number, acked: number, stamp: number): void {
    const widening = (acked - this.measuredAt) * DRIFT;
    const low = Math.max(this.low - widening, stamp - acked);
    const high = Math.min(this.high + widening, stamp + 1 - sent);
    const meets = low <= high;
    this.low = meets ? low : stamp - acked;
    this.high = meets ? high : stamp + 1 - sent;
    this.measuredAt = acked;
  }

  /** A record of this stamp has been read. If the clock cannot have reached it, as far as is known, it was set forwards. */
  read(stamp: number, local: number): void {
    if (stamp - local <= this.high + (local - this.measuredAt) * DRIFT) return;
    this.low = Number.NEGATIVE_INFINITY;
    this.high = Number.POSITIVE_INFINITY;
  }

  get known(): boolean {
    return this.high !== Number.POSITIVE_INFINITY;
  }

  /** The local time from which on the broker's clock has surely reached `stamp`; -Infinity while nothing is known. */
  surelyReached(stamp: number, local: number): number {
    return this.known ? stamp - (this.low - (local - this.measuredAt) * DRIFT) : Number.NEGATIVE_INFINITY;
  }

  /** The broker's time at a local time, as best known; null while nothing is. */
  at(local: number): number | null {
    return this.known ? local + (this.low + this.high) / 2 : null;
  }

  /** How far `at` may be off either way, ms. */
  uncertainty(local: number): number {
    return (this.high - this.low) / 2 + (local - this.measuredAt) * DRIFT;
  }
}
