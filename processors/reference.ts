/**
 * The rules of presence once more, as plainly as they can be said: one event at a time, one millisecond at a
 * time, every user looked at whenever something happened. Slow on purpose, and it shares nothing with the stages but the
 * words of the schemas. The laws (topology/kit/laws.ts) ask that both say the same.
 *
 * Written from contract.md, "Rules of presence", and ARCHITECTURE.md, "The rules in detail".
 */
import type { Cause, Signal } from '../schemas/generated.ts';
import { GRACE, MEMORY, type RefDevice, ReferenceTime, type RefUser, WAITED } from './reference-time.ts';

export class Reference extends ReferenceTime {
  feed(stamp: number, offset: number, signal: Signal): void {
    this.offset = offset;
    this.moveTo(stamp);
    if (!this.repeatedOrdinal(signal)) this.apply(signal);
    this.lookAhead();
  }

  // ---- signals

  private repeatedOrdinal(signal: Signal): boolean {
    if (signal.gateway_id === '') return false;
    let gateway = this.gateways.get(signal.gateway_id);
    if (gateway === undefined) {
      gateway = { dead: false, stamp: 0, lease: 0, ordinal: 0 };
      this.gateways.set(signal.gateway_id, gateway);
    }
    const marker = signal.kind === 'marker';
    if (marker ? signal.ordinal < gateway.ordinal : signal.ordinal > 0 && signal.ordinal <= gateway.ordinal) {
      this.repeated += 1;
      return true;
    }
    if (signal.ordinal > gateway.ordinal) {
      this.missing += signal.ordinal - gateway.ordinal - (marker ? 0 : 1);
      gateway.ordinal = signal.ordinal;
    }
    const wasDead = gateway.dead;
    Object.assign(gateway, { dead: false, stamp: this.stamp, lease: this.lease });
    if (!wasDead) return false;
    for (const { user, devices } of this.heldBy(signal.gateway_id)) {
      for (const device of devices) device.forget = null;
      this.look(user, 'signal', this.best(devices)?.id ?? null);
    }
    return false;
  }

  private apply(signal: Signal): void {
    if (signal.kind === 'hello' || signal.kind === 'heartbeat') this.speak(signal);
    else if (signal.kind === 'goodbye' || signal.kind === 'silence') this.leave(signal);
    else if (signal.kind === 'override_set') this.setOverride(signal);
    else if (signal.kind === 'override_cleared') {
      const user = this.users.get(signal.user_id);
      const wanted = signal.override_id === null || signal.override_id === user?.override?.id;
      if (user !== undefined && user.override !== null && wanted) this.endOverride(user, 'override_cleared');
    } else if (signal.kind === 'marker' && signal.restated_from !== null) this.voidHolds(signal.gateway_id, signal.restated_from);
    else if (signal.kind === 'cut') this.epoch = Math.max(this.epoch, signal.epoch ?? 0);
  }

  private speak(signal: Signal): void {
    const { device_id, session_id, connection_id } = signal as Signal & { device_id: string; session_id: string };
    const user = this.users.get(signal.user_id) ?? this.newUser(signal.user_id);
    const known = user.devices.find((one) => one.id === device_id);
    const seq = signal.kind === 'heartbeat' ? signal.seq : null;
    if (known !== undefined) {
      const later = known.session !== session_id;
      if (later && known.old.some((one) => one.session === session_id && one.until > this.lease)) return;
      if (known.spoke <= this.stamp && this.stamp - signal.held_ms + WAITED < known.spoke) {
        if (later) {
          this.remember(known, session_id);
          return;
        }
        if (connection_id !== null && connection_id !== (known.holder?.connection ?? null)) return;
      }
      const holder = known.holder === null ? undefined : this.gateways.get(known.holder.gateway);
      const another =
        connection_id !== null && holder !== undefined && !holder.dead && known.holder?.connection !== connection_id;
      if (another && signal.kind === 'hello' && signal.restated) return;
      if (another && signal.kind === 'heartbeat' && !later) return;
      if (!later && seq !== null && seq <= known.seq) return;
    }
    const device = known ?? this.newDevice(user, device_id, session_id);
    const lived = this.alive(device);
    if (device.session !== session_id) {
      device.old = device.old.filter((one) => one.session !== session_id);
      this.remember(device, device.session);
      device.session = session_id;
      device.seq = -1;
      device.holder = null;
      device.ttl = null;
      if (!lived) Object.assign(device, { state: 'online', source: 'inferred' });
    }
    if (seq !== null) device.seq = seq;
    if (this.settle === 0 || signal.held_ms > WAITED) device.spoke = this.stamp - signal.held_ms;
    if (signal.state === 'offline') {
      this.goodbye(user, device, lived);
      return;
    }
    if (signal.state !== null) Object.assign(device, { state: signal.state, source: signal.source ?? 'app' });
    else if (signal.source !== null) device.source = signal.source;
    device.grace = null;
    device.silence = null;
    device.forget = null;
    if (connection_id === null) device.ttl = this.lease + (signal.ttl_ms ?? 0);
    else if (signal.kind === 'hello' || device.holder?.connection !== connection_id) {
      device.holder = { connection: connection_id, gateway: signal.gateway_id, ordinal: signal.ordinal };
    }
    device.seen = this.stamp;
    this.seen(user);
    this.look(user, 'signal', device.id);
  }

  private goodbye(user: RefUser, device: RefDevice, lived: boolean): void {
    device.holder = null;
    device.ttl = null;
    device.silence = null;
    if (lived && device.grace === null) {
      device.grace = this.lease + GRACE;
      device.seen = this.stamp;
      this.seen(user);
    }
    this.maybeForget(device);
    this.look(user, 'goodbye', device.id);
  }

  private leave(signal: Signal): void {
    const user = this.users.get(signal.user_id);
    const device = user?.devices.find((one) => one.id === signal.device_id);
    if (user === undefined || device === undefined || device.holder === null || device.holder.connection !== signal.connection_id)
      return;
    if (signal.session_id !== null && signal.session_id !== device.session) return;
    if (signal.kind === 'goodbye') {
      this.goodbye(user, device, this.alive(device));
      return;
    }
    device.holder = null;
    const last = this.stamp - signal.held_ms - (signal.silent_ms ?? 0);
    device.seen = Math.max(device.seen, last);
    this.seenLate(user, last);
    // While the lease clock stands still after a hole, it says nothing yet.
    if (this.settle > 0) device.silence = this.lease + 1;
    this.maybeForget(device);
    this.look(user, 'silence', device.id);
  }

  private remember(device: RefDevice, session: string): void {
    const others = device.old.filter((one) => one.session !== session && one.until > this.lease);
    device.old = [...others, { session, until: this.lease + MEMORY }].slice(-8);
  }

  private setOverride(signal: Signal): void {
    const user = this.users.get(signal.user_id) ?? this.newUser(signal.user_id);
    const until = signal.until ?? (signal.ttl_s === null ? null : this.stamp + Math.round(signal.ttl_s * 1_000));
    if (until !== null && until <= this.stamp) {
      if (user.override !== null) this.endOverride(user, 'override_cleared');
      return;
    }
    const before = user.override;
    user.override = { id: signal.override_id ?? '', state: signal.state ?? 'dnd', until };
    const was = before?.state === 'invisible';
    const is = signal.state === 'invisible';
    if (is && !was) {
      // Others see every living device say goodbye, and the override cleared that this one replaces.
      user.ghosts = [];
      for (const device of user.devices.filter((one) => this.alive(one))) {
        const leaving = device.grace !== null;
        user.ghosts.push({ id: device.id, state: device.state, source: device.source, end: device.grace ?? this.lease + GRACE });
        if (!leaving) user.othersSeen = this.stamp;
      }
      this.look(user, 'override', null, before === null ? 'goodbye' : 'override_cleared');
    } else {
      if (was && !is) this.reappear(user);
      this.look(user, 'override', null);
    }
  }

  protected endOverride(user: RefUser, cause: Cause): void {
    const was = user.override?.state === 'invisible';
    user.override = null;
    if (!was) {
      this.look(user, cause, null);
      return;
    }
    const best = this.reappear(user);
    this.look(user, cause, null, best === null ? 'goodbye' : 'signal', best?.id ?? null);
  }

  private reappear(user: RefUser): RefDevice | null {
    user.ghosts = null;
    const best = this.best(user.devices.filter((one) => this.alive(one)));
    if (best !== null) user.othersSeen = this.stamp;
    return best;
  }

  private voidHolds(gateway: string, from: number): void {
    for (const { user, devices } of this.heldBy(gateway)) {
      const old = devices.filter((one) => (one.holder?.ordinal ?? 0) < from);
      for (const device of old) {
        device.holder = null;
        this.maybeForget(device);
      }
      if (old.length > 0) this.look(user, 'silence', this.best(old)?.id ?? null);
    }
  }
}
