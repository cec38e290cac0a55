/**
 * Logs for the laws: made from a seed, in the manner of swarm testing. Each seed leaves out some kinds of records
 * altogether and gives the rest wildly different odds; it is sparse or crowded, well-behaved or not. A tame generator
 * proves nothing: what is rare in life (equal stamps, holes, leaps back, resends, wrong markers, an override that ends within the
 * window that it began in) is frequent here.
 */
import type { Signal, Source, State } from '../schemas/generated.ts';
import { addHolding, type Holdings, holdingHash } from '../schemas/holdings.ts';
import { type SignalDraft, signal } from '../schemas/signal.ts';
import type { Input } from './stage.ts';

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = (seed * 0x9e37_79b1) | 0;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const kinds = [
  'hello',
  'heartbeat',
  'http',
  'goodbye',
  'silence',
  'override',
  'clear',
  'marker',
  'tick',
  'resend',
  'epoch',
  'gatewaySwitch',
  'hole',
  'leap',
  'quiet',
  'restated',
] as const;
type Kind = (typeof kinds)[number];

export interface SwarmOptions {
  readonly seed: number;
  readonly records: number;
  /** No ordinals: records can be taken out and put in. */
  readonly withoutOrdinals?: boolean;
}

export function swarm(options: SwarmOptions): Input<Signal>[] {
  return new Swarm(options).run();
}

class Swarm {
  private readonly rnd: () => number;
  private readonly options: SwarmOptions;
  private readonly odds: Readonly<Record<Kind, number>>;
  private readonly log: Input<Signal>[] = [];
  private readonly users: number;
  private readonly devices: number;
  private readonly gateways: number;
  private readonly crowd: number;
  private readonly equal: number;
  /** Times are multiples of it: the coarser, the more falls due at the same stamp. */
  private readonly grid: number;
  private readonly steady: boolean;
  private readonly lossy: number;
  private readonly says: number;
  /** How often what is said has waited in its gateway. */
  private readonly waits: number;
  private readonly ordinals = new Map<string, number>();
  private readonly seqs = new Map<string, number>();
  private readonly sessions = new Map<string, number>();
  private readonly connections = new Map<string, { readonly id: string; readonly gateway: string }>();
  private readonly dead = new Set<string>();
  private readonly marked = new Map<string, number>();
  private count = 0;
  private time: number;

  constructor(options: SwarmOptions) {
    this.options = options;
    const rnd = random(options.seed);
    this.rnd = rnd;
    this.odds = Object.fromEntries(kinds.map((kind) => [kind, rnd() < 0.3 ? 0 : rnd() ** 3])) as Record<Kind, number>;
    Object.assign(this.odds, {
      hole: this.odds.hole * 0.05,
      leap: this.odds.leap * 0.05,
      quiet: rnd() < 0.9 ? 0 : 0.01,
      epoch: this.odds.epoch * 0.05,
      tick: 0.05,
    });
    this.users = 1 + this.below(4);
    this.devices = 1 + this.below(3);
    this.gateways = 1 + this.below(3);
    this.crowd = 2 ** this.below(11); // mean pause, ms
    this.equal = rnd() < 0.5 ? 0 : rnd();
    this.grid = this.pick([1, 1, 100, 500, 1_000]);
    this.steady = rnd() < 0.8;
    this.lossy = rnd() < 0.7 ? 0 : 0.05;
    this.says = rnd();
    this.waits = rnd() < 0.5 ? 0 : rnd();
    this.time = 1_700_000_000_000 + this.round(this.below(1_000));
  }

  run(): Input<Signal>[] {
    this.push({ kind: 'cut', epoch: 1 });
    while (this.log.length < this.options.records) {
      if (this.rnd() >= this.equal) this.pass(this.round(this.rnd() ** 2 * 3 * this.crowd));
      this.happen();
    }
    return this.log;
  }

  private below(n: number): number {
    return Math.floor(this.rnd() * n);
  }

  private round(length: number): number {
    return Math.floor(length / this.grid) * this.grid;
  }

  private pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  private push(draft: SignalDraft): void {
    // Stamps may lie a little below those before: brokers and clients interleave.
    const jitter = this.rnd() < 0.05 ? this.round(this.below(300)) : 0;
    this.log.push({
      offset: this.log.length,
      stamp: this.time - jitter,
      value: signal({ received_at: this.time - 3, held_ms: this.held(draft), ...draft }),
    });
  }

  private held({ kind }: SignalDraft): number {
    const waits = kind !== 'marker' && kind !== 'tick' && kind !== 'cut' && this.waits > 0 && this.rnd() < this.waits;
    return waits ? this.below(this.pick([10, 600, 6_000, 60_000])) : 0;
  }

  /** Time goes on, with what a healthy log has: ticks, and markers of the gateways that live. */
  private pass(pause: number): void {
    let left = pause;
    for (; left > 1_400; left -= 1_000) {
      this.time += 1_000;
      this.markers();
      this.push({ kind: 'tick' });
    }
    this.time += left;
    if (this.steady) this.markers();
  }

  private markers(): void {
    for (let i = 0; i < this.gateways; i += 1) {
      const gateway = `g${i}`;
      const last = this.marked.get(gateway) ?? 0;
      if (this.dead.has(gateway) || this.time - last < 1_000) continue;
      this.marked.set(gateway, this.time);
      this.push({ kind: 'marker', gateway_id: gateway, ordinal: this.ordinals.get(gateway) ?? 0 });
    }
  }

  private ordinal(gateway: string): number {
    if (this.options.withoutOrdinals === true) return 0;
    const ordinal = (this.ordinals.get(gateway) ?? 0) + 1 + (this.rnd() < this.lossy ? this.below(3) : 0);
    this.ordinals.set(gateway, ordinal);
    return ordinal;
  }

  private happen(): void {
    let at = this.rnd() * kinds.reduce((sum, kind) => sum + this.odds[kind], 0);
    const kind = kinds.find((one) => {
      at -= this.odds[one];
      return at < 0;
    });
    this.does[kind ?? 'tick']();
  }

  private readonly does: Readonly<Record<Kind, () => void>> = {
    hello: () => this.hello(false),
    restated: () => this.hello(true),
    heartbeat: () => this.heartbeat(false),
    http: () => this.heartbeat(true),
    goodbye: () => this.leave('goodbye'),
    silence: () => this.leave('silence'),
    override: () => this.override(),
    clear: () => {
      const override_id = this.rnd() < 0.5 ? null : this.pick(['o1', 'o2']);
      this.push({ kind: 'override_cleared', user_id: this.user(), override_id, ...this.written() });
    },
    marker: () => this.marker(),
    resend: () => this.resend(),
    epoch: () => this.push({ kind: 'cut', epoch: 1 + this.below(5) }),
    gatewaySwitch: () => this.switchGateway(),
    hole: () => {
      this.time += 1_501 + this.below(this.pick([10, 2_000, 60_000]));
      if (this.grid > 1) this.time = Math.ceil(this.time / this.grid) * this.grid;
      this.push({ kind: 'tick' });
    },
    leap: () => {
      this.time -= 1_001 + this.below(this.pick([10, 5_000, 100_000]));
      this.push({ kind: 'tick' });
    },
    quiet: () => this.pass(500_000 + this.below(300_000)),
    tick: () => this.push({ kind: 'tick' }),
  };

  private user(): string {
    return `u${this.below(this.users)}`;
  }

  private gateway(): string {
    return `g${this.below(this.gateways)}`;
  }

  /** Of whoever writes: mostly a gateway that lives. */
  private written(gateway: string = this.gateway()): { gateway_id: string; ordinal: number } {
    return this.rnd() < 0.05 ? { gateway_id: '', ordinal: 0 } : { gateway_id: gateway, ordinal: this.ordinal(gateway) };
  }

  private said(): { state: State | null; source: Source | null } {
    if (this.rnd() > this.says) return { state: null, source: null };
    const state: State | null = this.rnd() < 0.1 ? 'offline' : this.pick<State | null>(['dnd', 'busy', 'online', 'away', null]);
    return { state, source: this.pick<Source | null>(['app', 'inferred', null]) };
  }

  private session(device: string): string {
    const last = this.sessions.get(device) ?? 0;
    const dice = this.rnd();
    if (dice < 0.15) {
      this.sessions.set(device, last + 1);
      return `s${last + 1}`;
    }
    return dice < 0.2 ? `s${this.below(last + 1)}` : `s${last}`;
  }

  private hello(restated: boolean): void {
    const user = this.user();
    const device = `d${this.below(this.devices)}`;
    const id = `${user}/${device}`;
    const now = this.connections.get(id);
    const gateway = restated && now !== undefined && this.rnd() < 0.7 ? now.gateway : this.gateway();
    const connection =
      restated && now !== undefined && this.rnd() < 0.7
        ? now.id
        : `c${this.rnd() < 0.9 ? (this.count += 1) : this.below(this.count + 1)}`;
    this.connections.set(id, { id: connection, gateway });
    this.push({
      kind: 'hello',
      user_id: user,
      device_id: device,
      session_id: this.session(id),
      connection_id: connection,
      gateway_id: gateway,
      ordinal: this.ordinal(gateway),
      restated,
      ...this.said(),
    });
  }

  private heartbeat(http: boolean): void {
    const user = this.user();
    const device = `d${this.below(this.devices)}`;
    const id = `${user}/${device}`;
    const session = this.session(id);
    const run = `${id}/${session}`;
    const seq = (this.seqs.get(run) ?? -1) + (this.rnd() < 0.8 ? 1 + this.below(3) : -this.below(3));
    this.seqs.set(run, Math.max(seq, this.seqs.get(run) ?? 0));
    const now = this.connections.get(id) ?? { id: 'c0', gateway: this.gateway() };
    const connection = this.rnd() < 0.9 ? now.id : `c${this.below(this.count + 1)}`;
    const base = {
      kind: 'heartbeat',
      user_id: user,
      device_id: device,
      session_id: session,
      seq: Math.max(0, seq),
      ...this.said(),
    } as const;
    if (http)
      this.push({ ...base, ttl_ms: Math.max(1, this.round(this.below(this.pick([300, 5_000, 60_000])))), ...this.written() });
    else this.push({ ...base, connection_id: connection, gateway_id: now.gateway, ordinal: this.ordinal(now.gateway) });
  }

  private leave(kind: 'goodbye' | 'silence'): void {
    const user = this.user();
    const device = `d${this.below(this.devices)}`;
    const now = this.connections.get(`${user}/${device}`) ?? { id: 'c0', gateway: this.gateway() };
    this.push({
      kind,
      user_id: user,
      device_id: device,
      session_id: this.rnd() < 0.9 ? null : `s${this.below(3)}`,
      connection_id: this.rnd() < 0.85 ? now.id : `c${this.below(this.count + 1)}`,
      gateway_id: now.gateway,
      ordinal: this.ordinal(now.gateway),
      silent_ms: kind === 'silence' ? this.below(4_000) : null,
    });
  }

  private override(): void {
    const length = this.pick([0, 100, 190, 1_000, 5_000, 60_000]);
    const how = this.rnd();
    this.push({
      kind: 'override_set',
      user_id: this.user(),
      override_id: this.pick(['o1', 'o2']),
      state: this.pick<State>(['invisible', 'invisible', 'dnd', 'busy', 'online', 'away', 'offline']),
      until: how < 0.4 ? this.time + this.round(this.below(length + 100) - 100) : null,
      ttl_s: how > 0.7 ? Math.max(1, this.round(this.below(length + 2))) / 1_000 : null,
      ...this.written(),
    });
  }

  private marker(): void {
    const gateway = this.gateway();
    const holdings: Holdings = { devices: 0, hash: 0 };
    for (const [id, now] of this.connections) {
      const [user = '', device = ''] = id.split('/');
      if (now.gateway === gateway && this.rnd() < 0.95) addHolding(holdings, holdingHash(user, device, now.id));
    }
    const ordinal = this.ordinals.get(gateway) ?? 0;
    const restated = this.options.withoutOrdinals !== true && this.rnd() < 0.2;
    this.push({
      kind: 'marker',
      gateway_id: gateway,
      ordinal: this.rnd() < 0.9 ? ordinal : Math.max(0, ordinal - this.below(3)),
      ...(this.rnd() < 0.5 ? {} : { devices: holdings.devices, devices_hash: holdings.hash }),
      restated_from: restated ? Math.max(0, ordinal - this.below(6)) : null,
    });
  }

  /** A record as it was, again: at once, or long after. */
  private resend(): void {
    const back = this.rnd() < 0.5 ? 1 + this.below(3) : 1 + this.below(this.log.length);
    const record = this.log[Math.max(0, this.log.length - back)];
    if (record !== undefined) this.log.push({ offset: this.log.length, stamp: this.time, value: record.value });
  }

  private switchGateway(): void {
    const gateway = this.gateway();
    if (!this.dead.delete(gateway)) this.dead.add(gateway);
  }
}
