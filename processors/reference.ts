/**
 * The rules of presence once more, as plainly as they can be said: one event at a time, one millisecond at a
 * time, every user looked at whenever something happened. Slow on purpose, and it shares nothing with the stages but the
 * words of the schemas. The laws (topology/kit/laws.ts) ask that both say the same.
 *
 * Written from contract.md, "Rules of presence", and ARCHITECTURE.md, "The rules in detail".
 */
import type { Cause, Diff, Signal, Source, State } from '../schemas/generated.ts';

interface Why {
  cause: Cause;
  at: number;
  device: string | null;
  offset: number;
}

interface RefView {
  emitted: State;
  version: number;
  /** As decided now. */
  state: State;
  source: Source;
  why: Why;
}

interface RefDevice {
  id: string;
  session: string;
  old: { session: string; until: number }[];
  seq: number;
  state: State;
  source: Source;
  holder: { connection: string; gateway: string; ordinal: number } | null;
  ttl: number | null;
  grace: number | null;
  forget: number | null;
  seen: number;
}

interface RefGhost {
  id: string;
  state: State;
  source: Source;
  end: number;
}

interface RefUser {
  id: string;
  devices: RefDevice[];
  override: { id: string; state: State; until: number | null } | null;
  ghosts: RefGhost[] | null;
  seen: number | null;
  othersSeen: number | null;
  self: RefView;
  others: RefView;
}

interface RefGateway {
  dead: boolean;
  stamp: number;
  lease: number;
  ordinal: number;
}

const SOURCE_ORDER: readonly Source[] = ['manual', 'app', 'inferred'];
const STATE_ORDER: readonly State[] = ['dnd', 'busy', 'online', 'away', 'offline'];
const GRACE = 1_000;
const GATEWAY_LEASE = 3_000;
const FORGET = 600_000;
const FORGET_GATEWAY = 3_600_000;
const MEMORY = 600_000;

export interface ReferenceOptions {
  readonly partition: number;
}

export class Reference {
  readonly diffs: Diff[] = [];
  missing = 0;
  repeated = 0;
  readonly users = new Map<string, RefUser>();
  private readonly gateways = new Map<string, RefGateway>();
  private readonly shift: number;
  private stamp = 0;
  private lease = 0;
  private settle = 0;
  private epoch = 0;
  private offset = 0;
  private happened = false;
  /** The earliest deadlines; worked out anew whenever something happened. */
  private nextLease = 0;
  private nextStamp = 0;

  constructor(options: ReferenceOptions) {
    this.shift = (options.partition * 25) % 200;
  }

  feed(stamp: number, offset: number, signal: Signal): void {
    this.offset = offset;
    this.moveTo(stamp);
    if (!this.repeatedOrdinal(signal)) this.apply(signal);
    this.lookAhead();
  }

  // ---- time, a millisecond at a time

  private cell(stamp: number): number {
    return Math.floor((stamp - this.shift) / 200);
  }

  private moveTo(stamp: number): void {
    if (this.stamp === 0) {
      this.stamp = stamp;
      return;
    }
    const step = stamp - this.stamp;
    if (step < -1_000) {
      this.cut();
      this.stamp = stamp;
      return;
    }
    if (step > 1_500) this.settle = step + 2_000;
    for (let i = 0; i < step; i += 1) {
      if (this.cell(this.stamp + 1) !== this.cell(this.stamp)) this.cut();
      this.stamp += 1;
      if (this.settle > 0) this.settle -= 1;
      else this.lease += 1;
      if (this.stamp >= this.nextStamp || this.lease >= this.nextLease) this.deadlines();
    }
  }

  private deadlines(): void {
    for (const user of this.sorted()) {
      if (user.override !== null && user.override.until !== null && user.override.until <= this.stamp)
        this.endOverride(user, 'override_expired');
    }
    for (const id of [...this.gateways.keys()].sort()) this.gatewayDeadline(id, this.gateways.get(id) as RefGateway);
    for (const user of this.sorted()) {
      for (const device of [...user.devices].sort((a, b) => (a.id < b.id ? -1 : 1))) this.deviceDeadline(user, device);
    }
    for (const user of this.sorted()) {
      for (const ghost of [...(user.ghosts ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1))) {
        if (ghost.end > this.lease) continue;
        user.ghosts = (user.ghosts ?? []).filter((other) => other !== ghost);
        this.look(user, 'goodbye', null, 'goodbye', ghost.id);
      }
    }
    this.lookAhead();
  }

  private gatewayDeadline(id: string, gateway: RefGateway): void {
    if (gateway.dead) {
      if (gateway.lease + GATEWAY_LEASE + FORGET_GATEWAY <= this.lease && this.heldBy(id).length === 0) this.gateways.delete(id);
      return;
    }
    if (gateway.lease + GATEWAY_LEASE > this.lease) return;
    const held = this.heldBy(id);
    gateway.dead = true;
    for (const { user, devices } of held) {
      for (const device of devices) {
        device.seen = Math.max(device.seen, gateway.stamp);
        this.seenLate(user, gateway.stamp);
        this.maybeForget(device);
      }
      const best = this.best(devices);
      this.look(user, 'gateway_lost', best?.id ?? null);
    }
  }

  private deviceDeadline(user: RefUser, device: RefDevice): void {
    if (device.grace !== null && device.grace <= this.lease) {
      device.grace = null;
      this.maybeForget(device);
      this.look(user, 'goodbye', device.id);
    }
    if (device.ttl !== null && device.ttl <= this.lease) {
      device.ttl = null;
      this.maybeForget(device);
      this.look(user, 'ttl', device.id);
    }
    if (device.forget !== null && device.forget <= this.lease) {
      user.devices = user.devices.filter((other) => other !== device);
      this.happened = true;
    }
  }

  private lookAhead(): void {
    this.nextLease = this.nextStamp = Number.POSITIVE_INFINITY;
    const onLease = (at: number | null) => {
      if (at !== null) this.nextLease = Math.min(this.nextLease, at);
    };
    for (const user of this.users.values()) {
      if (user.override?.until != null) this.nextStamp = Math.min(this.nextStamp, user.override.until);
      for (const device of user.devices) [device.ttl, device.grace, device.forget].forEach(onLease);
      for (const ghost of user.ghosts ?? []) onLease(ghost.end);
    }
    for (const gateway of this.gateways.values()) onLease(gateway.lease + GATEWAY_LEASE + (gateway.dead ? FORGET_GATEWAY : 0));
  }

  // ---- who lives, and who speaks

  private alive(device: RefDevice): boolean {
    const holder = device.holder === null ? undefined : this.gateways.get(device.holder.gateway);
    return (holder !== undefined && !holder.dead) || device.ttl !== null || device.grace !== null;
  }

  private best<T extends { state: State; source: Source }>(ones: readonly T[]): T | null {
    const order = (one: T) => SOURCE_ORDER.indexOf(one.source) * 100 + STATE_ORDER.indexOf(one.state);
    return [...ones].sort((a, b) => order(a) - order(b))[0] ?? null;
  }

  /** Works out both views anew; what changed was decided by this. */
  private look(
    user: RefUser,
    cause: Cause,
    device: string | null,
    othersCause: Cause = cause,
    othersDevice: string | null = device,
  ): void {
    this.happened = true;
    const living = this.best(user.devices.filter((one) => this.alive(one)));
    const natural = { state: living?.state ?? ('offline' as State), source: living?.source ?? ('inferred' as Source) };
    const self = user.override === null ? natural : { state: user.override.state, source: 'manual' as Source };
    let others = self;
    if (user.override?.state === 'invisible') {
      const ghost = this.best(user.ghosts ?? []);
      others = { state: ghost?.state ?? 'offline', source: ghost?.source ?? 'inferred' };
    }
    const decide = (view: RefView, now: { state: State; source: Source }, why: Why) => {
      if (view.state !== now.state) view.why = why;
      view.state = now.state;
      view.source = now.source;
    };
    decide(user.self, self, { cause, at: this.stamp, device, offset: this.offset });
    decide(user.others, others, { cause: othersCause, at: this.stamp, device: othersDevice, offset: this.offset });
  }

  private cut(): void {
    if (!this.happened) return;
    this.happened = false;
    for (const user of this.sorted()) {
      const { self, others } = user;
      const selfChanged = self.state !== self.emitted;
      const othersChanged = others.state !== others.emitted;
      const alike =
        selfChanged &&
        othersChanged &&
        JSON.stringify([self.emitted, self.state, self.source, self.why]) ===
          JSON.stringify([others.emitted, others.state, others.source, others.why]);
      if (selfChanged) {
        self.version += 1;
        if (alike) others.version += 1;
        this.say(user, alike ? 'all' : 'self', self);
      }
      if (othersChanged && !alike) {
        others.version += 1;
        this.say(user, 'others', others);
      }
      self.emitted = self.state;
      others.emitted = others.state;
    }
  }

  private say(user: RefUser, audience: Diff['audience'], view: RefView): void {
    this.diffs.push({
      user_id: user.id,
      audience,
      from: view.emitted,
      to: view.state,
      at: view.why.at,
      epoch: this.epoch,
      version: user.self.version,
      public_version: user.others.version,
      cause: view.why.cause,
      source: view.source,
      device_id: view.why.device,
      trace_id: null,
      received_at: 0,
      log: 0,
      offset: view.why.offset,
    });
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
      device.old = device.old.filter((one) => one.session !== session_id && one.until > this.lease);
      device.old = [...device.old, { session: device.session, until: this.lease + MEMORY }].slice(-8);
      device.session = session_id;
      device.seq = -1;
      device.holder = null;
      device.ttl = null;
      if (!lived) Object.assign(device, { state: 'online', source: 'inferred' });
    }
    if (seq !== null) device.seq = seq;
    if (signal.state === 'offline') {
      this.goodbye(user, device, lived);
      return;
    }
    if (signal.state !== null) Object.assign(device, { state: signal.state, source: signal.source ?? 'app' });
    else if (signal.source !== null) device.source = signal.source;
    device.grace = null;
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
    const last = this.stamp - (signal.silent_ms ?? 0);
    device.seen = Math.max(device.seen, last);
    this.seenLate(user, last);
    this.maybeForget(device);
    this.look(user, 'silence', device.id);
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

  private endOverride(user: RefUser, cause: Cause): void {
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

  // ---- small things

  private sorted(): RefUser[] {
    return [...this.users.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  private heldBy(gateway: string): { user: RefUser; devices: RefDevice[] }[] {
    return this.sorted()
      .map((user) => ({ user, devices: user.devices.filter((one) => one.holder?.gateway === gateway) }))
      .filter(({ devices }) => devices.length > 0);
  }

  private maybeForget(device: RefDevice): void {
    if (!this.alive(device) && device.forget === null) device.forget = this.lease + FORGET;
  }

  private seen(user: RefUser): void {
    user.seen = this.stamp;
    if (user.override?.state !== 'invisible') user.othersSeen = this.stamp;
  }

  private seenLate(user: RefUser, at: number): void {
    user.seen = Math.max(user.seen ?? at, at);
    if (user.override?.state !== 'invisible') user.othersSeen = Math.max(user.othersSeen ?? at, at);
  }

  private newUser(id: string): RefUser {
    const view = (): RefView => ({
      emitted: 'offline',
      version: 0,
      state: 'offline',
      source: 'inferred',
      why: { cause: 'signal', at: 0, device: null, offset: 0 },
    });
    const user: RefUser = {
      id,
      devices: [],
      override: null,
      ghosts: null,
      seen: null,
      othersSeen: null,
      self: view(),
      others: view(),
    };
    this.users.set(id, user);
    return user;
  }

  private newDevice(user: RefUser, id: string, session: string): RefDevice {
    const device: RefDevice = {
      id,
      session,
      old: [],
      seq: -1,
      state: 'online',
      source: 'inferred',
      holder: null,
      ttl: null,
      grace: null,
      forget: null,
      seen: this.stamp,
    };
    user.devices.push(device);
    return device;
  }
}
