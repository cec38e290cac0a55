/**
 * A restore's tail: beats that the records do not hold yet, read again from the log.
 *
 * Everything else of this stretch is in the records, so nothing is decided here: no timer, cut, lease or ordinal is judged.
 * What follows the input offset that a user's record bears can only have been beats, repeats and signals in vain,
 * and those are told apart by session, seq and holder. (A repeat that only its ordinal shows makes its user's
 * record be written, see dedupe.ts.)
 */
import type { Signal } from '../schemas/generated.ts';
import type { Clocks } from './clock.ts';
import { spoke } from './late.ts';
import type { Scope } from './scope.ts';

export function applyBeat(scope: Scope, signal: Signal, offset: number, clocks: Clocks): void {
  if (signal.kind !== 'heartbeat' || signal.state === 'offline') return;
  const seq = signal[scope.fields.by];
  const user = scope.users.find(signal.user_id);
  if (user === null || user.offset > offset) return;
  const device = user.device(signal.device_id);
  if (device === null || seq === null || seq <= device.seq || device.session_id !== signal[scope.fields.within]) return;
  if (signal.connection_id !== null && signal.connection_id !== device.connection_id) return;
  device.seq = seq;
  device.last_seen = clocks.stamp;
  spoke(clocks, signal, device);
  user.seen(clocks.stamp);
  if (signal.connection_id === null) {
    device.ttl_lease = clocks.lease + (signal.ttl_ms ?? 0);
    scope.leaseTimers.arm(device);
  }
  scope.beats.add(user, offset, clocks);
}
