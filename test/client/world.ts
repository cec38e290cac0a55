/**
 * A client in a world of its own: virtual time, chance by hand, and sockets whose other end the test is. What the server says
 * is said by the test; what the client says is kept by socket, in order.
 */
import { type ClientOptions, PresenceClient } from '../../client/client.ts';
import type { Clock } from '../../client/clock.ts';
import type { Connection, Fault } from '../../client/link.ts';
import type { Change } from '../../client/picture.ts';
import type { DiffView, Presence, ServerFrame, State } from '../../client/protocol.ts';

/** Lets everything go on that waits for no timer. */
export const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

export class VirtualClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00Z');
  #next = 0;
  readonly #timers = new Map<number, { readonly due: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }
  setTimeout(run: () => void, ms: number): unknown {
    this.#next += 1;
    this.#timers.set(this.#next, { due: this.#now + ms, run });
    return this.#next;
  }
  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number);
  }
  get timers(): number {
    return this.#timers.size;
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const [first] = [...this.#timers].sort(([a, x], [b, y]) => x.due - y.due || a - b);
      if (first === undefined || first[1].due > until) break;
      this.#now = Math.max(this.#now, first[1].due);
      this.#timers.delete(first[0]);
      first[1].run();
    }
    this.#now = until;
    await settled();
  }

  /** The machine sleeps: time goes on, timers do not, and all that are due fire at its end. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
    await this.advance(0);
  }
}

type Sent = { readonly type: string; readonly [field: string]: unknown };

export class ScriptedSocket {
  readyState = 0;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: Sent[] = [];
  /** The code that the client closed it with. */
  endedWith: number | undefined;
  readonly url: string;
  readonly protocols: readonly string[];

  constructor(url: string, protocols: readonly string[]) {
    this.url = url;
    this.protocols = protocols;
  }
  send(data: string): void {
    if (this.readyState !== 1) throw new Error('not open');
    this.sent.push(JSON.parse(data) as Sent);
  }
  close(code?: number): void {
    if (code !== 1000 && (code === undefined || code < 3000 || code > 4999)) throw new Error(`a browser refuses close(${code})`);
    this.endedWith = code;
    this.readyState = 2;
  }

  // The other end

  say(frame: ServerFrame | { readonly type: string } | string): void {
    this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
  }
  welcome(connection_id = 'c1'): this {
    this.readyState = 1;
    this.say({ type: 'welcome', heartbeat_ms: 1_000, ttl_ms: 3_000, connection_id });
    return this;
  }
  drop(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
  /** What came since the last time, without the client's probes. */
  take(): Sent[] {
    return this.sent.splice(0).filter((frame) => !isProbe(frame));
  }
  probes(): number {
    return this.sent.filter(isProbe).length;
  }
}

const isProbe = ({ type, user_ids }: Sent): boolean => type === 'subscribe' && Array.isArray(user_ids) && user_ids.length === 0;

export interface World {
  readonly client: PresenceClient;
  readonly clock: VirtualClock;
  readonly sockets: ScriptedSocket[];
  readonly socket: ScriptedSocket;
  readonly changes: Change[];
  readonly statuses: Connection[];
  readonly faults: Fault[];
  /** `bob online #3` for each change, since the last time. */
  told(): string[];
}

/** `random`: what is drawn; 0.5 if not said. */
export function world(options: Partial<ClientOptions> = {}): World {
  const clock = new VirtualClock();
  const sockets: ScriptedSocket[] = [];
  class Socket extends ScriptedSocket {
    constructor(url: string, protocols: readonly string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const client = new PresenceClient({
    url: 'https://presence.test',
    token: 'dev:ada',
    deviceId: 'd1',
    sessionId: 's1',
    WebSocket: Socket,
    fetch: null,
    clock,
    random: () => 0.5,
    host: {},
    ...options,
  });
  const [changes, statuses, faults]: [Change[], Connection[], Fault[]] = [[], [], []];
  client.on('presence', (some) => void changes.push(...some));
  client.on('connection', (connection) => void statuses.push(connection));
  client.on('error', (fault) => void faults.push(fault));
  return {
    client,
    clock,
    sockets,
    get socket() {
      return sockets.at(-1) as ScriptedSocket;
    },
    changes,
    statuses,
    faults,
    told: () => changes.splice(0).map(({ presence }) => `${presence.user_id} ${presence.state} #${presence.version}`),
  };
}

/** Connected and welcomed, its hello taken. */
export async function connected(options: Partial<ClientOptions> = {}): Promise<World> {
  const made = world(options);
  made.client.connect();
  await settled();
  made.socket.welcome();
  return made;
}

export const presence = (user_id: string, state: State, version: number, more: Partial<Presence> = {}): Presence => ({
  user_id,
  state,
  source: 'app',
  since: '2026-01-01T00:00:00.000Z',
  last_seen: '2026-01-01T00:00:00.000Z',
  fresh_at: '2026-01-01T00:00:00.000Z',
  stale: false,
  epoch: 7,
  version,
  devices: state === 'offline' ? 0 : 1,
  ...more,
});

export const diff = (user_id: string, from: State, to: State, version: number, more: Partial<DiffView> = {}): DiffView => ({
  user_id,
  from,
  to,
  at: '2026-01-01T00:00:01.000Z',
  epoch: 7,
  version,
  cause: 'signal',
  source: 'app',
  trace_id: null,
  ...more,
});

export const snapshot = (...presences: readonly Presence[]): ServerFrame => ({ type: 'snapshot', presences, cursor: 'k1' });
export const diffs = (...some: readonly DiffView[]): ServerFrame => ({ type: 'diffs', diffs: some, cursor: 'k2' });
