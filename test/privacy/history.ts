/**
 * Two histories of one partition from a seed: in `hidden` the user makes themself invisible now and then, and does what
 * they like meanwhile; in `gone` they really leave at those moments and really come back at these. Record by record both
 * have the same stamps, and everybody else does and says the same. So whatever others can see or time must be the same.
 *
 * | When | hidden | gone |
 * | --- | --- | --- |
 * | veil drawn | `override_set` invisible | the override that held is cleared, each living device says `offline` |
 * | meanwhile | hello, heartbeat, goodbye, silence, invisible again | a marker of the same gateway, or a tick |
 * | veil lifted | cleared, over (`until`), replaced by another override | a hello or heartbeat of each living device |
 *
 * Where one of the two has more records, the other has as many markers and ticks. Where the veil is lifted while a device is in
 * the grace of its own goodbye (or waits after a hole) nobody could return just so: an end by hand is then put
 * off, and a history in which `until` falls there ends before it. Likewise where a device that others still see in the grace of
 * the goodbye has died meanwhile: ARCHITECTURE.md says what others see then ("Public view").
 *
 * All times are multiples of 10 ms but for `until`, which is never one: nothing else falls due at that stamp.
 */

import type { RefDevice } from '../../processors/reference-time.ts';
import { random } from '../../processors/swarm.ts';
import type { Signal, Source, State } from '../../schemas/generated.ts';
import type { SignalDraft } from '../../schemas/signal.ts';
import { signal } from '../../schemas/signal.ts';
import { Oracle } from './oracle.ts';

export const USER = 'eve';
/** As long as a W3C trace id; of no meaning. */
export const TRACEPARENT = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';

export interface Moment {
  readonly stamp: number;
  readonly hidden: Signal;
  readonly gone: Signal;
  /** Both processors die before this record, and are restored. */
  readonly restart: boolean;
}

export interface History {
  readonly moments: readonly Moment[];
  readonly partition: number;
  /** How often the veil was drawn, lifted, and how much was done behind it. */
  readonly drawn: number;
  readonly lifted: number;
  readonly secrets: number;
}

const STATES: readonly State[] = ['dnd', 'busy', 'online', 'away'];
/** By how much an override's `until` lies beside the whole tens of everything else. */
const AWRY_MS = 3;

export function history(seed: number): History {
  return new Historian(seed).write();
}

class Historian {
  private readonly rnd: () => number;
  private readonly oracle: Oracle;
  private readonly moments: Moment[] = [];
  private readonly partition: number;
  private readonly gateways: number;
  private readonly others: number;
  private readonly devices: number;
  private readonly pace: number;
  private readonly secrecy: number;
  private readonly length: number;
  private readonly dead = new Set<string>();
  private readonly sessions = new Map<string, number>();
  private readonly connections = new Map<string, { readonly id: string; readonly gateway: string }>();
  /** Of the user: dead when they returned, so that they must say all anew when heard of again. */
  private readonly anew = new Set<string>();
  private seq = 0;
  private count = 0;
  private time: number;
  private over = false;
  private drawn = 0;
  private lifted = 0;
  private secrets = 0;

  constructor(seed: number) {
    const rnd = random(seed);
    this.rnd = rnd;
    this.partition = rnd() < 0.5 ? 0 : this.below(8);
    this.oracle = new Oracle({ partition: this.partition });
    this.gateways = 1 + this.below(3);
    this.others = this.below(3);
    this.devices = 1 + this.below(3);
    this.pace = 10 * 2 ** this.below(8); // mean pause, ms
    this.secrecy = 0.3 + 0.6 * rnd();
    this.length = 20 + this.below(60);
    this.time = 1_700_000_000_000 + 10 * this.below(100);
  }

  write(): History {
    this.common({ kind: 'cut', epoch: 1 });
    for (let i = 0; i < this.gateways; i += 1) this.common({ kind: 'marker', gateway_id: `g${i}` });
    while (this.moments.length < this.length && !this.over) {
      this.pass();
      if (!this.over) this.happen();
    }
    for (let i = 0; i < 12 && !this.over; i += 1) this.pass(500); // what was begun ends
    const { moments, partition, drawn, lifted, secrets } = this;
    return { moments, partition, drawn, lifted, secrets };
  }

  // ---- chance

  private below(n: number): number {
    return Math.floor(this.rnd() * n);
  }

  private pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  private chance(p: number): boolean {
    return this.rnd() < p;
  }

  // ---- the two logs

  private push(hidden: SignalDraft, gone: SignalDraft): void {
    const restart = this.chance(0.005);
    const moment = { stamp: this.time, hidden: signal(hidden), gone: signal(gone), restart };
    this.oracle.feed(this.time, this.moments.length, moment.hidden);
    this.moments.push(moment);
  }

  /** The same in both. */
  private common(draft: SignalDraft): void {
    this.push(draft, draft);
  }

  /** Behind the veil: where the user is gone, their gateway lives all the same. */
  private secret(draft: SignalDraft): void {
    this.secrets += 1;
    this.push(draft, signOf(draft));
  }

  /** All at one stamp; the shorter of the two is filled up with signs of life of the same gateways. */
  private together(hidden: readonly SignalDraft[], gone: readonly SignalDraft[]): void {
    for (let i = 0; i < Math.max(hidden.length, gone.length); i += 1)
      this.push(hidden[i] ?? signOf(gone[i] as SignalDraft), gone[i] ?? signOf(hidden[i] as SignalDraft));
  }

  // ---- time

  private pass(pause: number = this.pause()): void {
    const to = this.time + pause;
    const until = this.oracle.until(USER);
    if (this.oracle.hidden(USER) && until !== null && until <= to && until > this.time) this.expire(until);
    if (this.over) return;
    if (to > this.time) this.time = to - (to % 10);
    if (this.chance(0.9)) this.markers();
  }

  private pause(): number {
    const dice = this.rnd();
    if (dice < 0.02) return 10 * (151 + this.below(500)); // a hole
    if (dice < 0.03) return -10 * (101 + this.below(300)); // a leap back
    if (dice < 0.0305) return 10 * (60_000 + this.below(10_000)); // long enough to be forgotten
    return 10 * Math.floor((this.rnd() ** 2 * 3 * this.pace) / 10);
  }

  private markers(): void {
    for (let i = 0; i < this.gateways; i += 1)
      if (!this.dead.has(`g${i}`) && this.chance(0.4)) this.common({ kind: 'marker', gateway_id: `g${i}` });
  }

  /** The override ends by itself: at that stamp both logs have a record, and right before and after it at whole tens. */
  private expire(until: number): void {
    this.time = until - AWRY_MS;
    this.common({ kind: 'tick' });
    if (!this.mayReturn()) {
      this.over = true;
      return;
    }
    const gone = this.back(AWRY_MS);
    this.time = until;
    this.together(gone.length === 0 ? [{ kind: 'tick' }] : [], gone);
    this.time = until + 10 - AWRY_MS;
    this.common({ kind: 'tick' });
  }

  // ---- what happens

  private happen(): void {
    const dice = this.rnd();
    if (dice < 0.1) this.world();
    else if (dice < 0.25 && this.others > 0) this.common(this.act(`u${this.below(this.others)}`));
    else if (this.oracle.hidden(USER)) this.behind();
    else if (dice > 0.8) this.draw();
    else this.common(this.act(USER));
  }

  private world(): void {
    const gateway = `g${this.below(this.gateways)}`;
    const dice = this.rnd();
    if (dice < 0.2) this.common({ kind: 'cut', epoch: 1 + this.below(5) });
    else if (dice < 0.4) {
      if (!this.dead.delete(gateway)) this.dead.add(gateway);
    } else if (dice < 0.45) this.common({ kind: 'marker', gateway_id: gateway, restated_from: 1 });
    else this.common({ kind: 'tick' });
  }

  /** The oracle knows what is due by now. */
  private arrive(): void {
    if (this.oracle.time !== this.time) this.common({ kind: 'tick' });
  }

  private behind(): void {
    this.arrive();
    if (this.chance(this.secrecy)) {
      if (this.chance(0.1)) {
        this.secret(this.invisible(`i${this.below(3)}`));
        return;
      }
      this.secret(this.act(USER, true));
    } else if (this.mayReturn()) this.unveil();
    else this.common({ kind: 'tick' });
  }

  /** hello, heartbeat, goodbye, silence or override of a user; the user's own overrides are apart while hidden. */
  private act(user: string, hidden = false): SignalDraft {
    const id = `d${this.below(this.devices)}`;
    const dice = this.rnd();
    if (dice < 0.3) return this.hello(user, id);
    if (dice < 0.6) return this.heartbeat(user, id);
    if (dice < 0.85) return this.leave(user, id, this.chance(0.5) ? 'goodbye' : 'silence');
    if (hidden) return this.heartbeat(user, id);
    if (dice < 0.9) return { kind: 'override_cleared', user_id: user, ...this.writer() };
    return this.override(user, this.pick(['dnd', 'busy', 'online', 'away', 'offline']));
  }

  private writer(): { gateway_id: string } {
    const alive = Array.from({ length: this.gateways }, (_, i) => `g${i}`).filter((id) => !this.dead.has(id));
    return { gateway_id: alive.length === 0 || this.chance(0.2) ? '' : this.pick(alive) };
  }

  private session(user: string, id: string): string {
    const key = `${user}/${id}`;
    const known = this.sessions.get(key) ?? 0;
    const next = this.chance(0.2) || this.anew.has(key) ? known + 1 : known;
    this.sessions.set(key, next);
    return `s${next}`;
  }

  private said(user: string, id: string): { state: State | null; source: Source | null } {
    const must = this.anew.delete(`${user}/${id}`);
    if (!must && this.chance(0.3)) return { state: null, source: this.pick<Source | null>(['app', 'inferred', null]) };
    if (!must && this.chance(0.1)) return { state: 'offline', source: null };
    return { state: this.pick(STATES), source: this.pick<Source>(['app', 'inferred']) };
  }

  private hello(user: string, id: string): SignalDraft {
    const gateway = this.writer().gateway_id || 'g0';
    const connection = { id: `c${(this.count += 1)}`, gateway };
    const session_id = this.session(user, id);
    const said = this.said(user, id);
    this.connections.set(`${user}/${id}`, connection);
    return {
      kind: 'hello',
      user_id: user,
      device_id: id,
      session_id,
      connection_id: connection.id,
      gateway_id: gateway,
      ...said,
    };
  }

  private heartbeat(user: string, id: string): SignalDraft {
    const session_id = this.session(user, id);
    const seq = (this.seq += 10);
    const said = this.said(user, id);
    const base = { kind: 'heartbeat', user_id: user, device_id: id, session_id, seq, ...said } as const;
    const connection = this.connections.get(`${user}/${id}`);
    if (connection !== undefined && !this.dead.has(connection.gateway) && this.chance(0.5))
      return { ...base, connection_id: connection.id, gateway_id: connection.gateway };
    return { ...base, ttl_ms: 10 * (1 + this.below(this.pick([20, 300, 3_000]))), ...this.writer() };
  }

  private leave(user: string, id: string, kind: 'goodbye' | 'silence'): SignalDraft {
    const { id: connection_id, gateway } = this.connections.get(`${user}/${id}`) ?? { id: 'c0', gateway: 'g0' };
    const gateway_id = this.dead.has(gateway) ? 'g-none' : gateway;
    const silent_ms = kind === 'silence' ? 10 * this.below(300) : null;
    return { kind, user_id: user, device_id: id, connection_id, gateway_id, silent_ms };
  }

  private override(user: string, state: State): SignalDraft {
    const until = this.chance(0.5) ? null : this.later();
    const end = until !== null && this.chance(0.5) ? { ttl_s: (until - this.time) / 1_000 } : { until };
    return { kind: 'override_set', user_id: user, override_id: `o${this.below(2)}`, state, ...end, ...this.writer() };
  }

  private invisible(override_id: string): SignalDraft {
    return { ...this.override(USER, 'invisible'), override_id };
  }

  /** A stamp at which nothing else falls due. */
  private later(): number {
    const from = this.time - (this.time % 10);
    return from + 10 * (1 + this.below(this.pick([20, 200, 2_000]))) + AWRY_MS;
  }

  // ---- the veil

  private draw(): void {
    this.arrive();
    const hiding = this.invisible(`i${this.below(3)}`);
    const { gateway_id } = hiding;
    const gone: SignalDraft[] = [
      { kind: 'override_cleared', user_id: USER, ...(gateway_id === undefined ? {} : { gateway_id }) },
    ];
    for (const device of this.oracle.devices(USER)) {
      // In the grace of its own goodbye it has left already.
      if (device.grace !== null || (!this.oracle.counts(device) && device.holder === null)) continue;
      gone.push(this.beat(device, 'offline', null, 10));
    }
    this.together([hiding], gone);
    this.drawn += 1;
  }

  private beat(device: RefDevice, state: State, source: Source | null, ttl_ms: number): SignalDraft {
    const seq = (this.seq += 10);
    return { kind: 'heartbeat', user_id: USER, device_id: device.id, session_id: device.session, seq, state, source, ttl_ms };
  }

  /** Whether there is a way to come back that others would see just so. */
  private mayReturn(): boolean {
    const devices = this.oracle.devices(USER);
    const counting = devices.filter((device) => this.oracle.counts(device));
    if (this.oracle.ghosts(USER).some(({ id }) => !counting.some((device) => device.id === id))) return false;
    if (!this.steady()) return false;
    if (devices.some((device) => device.holder !== null && !counting.includes(device))) return false;
    return counting.every((device) => device.grace === null && device.silence === null);
  }

  /**
   * Devices come back one after the other. Where that would show a state in between, and the end is what others saw all along,
   * the change back would be dated anew in the same window: those who leave and return there look otherwise by chance alone.
   */
  private steady(): boolean {
    const { oracle } = this;
    const seen = new Map<string, { readonly state: State; readonly source: Source }>();
    for (const ghost of oracle.ghosts(USER)) seen.set(ghost.id, ghost);
    const before = oracle.speaks(seen.values());
    let wavers = false;
    for (const device of oracle.ranked(USER)) {
      seen.set(device.id, device);
      if (oracle.speaks(seen.values()) !== before) wavers = true;
    }
    return !wavers || oracle.speaks(seen.values()) !== before;
  }

  /** What each living device says in `ahead` ms: all of it, so that it is where it is. */
  private back(ahead: number): SignalDraft[] {
    const { oracle } = this;
    this.lifted += 1;
    // Who is dead or forgotten here and never was alive there must say everything when heard of again.
    for (let i = 0; i < this.devices; i += 1) this.anew.add(`${USER}/d${i}`);
    const back: SignalDraft[] = [];
    for (const device of oracle.ranked(USER)) {
      this.anew.delete(`${USER}/${device.id}`);
      const { id, session, state, source, holder } = device;
      const said = { device_id: id, session_id: session, state, source };
      if (holder !== null)
        back.push({ kind: 'hello', user_id: USER, ...said, connection_id: holder.connection, gateway_id: holder.gateway });
      if (device.ttl !== null) back.push(this.beat(device, state, source, oracle.left(device, ahead)));
    }
    return back;
  }

  private unveil(): void {
    const back = this.back(0);
    if (this.chance(0.3)) {
      const other = this.override(USER, this.pick(['dnd', 'busy', 'online', 'away', 'offline']));
      this.together([other], [other, ...back]);
      return;
    }
    const clearing: SignalDraft = { kind: 'override_cleared', user_id: USER, ...this.writer() };
    this.together([clearing], [signOf(clearing), ...back]);
  }
}

/** What else a record says: that its gateway lives. */
const signOf = ({ gateway_id = '' }: SignalDraft): SignalDraft =>
  gateway_id === '' ? { kind: 'tick' } : { kind: 'marker', gateway_id };
