/**
 * What a partition holds in memory: its users, their devices, and the gateways that it has heard of.
 *
 * A user is one record (schemas/user-state.avsc) whose parts belong to the stages by name:
 *
 * | Part | Owner | Fields |
 * | --- | --- | --- |
 * | sessions | dedupe | a device's session_id, seq, spoke_at, replaced |
 * | claims | windowedPrecedence | a device's state and source (and their rank); the user's override |
 * | life | offlineTimeout | a device's holder, last_seen, ttl, grace, silence, forgetting; ghosts; gateways' leases |
 * | emitted | diff | the user's state, source, since, version, of both views |
 *
 * Every stage may read all of it and writes its own part. Beside the record there is what can be
 * worked out from it: ranks, links to gateways, armed timers, what is decided but not yet emitted (nothing
 * of that outlives a cut), and the first beat that is not written yet.
 */
import type {
  Device as DeviceRecord,
  Ghost as GhostRecord,
  Override,
  PublicView,
  ReplacedSession,
  Source,
  State,
  UserState,
} from '../schemas/generated.ts';
import { addHolding, holdingHash, removeHolding } from '../schemas/holdings.ts';
import type { UserOutline } from '../schemas/user-outline.ts';
import type { Gateway } from './gateway.ts';
import { NEVER, type Timed } from './timers.ts';
import { Decision } from './view.ts';

/** When somebody was last seen who never was. */
const UNSEEN = Number.NEGATIVE_INFINITY;

/** A hash is never below 0. */
const UNKNOWN = -1;

/** In records, who was never seen has null; here times are always numbers. */
const orNull = (at: number): number | null => (Number.isFinite(at) ? at : null);

export class Device implements Timed {
  // What a beat needs comes first: it lies together in memory.
  readonly device_id: string;
  session_id = '';
  seq = -1;
  readonly user: User;
  state: State = 'online';
  source: Source = 'inferred';
  last_seen = 0;
  spoke_at = 0;
  connection_id: string | null = null;
  gateway_id: string | null = null;
  hold_ordinal = 0;
  // Small numbers and null lie in the object itself; Infinity would make each of them a box elsewhere in memory.
  ttl_lease: number | null = null;
  grace_lease: number | null = null;
  forget_lease: number | null = null;
  silence_lease: number | null = null;
  trace: string | null = null;
  replaced: ReplacedSession[] = [];

  /** The holder's gateway; null where nobody holds it. */
  gateway: Gateway | null = null;
  /** holdingHash of the hold; worked out when it is needed. */
  private heldHash = UNKNOWN;
  /** Of state and source, by windowedPrecedence: the higher one speaks for the user. */
  rank = 0;
  armed = NEVER;
  place = -1;

  constructor(user: User, deviceId: string) {
    this.user = user;
    this.device_id = deviceId;
  }

  get timerClass(): number {
    return 2;
  }

  get timerKey(): string {
    return this.user.user_id;
  }

  get timerSubKey(): string {
    return this.device_id;
  }

  /** A connection of a living gateway holds it. */
  get held(): boolean {
    return this.gateway !== null && !this.gateway.dead;
  }

  /** contract.md, "Liveness": held, or its ttl runs, or its grace does, or its silence waits. Timers end all but the first. */
  get counts(): boolean {
    return this.held || this.ttl_lease !== null || this.leaving;
  }

  /** Nobody holds it, and it counts for a while yet: after a goodbye, or a silence. */
  get leaving(): boolean {
    return this.grace_lease !== null || this.silence_lease !== null;
  }

  hold(gateway: Gateway, connectionId: string, ordinal: number): void {
    if (this.gateway !== null) this.release();
    this.connection_id = connectionId;
    this.gateway_id = gateway.gateway_id;
    this.link(gateway);
    this.hold_ordinal = ordinal;
    addHolding(gateway.holdings, this.hash());
  }

  /** The gateway whose hold the record tells of: counted already, as it was known before there was an object. */
  link(gateway: Gateway): void {
    this.gateway = gateway;
    this.heldHash = UNKNOWN;
  }

  /** Of its hold. */
  hash(): number {
    if (this.heldHash === UNKNOWN) this.heldHash = holdingHash(this.user.user_id, this.device_id, this.connection_id ?? '');
    return this.heldHash;
  }

  release(): void {
    if (this.gateway !== null) removeHolding(this.gateway.holdings, this.hash());
    this.connection_id = null;
    this.gateway_id = null;
    this.gateway = null;
    this.hold_ordinal = 0;
  }

  deadline(): number {
    const { ttl_lease, grace_lease, forget_lease, silence_lease } = this;
    let due = ttl_lease ?? NEVER;
    if (grace_lease !== null && grace_lease < due) due = grace_lease;
    if (forget_lease !== null && forget_lease < due) due = forget_lease;
    if (silence_lease !== null && silence_lease < due) due = silence_lease;
    return due;
  }

  record(): DeviceRecord {
    return {
      device_id: this.device_id,
      session_id: this.session_id,
      seq: this.seq,
      state: this.state,
      source: this.source,
      last_seen: this.last_seen,
      connection_id: this.connection_id,
      gateway_id: this.gateway_id,
      hold_ordinal: this.hold_ordinal,
      ttl_lease: this.ttl_lease,
      grace_lease: this.grace_lease,
      forget_lease: this.forget_lease,
      silence_lease: this.silence_lease,
      spoke_at: this.spoke_at,
      trace: this.trace,
      replaced: this.replaced.slice(),
    };
  }
}

/** A device of an invisible user as others see it: in the grace of a goodbye. */
export class Ghost implements GhostRecord, Timed {
  readonly user: User;
  readonly device_id: string;
  readonly state: State;
  readonly source: Source;
  readonly grace_lease: number;
  readonly trace: string | null;

  rank = 0;
  armed = NEVER;
  place = -1;

  constructor(user: User, ghost: GhostRecord) {
    this.user = user;
    this.device_id = ghost.device_id;
    this.state = ghost.state;
    this.source = ghost.source;
    this.grace_lease = ghost.grace_lease;
    this.trace = ghost.trace;
  }

  get timerClass(): number {
    return 3;
  }

  get timerKey(): string {
    return this.user.user_id;
  }

  get timerSubKey(): string {
    return this.device_id;
  }

  deadline(): number {
    return this.grace_lease;
  }

  record(): GhostRecord {
    const { device_id, state, source, grace_lease, trace } = this;
    return { device_id, state, source, grace_lease, trace };
  }
}

/** A beat that no record holds yet: the first one of its user since the record was last written. */
export interface UnwrittenBeat {
  /** null: written since. */
  user: User | null;
  readonly offset: number;
  /** The clocks at that record. */
  readonly stamp: number;
  readonly lease: number;
  readonly settle: number;
}

export class User implements Timed {
  // What a beat needs comes first: it lies together in memory.
  readonly user_id: string;
  /** Exactly as long as it must be: an array that `push` has begun has room for 17. */
  devices: readonly Device[] = [];
  beat: UnwrittenBeat | null = null;
  last_seen = UNSEEN;
  publicLastSeen = UNSEEN;
  /** null: others see the devices as they are. */
  ghosts: Ghost[] | null = null;
  touched = false;
  /** Something happened since the hand last came by (users.ts). */
  used = true;
  override: Override | null = null;
  /** What was emitted last, and what is decided since. */
  readonly self = new Decision();
  readonly others = new Decision();
  epoch = 0;
  log = 0;
  offset = 0;
  /** The traceparent that goes with the next record of this user. */
  trace: string | null = null;
  armed = NEVER;
  place = -1;

  constructor(userId: string) {
    this.user_id = userId;
  }

  get timerClass(): number {
    return 0;
  }

  get timerKey(): string {
    return this.user_id;
  }

  get timerSubKey(): string {
    return '';
  }

  /** The override's end, a stamp. */
  deadline(): number {
    return this.override?.until ?? NEVER;
  }

  device(deviceId: string | null): Device | null {
    const { devices } = this;
    for (let i = 0; i < devices.length; i += 1) {
      const device = devices[i] as Device;
      if (device.device_id === deviceId) return device;
    }
    return null;
  }

  /** As if never heard of. */
  get blank(): boolean {
    return this.offset === 0 && this.devices.length === 0 && this.override === null;
  }

  /** What its record will say in outline; the same as `UserRecords.outline` of it. */
  outline(into: UserOutline): void {
    into.clear();
    into.devices = this.devices.length;
    into.stamp = this.deadline();
    for (const device of this.devices) {
      into.lease = Math.min(into.lease, device.deadline());
      if (device.gateway_id !== null && device.connection_id !== null) into.holds(device.gateway_id, device.hash());
    }
    for (const ghost of this.ghosts ?? []) into.lease = Math.min(into.lease, ghost.grace_lease);
  }

  /** A sign of life at this stamp; others see it unless the user is invisible. */
  seen(stamp: number): void {
    this.last_seen = stamp;
    if (this.ghosts === null) this.publicLastSeen = stamp;
  }

  /** The same, told late: it says when somebody was last seen, which may be before what is known already. */
  seenLate(at: number): void {
    if (at > this.last_seen) this.last_seen = at;
    if (this.ghosts === null && at > this.publicLastSeen) this.publicLastSeen = at;
  }

  /** The record as of now. Its objects are its own: later changes do not reach it. */
  record(): UserState {
    const { self, devices } = this;
    let live = 0;
    let streaming = false;
    for (const device of devices) {
      if (device.counts) live += 1;
      if (device.held) streaming = true;
    }
    return {
      user_id: this.user_id,
      epoch: this.epoch,
      version: self.version,
      state: self.state,
      source: self.source,
      since: self.since,
      last_seen: orNull(this.last_seen),
      devices_live: live,
      streaming,
      override: this.override,
      devices: devices.map((device) => device.record()),
      public: this.publicRecord(live, streaming),
      log: this.log,
      offset: this.offset,
    };
  }

  private publicRecord(live: number, streaming: boolean): PublicView {
    const { others, ghosts } = this;
    return {
      version: others.version,
      state: others.state,
      source: others.source,
      since: others.since,
      last_seen: orNull(this.publicLastSeen),
      devices_live: ghosts === null ? live : ghosts.length,
      streaming: ghosts === null && streaming,
      ghosts: ghosts === null ? null : ghosts.map((ghost) => ghost.record()),
    };
  }

  /** The inverse of `record`, without what the stages work out anew (ranks, links, timers). */
  static load(record: UserState): User {
    const user = new User(record.user_id);
    user.epoch = record.epoch;
    user.last_seen = record.last_seen ?? UNSEEN;
    user.override = record.override;
    user.publicLastSeen = record.public.last_seen ?? UNSEEN;
    user.log = record.log;
    user.offset = record.offset;
    user.self.load(record);
    user.others.load(record.public);
    user.devices = record.devices.map((device) => loadDevice(user, device));
    user.ghosts = record.public.ghosts?.map((ghost) => new Ghost(user, ghost)) ?? null;
    return user;
  }
}

function loadDevice(user: User, record: DeviceRecord): Device {
  const device = new Device(user, record.device_id);
  device.session_id = record.session_id;
  device.seq = record.seq;
  device.state = record.state;
  device.source = record.source;
  device.last_seen = record.last_seen;
  device.connection_id = record.connection_id;
  device.gateway_id = record.gateway_id;
  device.hold_ordinal = record.hold_ordinal;
  device.ttl_lease = record.ttl_lease;
  device.grace_lease = record.grace_lease;
  device.forget_lease = record.forget_lease;
  device.silence_lease = record.silence_lease;
  device.spoke_at = record.spoke_at;
  device.trace = record.trace;
  device.replaced = record.replaced.slice();
  return device;
}
