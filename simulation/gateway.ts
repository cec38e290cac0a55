/**
 * A gateway of real parts: outbox, devices, streams and sessions; only the sockets are simulated, and the fan-out (this
 * world watches the log itself). It is started, killed (its kernel closes the sockets, or its machine has no power
 * to), made to stand still, cut off from the log, and started again, each time as a new process with a new id.
 */
import { silentLogger } from '../base/logger.ts';
import type { Authenticator, Principal } from '../gateway/auth.ts';
import { createDevices, type GatewayDevices } from '../gateway/devices.ts';
import { Origins } from '../gateway/http/origins.ts';
import { Readiness } from '../gateway/http/readiness.ts';
import { Buckets, defaultRate } from '../gateway/limits.ts';
import { createOutbox, type GatewayOutbox } from '../gateway/outbox.ts';
import type { FanOut } from '../gateway/parts.ts';
import { Streams } from '../gateway/ws/stream.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Broker } from './broker.ts';
import type { Host } from './host.ts';
import { Link } from './link.ts';
import type { Scheduler } from './scheduler.ts';
import type { ServerEvents, Socket } from './socket.ts';

const CLOSE_WITHIN_MS = 2_000;

export interface GatewayOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly broker: Broker;
  readonly codecs: Codecs;
  readonly heartbeat_ms: number;
  readonly ttl_ms: number;
  /** It says silence of this device, having itself run for so long since that last beat: while it stood still it heard nobody. */
  readonly silenceSaid: (deviceId: string, ran_ms: number) => void;
}

/** Nobody watches through a simulated gateway. */
const nobodyWatches = {
  attach: async () => {},
  subscribe: async () => {},
  unsubscribe: () => {},
  resume: async () => {},
  detach: () => {},
  interest: () => [],
  keep: async () => [],
  ready: Promise.resolve(),
  close: async () => {},
} satisfies FanOut;

const nobodyAsks: Authenticator = {
  verify: () => Promise.reject(new Error('No token is verified in a simulation.')),
  known: () => undefined,
};

const scopes: Principal['scopes'] = new Set(['presence:read', 'presence:write']);

/** What the upgrade leaves with a socket. */
export const userData = (user: string): { readonly principal: Principal; readonly traceparent: string } => ({
  principal: { tenant: 'default', userId: user, userKey: user, scopes, ends: Number.POSITIVE_INFINITY },
  traceparent: '',
});

/** A gateway's place: a machine, on which one process after the other runs. */
export class SimulatedGateway {
  readonly name: string;
  readonly #options: GatewayOptions;
  #starts = 0;
  #running: Running | null = null;
  /** false: its machine answers nothing, not even with a refusal. */
  power = true;

  constructor(options: GatewayOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    this.power = true;
    this.#starts += 1;
    this.#running = new Running(this.#options, `${this.name}.${this.#starts}`);
  }

  /** The process, where one takes connections now. */
  get serving(): Running | null {
    return this.#running?.ready === true ? this.#running : null;
  }

  /** `power`: whether the machine lives on, and closes the process's sockets. */
  kill(power: boolean): void {
    this.power = power;
    this.#running?.kill(power);
    this.#running = null;
  }

  /** The process drains, closes and ends; nothing if none runs. */
  shutDown(): void {
    this.#running?.shutDown();
    this.#running = null;
  }

  stall(for_ms: number): void {
    this.#running?.stall(for_ms);
  }

  cut(for_ms: number): void {
    if (this.#running !== null) this.#running.link.cutUntil = this.#options.scheduler.now + for_ms;
  }

  get sockets(): Iterable<Socket> {
    return this.#running?.sockets ?? [];
  }
}

/** One process. */
export class Running {
  readonly host: Host;
  readonly link: Link;
  readonly sockets = new Set<Socket>();
  readonly #scheduler: Scheduler;
  readonly #stalls: { readonly from: number; readonly to: number }[] = [];
  #events: ServerEvents | null = null;
  #outbox: GatewayOutbox | null = null;
  #devices: GatewayDevices | null = null;
  #streams: Streams | null = null;
  #leaving = false;

  constructor(options: GatewayOptions, name: string) {
    this.#scheduler = options.scheduler;
    this.host = options.scheduler.host(name);
    this.link = new Link(options.scheduler, options.broker, this.host);
    options.scheduler.send(this.host, 0, () => void this.#start(options));
  }

  /** What the server does with sockets; null before it is ready, and while it ends. */
  get ready(): boolean {
    return this.#events !== null && this.host.alive && !this.#leaving;
  }
  get events(): ServerEvents | null {
    return this.#events;
  }
  get outbox(): GatewayOutbox {
    return this.#outbox as GatewayOutbox;
  }
  /** It runs, and the log hears it. */
  get heard(): boolean {
    return this.host.alive && this.host.stalledUntil <= this.#scheduler.now && this.link.cutUntil <= this.#scheduler.now;
  }

  stall(for_ms: number): void {
    const from = Math.max(this.#scheduler.now, this.host.stalledUntil);
    const to = this.#scheduler.now + for_ms;
    if (to <= from) return;
    this.#stalls.push({ from, to });
    this.host.stalledUntil = to;
  }

  kill(power: boolean): void {
    this.host.alive = false;
    this.link.end();
    for (const socket of this.sockets) socket.orphan(power);
  }

  shutDown(): void {
    if (this.ready) this.#scheduler.send(this.host, 0, () => void this.#end());
    else this.kill(true);
    this.#leaving = true;
  }

  async #start({ codecs, heartbeat_ms, ttl_ms, silenceSaid }: GatewayOptions): Promise<void> {
    const log = this.link;
    const logger = silentLogger;
    this.#outbox = await createOutbox({ log, codecs, logger });
    this.#watchSilences(this.#outbox, silenceSaid);
    const devices = await createDevices({ outbox: this.#outbox, log, codecs, logger, ttl_ms });
    this.#devices = devices;
    const app = {
      ws: (_path: string, behaviour: ServerEvents) => {
        this.#events = behaviour;
      },
    };
    this.#streams = new Streams(app as unknown as ConstructorParameters<typeof Streams>[0], {
      devices,
      fanOut: nobodyWatches,
      authenticator: nobodyAsks,
      origins: new Origins([]),
      buckets: new Buckets(defaultRate),
      readiness: new Readiness({}),
      rate: defaultRate,
      logger,
      path: '/presence/stream',
      connectionsMax: Number.MAX_SAFE_INTEGER,
      noCompression: 0,
      slowBytes: Number.MAX_SAFE_INTEGER,
      slowBytesMax: Number.MAX_SAFE_INTEGER,
      heartbeat_ms,
      ttl_ms,
    });
  }

  #watchSilences(outbox: GatewayOutbox, said: GatewayOptions['silenceSaid']): void {
    const say = outbox.sendAlways.bind(outbox);
    outbox.sendAlways = (draft, options) => {
      const { device_id, silent_ms } = draft;
      if (device_id != null && silent_ms != null) said(device_id, silent_ms - this.#stood(this.#scheduler.now - silent_ms));
      return say(draft, options);
    };
  }

  /** For how long it has stood still since then, ms. */
  #stood(since: number): number {
    return this.#stalls.reduce((sum, { from, to }) => sum + Math.max(0, to - Math.max(from, since)), 0);
  }

  async #end(): Promise<void> {
    this.#streams?.drain(CLOSE_WITHIN_MS);
    await this.#streams?.emptied(CLOSE_WITHIN_MS);
    this.#streams?.stop();
    await this.#devices?.close();
    await this.#outbox?.close(CLOSE_WITHIN_MS);
    this.kill(true);
  }
}
