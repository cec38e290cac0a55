/**
 * What waited in its gateway: the log was out, or the gateway was cut off from it, or stood still.
 *
 * A stamp says when something was written, not when it was said; the gateway adds for how long it held it (`held_ms`, a duration:
 * nobody's clock is trusted). Stamp less that is its **moment**, the latest at which it can have been said: how long it was on
 * its way to the log besides, nobody knows.
 *
 * So the device's last word has a moment only where that way was short: outside of a hole and what settles after it, or where
 * it waited itself (it went off when the log answered again). And a word is late only if it waited for longer than it
 * does in a healthy system, and is older by as much. What is fresh is never late: where nothing waits, nothing changes. After a
 * leap back of the clock nothing is late until the device has spoken again.
 */
import type { Signal } from '../schemas/generated.ts';
import type { Clocks } from './clock.ts';
import type { Device } from './record.ts';

const WAITED_MS = 250;

/** What was accepted of a device is its last word. */
export function spoke({ stamp, settle }: Clocks, { held_ms }: Signal, device: Device): void {
  if (settle === 0 || held_ms > WAITED_MS) device.spoke_at = stamp - held_ms;
}

/** Whether this waited, and was said before the device's last word. */
export function isLate({ stamp }: Clocks, { held_ms }: Signal, { spoke_at }: Device): boolean {
  return spoke_at <= stamp && stamp - held_ms + WAITED_MS < spoke_at;
}
