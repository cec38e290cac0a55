/**
 * Touches what the next signals will need, so that it is at hand when they are processed.
 *
 * **Model.** A user, their devices and their ids lie anywhere in memory. Found one after the other, each is a wait for main
 * memory, half a dozen a signal: half of what a signal costs. Here they are touched in rounds, for `LOOK_AHEAD` signals at once:
 * in a round no step needs the one before, so the processor waits for several at a time. More signals would push each other
 * out of its caches again.
 *
 * **Delivery and replay.** Nothing is changed, and nothing found here is used: whoever is not in memory yet, or is made or
 * forgotten meanwhile, is found as ever.
 */
import type { Signal } from '../schemas/generated.ts';
import type { User } from './record.ts';
import type { Input } from './stage.ts';
import type { Users } from './users.ts';

/** Signals. */
export const LOOK_AHEAD = 64;

export class LookAhead {
  private readonly users: Users;
  private readonly found: User[] = [];
  /** Depends on all that was touched: what nothing depends on would not be read. */
  touched = 0;

  constructor(users: Users) {
    this.users = users;
  }

  /** The records from this one on. */
  touch(records: readonly Input<Signal>[], from: number): void {
    const { found, users } = this;
    const to = Math.min(records.length, from + LOOK_AHEAD);
    let count = 0;
    for (let i = from; i < to; i += 1) {
      const user = users.inMemory((records[i] as Input<Signal>).value.user_id);
      if (user === null) continue;
      found[count] = user;
      count += 1;
    }
    let sum = 0;
    for (let i = 0; i < count; i += 1) sum += (found[i] as User).devices.length;
    for (let i = 0; i < count; i += 1) for (const device of (found[i] as User).devices) sum += device.seq;
    for (let i = 0; i < count; i += 1) {
      for (const { device_id, session_id } of (found[i] as User).devices)
        sum += device_id.charCodeAt(0) + session_id.charCodeAt(0);
    }
    this.touched = sum;
  }
}
