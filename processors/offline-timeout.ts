/**
 * offlineTimeout: who lives, and so what the user and the others see.
 *
 * State: of each device its holder (a connection and its gateway), its ttl, the grace after a goodbye, the wait after a
 * silence, and when it is forgotten; of each gateway its lease; and the ghosts: an invisible user's devices as others see them.
 *
 * A device **counts** while a connection holds it whose gateway lives, or its ttl runs, or its grace does, or its silence waits.
 *
 * | What | Ends | Begins |
 * | --- | --- | --- |
 * | hello, heartbeat of a connection | grace, silence, forgetting; the hold of another connection | the hold |
 * | heartbeat over HTTP | grace, silence, forgetting | the ttl, anew |
 * | a later session | the old hold and ttl | |
 * | goodbye, `offline` | hold, ttl | grace, if it counted and is in none; then forgetting |
 * | silence | the hold | forgetting, if nothing else makes it count; while the lease clock settles, a wait until it moves on |
 * | a gateway silent for `lease` | (its holds stop counting) | forgetting; one record of it brings all of them back |
 * | invisible | for others: every device that counts becomes a ghost in grace, and nothing else is seen | |
 *
 * Everything is on the lease clock, which does not run while nobody could write; what falls due bears its deadline.
 *
 * **Delivery and replay.** Pure. Deadlines are in the records; the timers over them are rebuilt on restore. A gateway that
 * is asked to restate may be asked once more after a restart, which is harmless.
 */
import type { Signal } from '../schemas/generated.ts';
import { addHolding } from '../schemas/holdings.ts';
import type { UserOutline } from '../schemas/user-outline.ts';
import { Gateway } from './gateway.ts';
import type { Happening, Lived, Ranked } from './happening.ts';
import { type Device, Ghost, type User } from './record.ts';
import type { Scope } from './scope.ts';
import { aName, aTime, faultsOf, optional, type Settings } from './settings.ts';
import { type BoundStage, defineStage, type Stage, type StageLogic } from './stage.ts';
import type { Millis } from './time.ts';
import { bestDevice, view } from './views.ts';

export interface OfflineTimeoutOptions {
  /** A gateway is dead when its last record is this long ago. */
  readonly lease: Millis;
  /** After a goodbye a device counts for so long. */
  readonly grace: Millis;
  /** A device is forgotten so long after it last counted. */
  readonly forget: Millis;
  /** A dead gateway is forgotten so much later, if it holds nothing. Default 1 h. */
  readonly forgetGateway?: Millis;
  /** A gateway whose marker shows a wrong picture is asked to restate at most this often (stamps). Default 5 s. */
  readonly restate?: Millis;
  readonly store: string;
}

const settings: Settings<OfflineTimeoutOptions> = {
  lease: aTime,
  grace: aTime,
  forget: aTime,
  forgetGateway: optional(aTime),
  restate: optional(aTime),
  store: aName,
};

export function offlineTimeout(name: string, options: OfflineTimeoutOptions): Stage<Ranked, Lived> {
  const all = { forgetGateway: 3_600_000, restate: 5_000, ...options };
  const { lease, grace, forget, forgetGateway, restate, store } = all;
  return defineStage<Ranked, Lived>(
    {
      kind: 'offlineTimeout',
      name,
      config: { lease_ms: lease, grace_ms: grace, forget_ms: forget, forget_gateway_ms: forgetGateway, restate_ms: restate },
      stores: [{ name: store, part: 'life' }],
      timers: [
        { name: `${name}.lease`, after_ms: lease, clock: 'lease' },
        { name: `${name}.ttl`, after_ms: null, clock: 'lease' },
        { name: `${name}.grace`, after_ms: grace, clock: 'lease' },
        { name: `${name}.forget`, after_ms: forget, clock: 'lease' },
      ],
      ...faultsOf('offlineTimeout', options, settings),
    },
    (scope, next) => new OfflineTimeout(scope, all, next),
  );
}

class OfflineTimeout implements BoundStage<Ranked> {
  private readonly scope: Scope;
  private readonly options: Required<OfflineTimeoutOptions>;
  private readonly next: StageLogic<Lived>;

  constructor(scope: Scope, options: Required<OfflineTimeoutOptions>, next: StageLogic<Lived>) {
    this.scope = scope;
    this.options = options;
    this.next = next;
  }

  readonly entries = (): number => this.scope.devices + this.scope.gateways.size;

  readonly on = (ranked: Ranked): void => {
    const happening = ranked as Happening; // see dedupe.ts
    switch (happening.kind) {
      case 'signal':
        this.hear(happening, happening.signal as Signal);
        return;
      case 'gateway_heard':
        this.renew(happening, happening.gateway as Gateway);
        return;
      case 'gateway_due':
        this.expire(happening, happening.gateway as Gateway);
        return;
      case 'device_due':
        this.deviceDue(happening, happening.device as Device);
        break;
      case 'ghost_due':
        this.ghostDue(happening, happening.ghost as Ghost);
        break;
      case 'override_due':
        this.overridden(happening, happening.user as User);
        break;
      default: // repeat, beat_due, cut: nothing lives or dies
        this.next(happening);
        return;
    }
    this.handOn(happening, happening.user as User);
  };

  counted(outline: UserOutline, lease: number): void {
    this.scope.devices += outline.devices;
    for (let i = 0; i < outline.held; i += 1)
      addHolding(this.holder(outline.gateways[i] as string, lease).holdings, outline.hashes[i] as number);
  }

  loaded(user: User, lease: number): void {
    for (const device of user.devices) {
      if (device.gateway_id !== null && device.connection_id !== null) device.link(this.holder(device.gateway_id, lease));
      this.scope.leaseTimers.arm(device);
    }
    for (const ghost of user.ghosts ?? []) this.scope.leaseTimers.arm(ghost);
  }

  gatewayLoaded(gateway: Gateway): void {
    gateway.due = gateway.lease + this.options.lease + (gateway.dead ? this.options.forgetGateway : 0);
    this.scope.leaseTimers.arm(gateway);
  }

  /** One that the partition record does not know is as good as dead. */
  private holder(gatewayId: string, lease: number): Gateway {
    const known = this.scope.gateways.get(gatewayId);
    if (known !== undefined) return known;
    const gateway = new Gateway(gatewayId);
    gateway.dead = true;
    gateway.lease = lease - this.options.lease;
    this.scope.gateways.set(gatewayId, gateway);
    this.gatewayLoaded(gateway);
    return gateway;
  }

  /** Works out both views and hands the happening on. */
  private handOn(happening: Happening, user: User): void {
    happening.user = user;
    view(happening, user);
    this.next(happening);
  }

  private hear(happening: Happening, signal: Signal): void {
    const { user, device } = happening;
    if (user === null) {
      if (signal.kind === 'marker') this.marker(happening, signal);
      this.next(happening);
      return;
    }
    happening.trace = happening.traceparent;
    if (device === null) this.overridden(happening, user);
    else {
      happening.cause = happening.publicCause = 'signal';
      happening.decidedBy = happening.publicDecidedBy = device.device_id;
      if (signal.kind === 'goodbye') this.goodbye(happening, device, device.counts);
      else if (signal.kind === 'silence') this.silence(happening, signal, device);
      else this.speak(happening, signal, device);
      this.scope.leaseTimers.arm(device);
    }
    // After a beat everyone is what they were.
    if (happening.onlyBeat) this.next(happening);
    else this.handOn(happening, user);
  }

  /** hello and heartbeat. */
  private speak(happening: Happening, signal: Signal, device: Device): void {
    const counted = device.counts;
    let onlyBeat = happening.session === 'same' && happening.said === 'same' && counted && !device.leaving;
    if (happening.session === 'later') {
      this.release(device, signal.connection_id);
      device.ttl_lease = null;
    }
    if (happening.said === 'offline') {
      this.goodbye(happening, device, counted);
      return;
    }
    device.grace_lease = device.silence_lease = device.trace = device.forget_lease = null;
    if (signal.connection_id === null) device.ttl_lease = happening.lease + (signal.ttl_ms ?? 0);
    else if (happening.gateway !== null && (signal.kind === 'hello' || device.connection_id !== signal.connection_id)) {
      this.release(device, signal.connection_id);
      device.hold(happening.gateway, signal.connection_id, signal.ordinal);
      onlyBeat = false;
    }
    device.last_seen = happening.stamp;
    device.user.seen(happening.stamp);
    this.settle(device, happening.lease);
    happening.onlyBeat = onlyBeat;
  }

  /** A device that does not count is forgotten in due time. */
  private settle(device: Device, lease: number): void {
    if (device.counts || device.forget_lease !== null) return;
    device.forget_lease = lease + this.options.forget;
    this.scope.leaseTimers.arm(device);
  }

  /** Ends the hold; a holder that is not the one who speaks, and whose gateway lives, is told. */
  private release(device: Device, speaker: string | null): void {
    const { gateway, connection_id, user, device_id } = device;
    if (gateway === null || connection_id === null) return;
    if (!gateway.dead && connection_id !== speaker)
      this.scope.tellLost(gateway.gateway_id, user.user_id, device_id, connection_id);
    device.release();
  }

  private goodbye(happening: Happening, device: Device, counted: boolean): void {
    const speaker = (happening.signal as Signal).connection_id;
    this.release(device, speaker);
    device.ttl_lease = device.silence_lease = null;
    if (counted && device.grace_lease === null) {
      device.grace_lease = happening.lease + this.options.grace;
      device.trace = happening.traceparent;
      device.last_seen = happening.stamp;
      device.user.seen(happening.stamp);
    }
    this.settle(device, happening.lease);
    happening.cause = happening.publicCause = 'goodbye';
  }

  private silence(happening: Happening, signal: Signal, device: Device): void {
    const lastBeat = happening.stamp - signal.held_ms - (signal.silent_ms ?? 0);
    if (lastBeat > device.last_seen) device.last_seen = lastBeat;
    device.user.seenLate(lastBeat);
    device.release();
    // The hello of wherever the device went may come later only because all waited for the log.
    if (happening.settle > 0) {
      device.silence_lease = happening.lease + 1;
      device.trace = happening.traceparent;
    }
    this.settle(device, happening.lease);
    happening.cause = happening.publicCause = 'silence';
  }

  private deviceDue(happening: Happening, device: Device): void {
    const { lease } = happening;
    happening.user = device.user;
    happening.decidedBy = happening.publicDecidedBy = device.device_id;
    const isPast = (deadline: number | null): boolean => deadline !== null && deadline <= lease;
    const left = isPast(device.grace_lease) ? 'goodbye' : isPast(device.silence_lease) ? 'silence' : null;
    if (left !== null) {
      happening.cause = happening.publicCause = left;
      happening.trace = device.trace;
      device.grace_lease = device.silence_lease = device.trace = null;
    } else if (isPast(device.ttl_lease)) {
      happening.cause = happening.publicCause = 'ttl';
      device.ttl_lease = null;
    } else if (isPast(device.forget_lease)) {
      device.release();
      device.forget_lease = null;
      device.user.devices = device.user.devices.filter((other) => other !== device);
      this.scope.devices -= 1;
      return;
    }
    this.settle(device, lease);
    this.scope.leaseTimers.arm(device);
  }

  private ghostDue(happening: Happening, ghost: Ghost): void {
    const { user } = ghost;
    happening.user = user;
    user.ghosts?.splice(user.ghosts.indexOf(ghost), 1);
    happening.publicCause = 'goodbye';
    happening.publicDecidedBy = ghost.device_id;
    happening.trace = ghost.trace;
  }

  private overridden(happening: Happening, user: User): void {
    happening.cause =
      happening.override === 'set' ? 'override' : happening.override === 'expired' ? 'override_expired' : 'override_cleared';
    happening.publicCause = happening.cause;
    if (happening.veil === 'drawn') this.draw(happening, user);
    else if (happening.veil === 'lifted') this.lift(happening, user);
  }

  /** The user becomes invisible: others see a goodbye of every device, and a clearing of the override that it replaces. */
  private draw(happening: Happening, user: User): void {
    const end = happening.lease + this.options.grace;
    const ghosts: Ghost[] = [];
    for (const device of user.devices) {
      if (!device.counts) continue;
      const leaving = device.grace_lease !== null && device.grace_lease <= end;
      const ghost = new Ghost(user, {
        device_id: device.device_id,
        state: device.state,
        source: device.source,
        grace_lease: leaving ? (device.grace_lease ?? end) : end,
        trace: leaving ? device.trace : happening.traceparent,
      });
      ghost.rank = device.rank;
      ghosts.push(ghost);
      this.scope.leaseTimers.arm(ghost);
      if (!leaving) user.publicLastSeen = happening.stamp;
    }
    user.ghosts = ghosts;
    happening.publicCause = happening.replaces ? 'override_cleared' : 'goodbye';
  }

  /** No longer invisible: for others a hello of every device that counts. Where none does, the goodbye's grace ends early. */
  private lift(happening: Happening, user: User): void {
    for (const ghost of user.ghosts ?? []) this.scope.leaseTimers.remove(ghost);
    user.ghosts = null;
    const best = bestDevice(user);
    if (best !== null) user.publicLastSeen = happening.stamp;
    if (happening.override === 'set') return;
    happening.publicCause = best === null ? 'goodbye' : 'signal';
    happening.publicDecidedBy = best?.device_id ?? null;
  }

  /** A record of the gateway: it lives, and so does all that it holds. */
  private renew(happening: Happening, gateway: Gateway): void {
    gateway.stamp = happening.stamp;
    gateway.lease = happening.lease;
    gateway.due = happening.lease + this.options.lease;
    const back = gateway.dead;
    gateway.dead = false;
    this.scope.leaseTimers.arm(gateway);
    if (!back) return;
    happening.cause = happening.publicCause = 'signal';
    happening.trace = happening.traceparent;
    this.eachHolding(gateway, happening, (device) => {
      device.forget_lease = null;
      return true;
    });
  }

  private expire(happening: Happening, gateway: Gateway): void {
    const { scope, options } = this;
    if (gateway.dead) {
      if (gateway.holdings.devices === 0) scope.gateways.delete(gateway.gateway_id);
      else {
        gateway.due = happening.lease + options.forgetGateway;
        scope.leaseTimers.arm(gateway);
      }
      return;
    }
    gateway.dead = true;
    gateway.due = happening.lease + options.forgetGateway;
    scope.leaseTimers.arm(gateway);
    happening.cause = happening.publicCause = 'gateway_lost';
    this.eachHolding(gateway, happening, (device) => {
      if (gateway.stamp > device.last_seen) device.last_seen = gateway.stamp;
      device.user.seenLate(gateway.stamp);
      this.settle(device, happening.lease);
      return true;
    });
  }

  private marker(happening: Happening, signal: Signal): void {
    const { gateway, stamp } = happening;
    if (gateway === null) return;
    const from = signal.restated_from;
    if (from !== null) {
      happening.cause = happening.publicCause = 'silence';
      this.eachHolding(gateway, happening, (device) => {
        if (device.hold_ordinal >= from) return false;
        device.release();
        this.settle(device, happening.lease);
        return true;
      });
    }
    if (signal.devices === null || (signal.devices === gateway.holdings.devices && signal.devices_hash === gateway.holdings.hash))
      return;
    const asked = gateway.restateAsked;
    if (asked !== null && stamp >= asked && stamp < asked + this.options.restate) return;
    gateway.restateAsked = stamp;
    this.scope.tellRestate(gateway.gateway_id);
  }

  /** All users with a device that this gateway holds: scans, since gateways die rarely. Hands each on that changed. */
  private eachHolding(gateway: Gateway, happening: Happening, change: (device: Device) => boolean): void {
    if (gateway.holdings.devices === 0) return;
    this.scope.users.bringHeldBy(gateway.gateway_id);
    for (const user of this.scope.users.values()) {
      let by: Device | null = null;
      for (const device of user.devices) {
        if (device.gateway === gateway && change(device) && (by === null || device.rank > by.rank)) by = device;
      }
      if (by === null) continue;
      happening.decidedBy = happening.publicDecidedBy = by.device_id;
      this.handOn(happening, user);
    }
    happening.user = null;
  }
}
