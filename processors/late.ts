/**
 * What waited in its gateway: the log was out, the gateway was cut off from it or stood still.
 *
 * Its stamp says when it was written, not when it was said; the gateway adds for how long it held it (`held_ms`, a duration:
 * nobody's clock is trusted). Stamp less that is its **moment**, the latest at which it can have been said.
 *
 * Moments are compared only where something waited for longer than a healthy system lets it (`WAITED_MS`), and with as much of a
 * margin, since how long a record was on its way to the log is known to nobody. While the lease clock settles after a hole that
 * may have been as long as the hole: nothing is compared, and no word's moment is kept. Neither is it across a leap of the clock.
 */
import type { Signal } from '../schemas/generated.ts';
import type { Clocks } from './clock.ts';
import type { Device } from './record.ts';

const WAITED_MS = 500;

/** What was accepted of a device was its last word. */
export function spoke({ stamp, settle }: Clocks, signal: Signal, device: Device): void {
  if (settle === 0) device.spoke_at = stamp - signal.held_ms;
}

/** Whether this waited, and was said before the device's last word. */
export function isLate({ stamp, settle }: Clocks, signal: Signal, { spoke_at }: Device): boolean {
  if (signal.held_ms <= WAITED_MS || settle > 0 || spoke_at > stamp) return false;
  return stamp - signal.held_ms + WAITED_MS < spoke_at;
}
