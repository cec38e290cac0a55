/**
 * The naive model's time and views: deadlines, cuts, who speaks (see reference.ts).
 */
import type { Cause, Diff, Source, State } from '../schemas/generated.ts';

export interface Why {
  cause: Cause;
  at: number;
  device: string | null;
  offset: number;
}

export interface RefView {
  emitted: State;
  version: number;
  /** As decided now. */
  state: State;
  source: Source;
  why: Why;
}

export interface RefDevice {
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
  silence: number | null;
  /** When its last word was said; 0: not known. */
  spoke: number;
  seen: number;
}

export interface RefGhost {
  id: string;
  state: State;
  source: Source;
  end: number;
}

export interface RefUser {
  id: string;
  devices: RefDevice[];
  override: { id: string; state: State; until: number | null } | null;
  ghosts: RefGhost[] | null;
  seen: number | null;
  othersSeen: number | null;
  self: RefView;
  others: RefView;
}

export interface RefGateway {
  dead: boolean;
  stamp: number;
  lease: number;
  ordinal: number;
}

const SOURCE_ORDER: readonly Source[] = ['manual', 'app', 'inferred'];
const STATE_ORDER: readonly State[] = ['dnd', 'busy', 'online', 'away', 'offline'];
export const GRACE = 1_000;
const GATEWAY_LEASE = 3_000;
const FORGET = 600_000;
const FORGET_GATEWAY = 3_600_000;
export const MEMORY = 600_000;
export const WAITED = 250;

export interface ReferenceOptions {
  readonly partition: number;
}

export abstract class ReferenceTime {
  readonly diffs: Diff[] = [];
  missing = 0;
  repeated = 0;
  readonly users = new Map<string, RefUser>();
  protected readonly gateways = new Map<string, RefGateway>();
  protected readonly shift: number;
  protected stamp = 0;
  protected lease = 0;
  protected settle = 0;
  protected epoch = 0;
  protected offset = 0;
  protected happened = false;
  /** The earliest deadlines; worked out anew whenever something happened. */
  protected nextLease = 0;
  protected nextStamp = 0;

  constructor(options: ReferenceOptions) {
    this.shift = (options.partition * 25) % 200;
  }

  // ---- time, a millisecond at a time

  protected cell(stamp: number): number {
    return Math.floor((stamp - this.shift) / 200);
  }

  protected moveTo(stamp: number): void {
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

  protected deadlines(): void {
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

  protected gatewayDeadline(id: string, gateway: RefGateway): void {
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

  protected deviceDeadline(user: RefUser, device: RefDevice): void {
    if (device.grace !== null && device.grace <= this.lease) {
      device.grace = null;
      this.maybeForget(device);
      this.look(user, 'goodbye', device.id);
    }
    if (device.silence !== null && device.silence <= this.lease) {
      device.silence = null;
      this.maybeForget(device);
      this.look(user, 'silence', device.id);
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

  protected lookAhead(): void {
    this.nextLease = this.nextStamp = Number.POSITIVE_INFINITY;
    const onLease = (at: number | null) => {
      if (at !== null) this.nextLease = Math.min(this.nextLease, at);
    };
    for (const user of this.users.values()) {
      if (user.override?.until != null) this.nextStamp = Math.min(this.nextStamp, user.override.until);
      for (const device of user.devices) [device.ttl, device.grace, device.silence, device.forget].forEach(onLease);
      for (const ghost of user.ghosts ?? []) onLease(ghost.end);
    }
    for (const gateway of this.gateways.values()) onLease(gateway.lease + GATEWAY_LEASE + (gateway.dead ? FORGET_GATEWAY : 0));
  }

  // ---- who lives, and who speaks

  protected alive(device: RefDevice): boolean {
    const holder = device.holder === null ? undefined : this.gateways.get(device.holder.gateway);
    return (holder !== undefined && !holder.dead) || device.ttl !== null || device.grace !== null || device.silence !== null;
  }

  protected best<T extends { state: State; source: Source }>(ones: readonly T[]): T | null {
    const order = (one: T) => SOURCE_ORDER.indexOf(one.source) * 100 + STATE_ORDER.indexOf(one.state);
    return [...ones].sort((a, b) => order(a) - order(b))[0] ?? null;
  }

  /** Works out both views anew; what changed was decided by this. */
  protected look(
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

  protected cut(): void {
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

  protected say(user: RefUser, audience: Diff['audience'], view: RefView): void {
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

  // ---- small things

  protected sorted(): RefUser[] {
    return [...this.users.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  protected heldBy(gateway: string): { user: RefUser; devices: RefDevice[] }[] {
    return this.sorted()
      .map((user) => ({ user, devices: user.devices.filter((one) => one.holder?.gateway === gateway) }))
      .filter(({ devices }) => devices.length > 0);
  }

  protected maybeForget(device: RefDevice): void {
    if (!this.alive(device) && device.forget === null) device.forget = this.lease + FORGET;
  }

  protected seen(user: RefUser): void {
    user.seen = this.stamp;
    if (user.override?.state !== 'invisible') user.othersSeen = this.stamp;
  }

  protected seenLate(user: RefUser, at: number): void {
    user.seen = Math.max(user.seen ?? at, at);
    if (user.override?.state !== 'invisible') user.othersSeen = Math.max(user.othersSeen ?? at, at);
  }

  protected newUser(id: string): RefUser {
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

  protected newDevice(user: RefUser, id: string, session: string): RefDevice {
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
      silence: null,
      spoke: 0,
      seen: this.stamp,
    };
    user.devices.push(device);
    return device;
  }

  protected abstract endOverride(user: RefUser, cause: Cause): void;
}
