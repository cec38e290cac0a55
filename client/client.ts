/**
 * A client of the presence stream: one connection that comes back by itself, one device that speaks over it, and a picture of
 * everyone who is watched.
 *
 * **Model.** What the app wants (whom to watch, what this device says) is kept as state, and told on each connection anew,
 * so it may be said at any time, connected or not. What is said in one turn goes out together, and then not again before
 * FLUSH_MS: an app that says much is never too fast for the server (4429).
 *
 * After a welcome the client says hello, resumes from the last cursor whom a snapshot told of before, and subscribes to the
 * rest. A cursor that is of no use is answered by an error (garbled) or by a snapshot (late): either way the picture is
 * whole again. What the picture misses (a gap) is asked for anew.
 *
 * `unavailable` does not say what it refused: after a pause hello and whatever has no snapshot yet are said again.
 */
import { Alarm, type Clock, systemClock } from './clock.ts';
import { Device } from './device.ts';
import { Emitter, type Listener } from './events.ts';
import { type Host, ownHost, watchHost } from './host.ts';
import { type Connection, type Fault, Link } from './link.ts';
import { type Backoff, pauseOf } from './pauses.ts';
import { type Change, Picture } from './picture.ts';
import type { DeviceSource, DeviceState, DiffView, Presence, ServerFrame } from './protocol.ts';
import type { SocketClass } from './socket.ts';
import { type TokenSource, Tokens } from './tokens.ts';
import { Watching } from './watching.ts';

export interface ClientOptions {
  /** Of a gateway or the balancer before them: `https://presence.example.com`; on a page of theirs `/`. */
  readonly url: string;
  /**
   * A token, or what gets one: then it is asked for again before a token ends and when one is refused. A function that throws is
   * asked again later; one that throws an error with `retriable: false` is not.
   */
  readonly token: TokenSource;
  /** 1 to 128 of `A-Z a-z 0-9 . _ : @ | + = -`. Default: one of its own, kept for as long as the tab lives. */
  readonly deviceId?: string;
  /** The first session's. Default: one of its own. */
  readonly sessionId?: string;
  /** What this device says at first; null: nothing, it only watches until `setState`. Default: that it is there. */
  readonly state?: DeviceState | null;
  readonly backoff?: Partial<Backoff>;
  /** After this long without a frame the server is asked for one, ms. Default 20,000. */
  readonly quiet_ms?: number;
  /** For this long the answer is waited for before the connection is given up, ms. Default 10,000. */
  readonly patience_ms?: number;
  /** Default: the global one, of browsers and of Node 22 on. In Node 20 hand in that of the package `ws`. */
  readonly WebSocket?: SocketClass;
  /** To learn why an upgrade failed. Default: the global one; null: it is never asked. */
  readonly fetch?: typeof globalThis.fetch | null;
  /** Time, chance and the page, for tests. */
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly host?: Host;
}

export interface ClientEvents {
  /** What one frame changed, in its order. */
  readonly presence: readonly Change[];
  readonly connection: Connection;
  readonly error: Fault;
}

interface Said {
  readonly state?: DeviceState;
  readonly source?: DeviceSource;
}

/** Most frames are sent right away; those after it wait until this long after. */
const FLUSH_MS = 50;

export class PresenceClient {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #host: Host;
  readonly #backoff: Backoff;
  readonly #events = new Emitter<ClientEvents>();
  readonly #picture = new Picture();
  readonly #watching = new Watching();
  /** Users of whom snapshots told though nobody asked for them here: the kept list, and the user. */
  readonly #kept = new Set<string>();
  readonly #device: Device;
  readonly #tokens: Tokens;
  readonly #link: Link;
  readonly #flush: Alarm;
  readonly #refresh: Alarm;
  readonly #restate: Alarm;
  /** What this device says; null: nothing, or it said goodbye. */
  #says: Said | null;
  /** What was last said of it on this connection; undefined: nothing yet. */
  #told: Said | null | undefined;
  #token: string | undefined;
  #cursor: string | undefined;
  #resuming = false;
  #refusals = 0;
  /** The first snapshot of whom nobody asked for here has come: the user's own and kept list. */
  #begun = false;
  #flushing = false;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #unwatchHost: (() => void) | undefined;

  constructor(options: ClientOptions) {
    const { clock = systemClock, random = Math.random, fetch = globalThis.fetch, state } = options;
    const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
    if (WebSocket === undefined) throw new TypeError('There is no global WebSocket here: hand one in.');
    this.#clock = clock;
    this.#random = random;
    this.#host = options.host ?? ownHost();
    this.#backoff = { base_ms: 1_000, max_ms: 30_000, ...options.backoff };
    this.#device = new Device(options, { clock, random });
    this.#tokens = new Tokens(options.token, clock, random);
    this.#flush = new Alarm(clock);
    this.#refresh = new Alarm(clock);
    this.#restate = new Alarm(clock);
    this.#says = state === null || state === 'offline' ? null : state === undefined ? {} : { state };
    this.#link = new Link({
      url: options.url,
      tokens: this.#tokens,
      clock,
      random,
      backoff: this.#backoff,
      quiet_ms: options.quiet_ms ?? 20_000,
      patience_ms: options.patience_ms ?? 10_000,
      WebSocket,
      fetch: fetch ?? undefined,
      opened: () => this.#opened(),
      frame: (frame) => this.#frame(frame),
      replaced: () => this.#device.replaced(),
      // Watches nobody more, and is answered by a snapshot of nobody: it costs the server no signal and no read.
      probe: () => void this.#link.send({ type: 'subscribe', user_ids: [] }),
      changed: (connection) => this.#changed(connection),
      fault: (fault) => this.#events.emit('error', fault),
    });
  }

  /** Adds a listener; returns what removes it. */
  on<N extends keyof ClientEvents>(name: N, listener: Listener<ClientEvents[N]>): () => void {
    return this.#events.on(name, listener);
  }

  off<N extends keyof ClientEvents>(name: N, listener: Listener<ClientEvents[N]>): void {
    this.#events.off(name, listener);
  }

  get connection(): Connection {
    return this.#link.connection;
  }

  /** Everyone known: who is watched, the user's own kept list, and the user. As of the last connection while there is none. */
  get presences(): ReadonlyMap<string, Presence> {
    return this.#picture.presences;
  }

  /** Whom this client asked for, beside the kept list. */
  get watched(): readonly string[] {
    return this.#watching.ids;
  }

  /** Connects, and comes back by itself until `close`. Does nothing while it is on. */
  connect(): void {
    this.#unwatchHost ??= watchHost(this.#host, () => this.#link.poke());
    this.#link.connect();
  }

  /** Leaves: a goodbye, then the end. Listeners and watches stay for another `connect`; the picture does not. */
  close(): void {
    if (this.#told != null) this.#link.send({ type: 'goodbye' });
    this.#cursor = undefined;
    this.#watching.beginAnew();
    this.#picture.clear();
    this.#kept.clear();
    this.#link.close();
  }

  /**
   * Watches these users; returns what ends it. Watches are counted: a user is watched until the last of them has ended.
   * Throws TypeError for a malformed id, RangeError beyond 10,000 users; nothing is changed then.
   */
  subscribe(userIds: readonly string[]): () => void {
    this.#watching.add(userIds);
    this.#soon();
    let ended = false;
    return () => {
      if (!ended) this.unsubscribe(userIds);
      ended = true;
    };
  }

  /** Ends one watch of each of these. */
  unsubscribe(userIds: readonly string[]): void {
    for (const id of this.#watching.remove(userIds)) if (!this.#kept.has(id)) this.#picture.forget(id);
    this.#soon();
  }

  /** What this device says from now on; `offline` is a goodbye. Kept over reconnects. */
  setState(state: DeviceState, { source }: { readonly source?: DeviceSource } = {}): void {
    this.#says = state === 'offline' ? null : { state, ...(source === undefined ? {} : { source }) };
    this.#soon();
  }

  /** This device speaks for nobody until the next `setState`; watching goes on. */
  goodbye(): void {
    this.setState('offline');
  }

  #changed(connection: Connection): void {
    const { status } = connection;
    if (status !== 'open') {
      this.#told = undefined;
      for (const alarm of [this.#flush, this.#refresh, this.#restate]) alarm.clear();
      this.#flushing = false;
    }
    if (status === 'idle' || status === 'refused') {
      this.#unwatchHost?.();
      this.#unwatchHost = undefined;
    }
    this.#events.emit('connection', connection);
  }

  #opened(): void {
    this.#told = undefined;
    this.#begun = false;
    this.#refusals = 0;
    this.#restate.clear();
    this.#token = this.#link.token;
    this.#hello();
    this.#rejoin();
    this.#refreshLater();
  }

  #hello(): void {
    this.#told = this.#says;
    if (this.#says === null) return;
    const { device_id, session_id } = this.#device;
    this.#link.send({ type: 'hello', device_id, session_id, ...this.#says });
  }

  #rejoin(): void {
    const cursor = this.#cursor;
    if (cursor === undefined) this.#watching.beginAnew();
    const { resume, subscribe } = this.#watching.begin();
    this.#resuming = resume.length > 0;
    if (cursor !== undefined && this.#resuming) this.#link.send({ type: 'resume', cursor, user_ids: resume });
    if (subscribe.length > 0) this.#link.send({ type: 'subscribe', user_ids: subscribe });
  }

  #frame(frame: ServerFrame): void {
    if ('cursor' in frame) this.#cursor = frame.cursor;
    if (frame.type === 'snapshot') this.#snapshot(frame.presences);
    else if (frame.type === 'diffs') this.#diffs(frame.diffs);
    else if (frame.type === 'drain') this.#link.moveIn(frame.reconnect_in_ms);
    else if (frame.type === 'error') this.#refused(frame);
  }

  #diffs(diffs: readonly DiffView[]): void {
    this.#resuming = false;
    const gaps: string[] = [];
    const changes = this.#picture.diffs(diffs, gaps, (id) => this.#watching.isPending(id));
    this.#tell(changes, gaps);
  }

  #snapshot(presences: readonly Presence[]): void {
    const ids = presences.map(({ user_id }) => user_id);
    const unasked = ids.filter((id) => !this.#watching.has(id));
    this.#watching.told(ids);
    if (unasked.length > 0 && !this.#begun) {
      // The kept list as of now: who was on it before and is not any more is not told of any longer.
      this.#begun = true;
      const now = new Set(ids);
      for (const id of this.#kept) if (!now.has(id) && !this.#watching.has(id)) this.#picture.forget(id);
      this.#kept.clear();
    }
    for (const id of unasked) this.#kept.add(id);
    const gaps: string[] = [];
    this.#tell(this.#picture.snapshot(presences, gaps), gaps);
  }

  #tell(changes: readonly Change[], gaps: readonly string[]): void {
    for (const id of gaps) {
      if (!this.#watching.askAgain(id)) continue;
      this.#soon();
      // One not known: of the kept list, or a diff that was on its way when the app stopped watching.
      if (!this.presences.has(id)) continue;
      this.#events.emit('error', { code: 'gap', detail: `Something of ${id} was missed; a fresh snapshot is asked for.` });
    }
    if (changes.length > 0) this.#events.emit('presence', changes);
  }

  #refused({ code, detail }: Fault): void {
    if (code === 'bad_input' && this.#resuming) {
      // The cursor is garbled, or of another lineage: all over again, without it.
      this.#cursor = undefined;
      this.#rejoin();
      return;
    }
    if (code === 'token_ended') this.#renew();
    else if (code === 'hello_first') this.#hello();
    else if (code === 'unavailable') this.#sayAgainLater();
    this.#events.emit('error', { code, detail });
  }

  #sayAgainLater(): void {
    if (this.#restate.due !== undefined) return;
    const pause = pauseOf(this.#backoff, { failures: this.#refusals++, code: 0, least_ms: this.#backoff.base_ms }, this.#random);
    this.#restate.set(pause, () => {
      this.#hello();
      if (this.#resuming) this.#rejoin();
      else if (this.#watching.waiting.length > 0) this.#link.send({ type: 'subscribe', user_ids: this.#watching.waiting });
    });
  }

  /** Says what has changed: in this turn, or as soon as the last time is FLUSH_MS ago. */
  #soon(): void {
    if (this.#flushing || this.connection.status !== 'open') return;
    this.#flushing = true;
    const wait = this.#flushedAt + FLUSH_MS - this.#clock.now();
    if (wait > 0) this.#flush.set(wait, () => this.#say());
    else queueMicrotask(() => this.#say());
  }

  #say(): void {
    if (!this.#flushing) return;
    this.#flushing = false;
    this.#flushedAt = this.#clock.now();
    for (const { unsubscribe, subscribe } of this.#watching.plan()) {
      if (unsubscribe.length > 0) this.#link.send({ type: 'unsubscribe', user_ids: unsubscribe });
      if (subscribe.length > 0) this.#link.send({ type: 'subscribe', user_ids: subscribe });
    }
    this.#speak();
  }

  /** What this device says, if it is not what it said last on this connection. */
  #speak(): void {
    const says = this.#says;
    const told = this.#told ?? null;
    if (told === null) {
      if (says !== null) this.#hello();
      return;
    }
    if (says === null) this.#link.send({ type: 'goodbye' });
    else if (says.state !== told.state || says.source !== told.source)
      this.#link.send({ type: 'heartbeat', seq: ++this.#device.seq, ...says });
    this.#told = says;
  }

  #refreshLater(): void {
    const wait = this.#tokens.refreshIn();
    if (wait !== undefined) this.#refresh.set(wait, () => this.#renew());
  }

  /** A fresh token on the live connection. */
  #renew(): void {
    if (!this.#tokens.renewable) return;
    this.#tokens.spoil();
    this.#tokens.get().then(
      (token) => {
        // It may have come back meanwhile, and with this very token.
        if (token !== this.#token && this.#link.send({ type: 'token', token })) this.#token = token;
        if (this.connection.status === 'open') this.#refreshLater();
      },
      (error: unknown) => {
        this.#events.emit('error', { code: 'token_unavailable', detail: String(error), cause: error });
        if (this.connection.status !== 'open') return;
        const again = pauseOf(this.#backoff, { failures: 2, code: 0, least_ms: this.#backoff.base_ms }, this.#random);
        this.#refresh.set(again, () => this.#renew());
      },
    );
  }
}
