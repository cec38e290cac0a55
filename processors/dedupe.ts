/**
 * dedupe: nothing is heard twice, and nobody is heard who may not speak.
 *
 * State: of each gateway the highest ordinal seen (the loss ledger), of each device its session, the last accepted
 * `seq`, when it last spoke, and the last few sessions that were replaced.
 *
 * A record passes these questions in order; the first no drops it:
 * 1. **Ordinal.** Is it above its gateway's highest? A lower one is a resend (counted as repeated); a gap is a
 *    loss (counted as missing). A marker carries the last ordinal given. What passes is a sign of the gateway's
 *    life, handed on first as `gateway_heard`.
 * 2. **Session.** A session replaced in the last while is dropped; one not seen before replaces the present one.
 * 3. **Age.** What waited in its gateway and is older than the device's last word takes nothing over: a session not seen before
 *    counts as one replaced already, another connection gets no hold (late.ts).
 * 4. **Holder.** A restated hello takes a device only from itself, from no holder or from a dead gateway; a heartbeat
 *    of a connection that does not hold the device in the same session is ignored; goodbye and silence count
 *    only from the holder. Who speaks in vain over a connection is told `lost`.
 * 5. **Seq.** In one session, only what is above the last accepted one.
 *
 * Limit: `devices` a user. Beyond it the one that has been dead for longest makes room; where all live, the
 * newcomer is not heard (counted as ignored).
 *
 * **Delivery and replay.** Pure: what was dropped once is dropped on every replay. A repeat by ordinal makes its
 * user's record be written, since a restore's tail, which knows no ordinals, could take it for a beat.
 */
import type { Signal } from '../schemas/generated.ts';
import { Gateway } from './gateway.ts';
import type { Accepted, Happening, Heard } from './happening.ts';
import { isLate, spoke } from './late.ts';
import { Device, type User } from './record.ts';
import type { Scope } from './scope.ts';
import { aName, aNumber, aTime, faultsOf, group, oneOf, type Settings } from './settings.ts';
import { type BoundStage, defineStage, type FieldOf, type Stage, type StageLogic } from './stage.ts';
import type { Millis } from './time.ts';

export interface DedupeOptions {
  /** Rises within a session; null: the signal carries none. */
  readonly by: FieldOf<Signal, number | null>;
  /** Names the run of a client within which `by` rises. */
  readonly within: FieldOf<Signal, string | null>;
  /** How many replaced sessions are remembered a device, and for how long (lease clock). */
  readonly remember: { readonly sessions: number; readonly for: Millis };
  /** Devices a user, at most. */
  readonly devices: number;
  readonly store: string;
}

const settings: Settings<DedupeOptions> = {
  by: oneOf<DedupeOptions['by']>({
    seq: true,
    ordinal: true,
    received_at: true,
    held_ms: true,
    ttl_ms: true,
    silent_ms: true,
    devices: true,
    devices_hash: true,
    restated_from: true,
    until: true,
    ttl_s: true,
    epoch: true,
  }),
  within: oneOf<DedupeOptions['within']>({
    session_id: true,
    connection_id: true,
    device_id: true,
    user_id: true,
    gateway_id: true,
    kind: true,
    state: true,
    source: true,
    override_id: true,
    reason: true,
    actor: true,
  }),
  remember: group<DedupeOptions['remember']>({ sessions: aNumber, for: aTime }),
  devices: aNumber,
  store: aName,
};

export function dedupe(name: string, options: DedupeOptions): Stage<Heard, Accepted> {
  const { by, within, remember, devices, store } = options;
  return defineStage<Heard, Accepted>(
    {
      kind: 'dedupe',
      name,
      config: { by, within, remember_sessions: remember?.sessions, remember_ms: remember?.for, devices },
      stores: [{ name: store, part: 'sessions' }],
      timers: [],
      ...faultsOf('dedupe', options, settings),
    },
    (scope, next) => {
      scope.fields.by = by;
      scope.fields.within = within;
      return new Dedupe(scope, options, next);
    },
  );
}

class Dedupe implements BoundStage<Heard> {
  private readonly scope: Scope;
  private readonly options: DedupeOptions;
  private readonly next: StageLogic<Accepted>;

  constructor(scope: Scope, options: DedupeOptions, next: StageLogic<Accepted>) {
    this.scope = scope;
    this.options = options;
    this.next = next;
  }

  // Each stage fills in the one happening of its partition: the types are read-only views of it.
  readonly entries = (): number => this.scope.devices + this.scope.gateways.size;

  readonly on = (heard: Heard): void => {
    const happening = heard as Happening;
    const { signal } = happening;
    if (happening.kind === 'signal' && signal !== null && !this.accept(happening, signal)) return;
    this.next(happening);
  };

  private accept(happening: Happening, signal: Signal): boolean {
    const { counts } = this.scope;
    counts.signals[signal.kind] += 1;
    if (signal.gateway_id !== '' && !this.hear(happening, signal)) return false;
    switch (signal.kind) {
      case 'hello':
      case 'heartbeat':
        return this.speaks(happening, signal) || this.ignore();
      case 'goodbye':
      case 'silence':
        return this.leaves(happening, signal) || this.ignore();
      case 'override_set':
        happening.user = this.scope.users.find(signal.user_id) ?? this.scope.users.make(signal.user_id);
        return true;
      case 'override_cleared':
        happening.user = this.scope.users.find(signal.user_id);
        return happening.user !== null;
      default:
        return true;
    }
  }

  private ignore(): false {
    this.scope.counts.ignored += 1;
    return false;
  }

  /** The ledger. False: heard before. */
  private hear(happening: Happening, signal: Signal): boolean {
    const gateway = this.scope.gateways.get(signal.gateway_id) ?? this.newGateway(signal.gateway_id);
    const { ordinal } = signal;
    const marker = signal.kind === 'marker';
    // Ordinal 0 is none; a marker repeats the last one given, and is old only below it.
    const repeated = marker ? ordinal < gateway.ordinal : ordinal !== 0 && ordinal <= gateway.ordinal;
    if (repeated) {
      gateway.repeated += 1;
      this.scope.repeated += 1;
      this.scope.counts.ordinalsRepeated += 1;
      happening.user = signal.kind === 'heartbeat' ? this.scope.users.find(signal.user_id) : null;
      if (happening.user !== null) this.handOn(happening, 'repeat');
      return false;
    }
    if (ordinal > gateway.ordinal) {
      const missing = ordinal - gateway.ordinal - (marker ? 0 : 1);
      gateway.ordinal = ordinal;
      gateway.missing += missing;
      this.scope.missing += missing;
      this.scope.counts.ordinalsMissing += missing;
    }
    happening.gateway = gateway;
    if (!gateway.heardAt(happening)) this.handOn(happening, 'gateway_heard');
    return true;
  }

  /** Passes something through the rest of the chain before the signal itself. */
  private handOn(happening: Happening, kind: 'repeat' | 'gateway_heard'): void {
    happening.kind = kind;
    const { signal, traceparent, gateway } = happening;
    this.next(happening);
    // What the stages filled in on the way is not the signal's.
    happening.clear('signal');
    happening.signal = signal;
    happening.traceparent = traceparent;
    happening.gateway = gateway;
  }

  /** hello and heartbeat. */
  private speaks(happening: Happening, signal: Signal): boolean {
    const session = signal[this.options.within];
    if (session === null || signal.device_id === null) return false;
    const user = this.scope.users.find(signal.user_id);
    const device = user?.device(signal.device_id) ?? null;
    if (user === null || device === null) return this.first(happening, signal, user, signal.device_id, session);
    const same = session === device.session_id;
    if (!same && isReplaced(device, session, happening.lease)) return this.inVain(signal, device);
    if (isLate(happening, signal, device)) {
      if (!same) this.tooLate(happening, user, device, session);
      if (!same || (signal.connection_id ?? device.connection_id) !== device.connection_id) return this.inVain(signal, device);
    }
    const stranger = signal.connection_id !== null && device.held && device.connection_id !== signal.connection_id;
    if (stranger && (signal.kind === 'hello' ? signal.restated : same)) return this.inVain(signal, device);
    const seq = signal.kind === 'heartbeat' ? signal[this.options.by] : null;
    if (same) {
      if (seq !== null && seq <= device.seq) {
        this.scope.counts.duplicates += 1;
        return false;
      }
      if (seq !== null) device.seq = seq;
      happening.session = 'same';
    } else {
      this.replace(device, session, seq, happening.lease);
      happening.session = 'later';
    }
    spoke(happening, signal, device);
    happening.user = user;
    happening.device = device;
    return true;
  }

  private first(happening: Happening, signal: Signal, known: User | null, deviceId: string, session: string): boolean {
    if (known !== null && known.devices.length >= this.options.devices) {
      if (!makeRoom(known, this.scope)) return this.inVain(signal, null);
      this.scope.devices -= 1;
    }
    const user = known ?? this.scope.users.make(signal.user_id);
    const device = new Device(user, deviceId);
    device.session_id = session;
    if (signal.kind === 'heartbeat') device.seq = signal[this.options.by] ?? -1;
    device.last_seen = happening.stamp;
    spoke(happening, signal, device);
    user.devices = [...user.devices, device];
    this.scope.devices += 1;
    happening.user = user;
    happening.device = device;
    happening.session = 'first';
    return true;
  }

  private replace(device: Device, session: string, seq: number | null, lease: number): void {
    const before = device.session_id;
    device.replaced = device.replaced.filter((old) => old.session_id !== session);
    device.session_id = session;
    device.seq = seq ?? -1;
    this.remember(device, before, lease);
  }

  private remember(device: Device, session: string, lease: number): void {
    const { sessions, for: length } = this.options.remember;
    const kept = device.replaced.filter((old) => old.until_lease > lease && old.session_id !== session);
    kept.push({ session_id: session, until_lease: lease + length });
    device.replaced = kept.slice(-sessions);
  }

  /** A session that was replaced before it was heard of; what it says is dropped from now on, after a restore too. */
  private tooLate(happening: Happening, user: User, device: Device, session: string): void {
    this.remember(device, session, happening.lease);
    happening.user = user;
    this.handOn(happening, 'repeat');
  }

  /** goodbye and silence: only of the connection that holds the device. */
  private leaves(happening: Happening, signal: Signal): boolean {
    const user = this.scope.users.find(signal.user_id);
    const device = user?.device(signal.device_id) ?? null;
    if (device === null || device.connection_id === null || device.connection_id !== signal.connection_id) return false;
    const session = signal[this.options.within];
    if (session !== null && session !== device.session_id) return false;
    happening.user = user;
    happening.device = device;
    happening.session = 'same';
    return true;
  }

  /** Not heard; a connection that believes it speaks for the device is told that it does not. */
  private inVain(signal: Signal, device: Device | null): false {
    const { gateway_id, user_id, device_id, connection_id } = signal;
    if (connection_id !== null && device_id !== null && connection_id !== device?.connection_id) {
      this.scope.tellLost(gateway_id, user_id, device_id, connection_id);
    }
    return false;
  }

  private newGateway(gatewayId: string): Gateway {
    const gateway = new Gateway(gatewayId);
    this.scope.gateways.set(gatewayId, gateway);
    return gateway;
  }
}

function isReplaced(device: Device, session: string, lease: number): boolean {
  for (const old of device.replaced) if (old.session_id === session) return old.until_lease > lease;
  return false;
}

/** Forgets the device that has been dead for longest. False: all live. */
function makeRoom(user: User, scope: Scope): boolean {
  let oldest: Device | null = null;
  for (const device of user.devices) {
    if (device.forget_lease !== null && (oldest === null || device.forget_lease < (oldest.forget_lease ?? 0))) oldest = device;
  }
  if (oldest === null) return false;
  oldest.release();
  scope.leaseTimers.remove(oldest);
  user.devices = user.devices.filter((device) => device !== oldest);
  return true;
}
