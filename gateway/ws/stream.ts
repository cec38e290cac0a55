/**
 * All streams of a gateway: opening, the sweep, and moving them elsewhere.
 *
 * **The sweep** spreads the server's pings over the second: sessions sit in SLOTS slots, and every `heartbeat_ms` /
 * SLOTS one slot is pinged, so that a hundred thousand pings are not one burst. (uWS' own pings are tied to
 * its idle timeout, and come far too seldom.)
 *
 * **Draining** tells sessions to go in waves, each a random moment within its wave, and closes those that
 * are still there a second later with 1012. New streams are refused meanwhile, and for good.
 */
import { clock, type Timer } from '../../base/clock.ts';
import type { Readiness } from '../http/readiness.ts';
import { closed, connections, opened } from '../metrics.ts';
import type { TemplatedApp, WebSocket } from '../uws.ts';
import { FRAME_LIMIT_BYTES, HEARTBEAT_MS, TTL_MS } from './protocol.ts';
import { Session, type SessionOptions } from './session.ts';
import { createUpgrade, type UpgradeOptions, type UserData } from './upgrade.ts';

export interface StreamOptions extends SessionOptions, Omit<UpgradeOptions, 'room'> {
  readonly readiness: Readiness;
  readonly path: string;
  /** The server pings this often; a device without a beat for the other is silent. Default 1,000 and 3,000. */
  readonly heartbeat_ms?: number;
  readonly ttl_ms?: number;
  /** Most streams at once; beyond it 503. */
  readonly connectionsMax: number;
  /** uWS.DISABLED. */
  readonly noCompression: number;
}

const SLOTS = 20;
const WAVE_MS = 250;
/** After its moment to go, a client has this long to close by itself. */
const LEAVE_MS = 1_000;
/**
 * uWS cuts a connection off, without a close frame, where a frame is larger than its limit. So its limit lies above
 * ours, and what lies between gets the error and the close code that the contract promises.
 */
const CUT_OFF_BYTES = 8 * FRAME_LIMIT_BYTES;
/** Seconds; for sockets that are closed but never drain. Live ones are pinged once a second. */
const SOCKET_IDLE_S = 120;

export class Streams {
  readonly #options: StreamOptions;
  readonly #sessions = new Map<WebSocket<unknown>, Session>();
  readonly #slots: readonly Set<Session>[] = Array.from({ length: SLOTS }, () => new Set<Session>());
  readonly #slotOf = new Map<Session, Set<Session>>();
  readonly #sweep: Timer;
  readonly #timers = new Set<Timer>();
  #slot = 0;
  #nextSlot = 0;
  #empty: (() => void) | undefined;

  constructor(app: TemplatedApp, options: StreamOptions) {
    this.#options = options;
    app.ws<UserData>(options.path, {
      compression: options.noCompression,
      maxPayloadLength: CUT_OFF_BYTES,
      maxBackpressure: 0, // Ours to judge: see session.ts.
      idleTimeout: SOCKET_IDLE_S,
      sendPingsAutomatically: false,
      upgrade: createUpgrade({ ...options, room: () => this.#sessions.size < options.connectionsMax }),
      open: (ws) => this.#open(ws),
      message: (ws, message, isBinary) => this.#sessions.get(ws)?.message(message, isBinary),
      ping: (ws) => this.#sessions.get(ws)?.heard('ping'),
      pong: (ws) => this.#sessions.get(ws)?.heard('pong'),
      close: (ws, code) => this.#close(ws, code),
    });
    this.#sweep = clock.setInterval(() => this.#sweepSlot(), (options.heartbeat_ms ?? HEARTBEAT_MS) / SLOTS);
    this.#sweep.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  #open(ws: WebSocket<UserData>): void {
    const { principal, traceparent } = ws.getUserData();
    const session = new Session(ws, { id: clock.randomUUID(), principal, traceparent }, this.#options);
    const slot = this.#slots[this.#nextSlot++ % SLOTS] as Set<Session>;
    slot.add(session);
    this.#slotOf.set(session, slot);
    this.#sessions.set(ws, session);
    connections.inc();
    opened.inc();
    const { heartbeat_ms = HEARTBEAT_MS, ttl_ms = TTL_MS } = this.#options;
    session.begin({ type: 'welcome', heartbeat_ms, ttl_ms, connection_id: session.id });
    // Accepted before a drain began, opened after: it must go like the others.
    if (this.#options.readiness.draining) this.#tellToGo([session], WAVE_MS);
  }

  #close(ws: WebSocket<UserData>, code: number): void {
    const session = this.#sessions.get(ws);
    if (session === undefined) return;
    session.gone();
    this.#sessions.delete(ws);
    this.#slotOf.get(session)?.delete(session);
    this.#slotOf.delete(session);
    connections.dec();
    closed.inc({ code: String(code) });
    this.#options.fanOut.detach(session);
    this.#options.devices.closed(session, code);
    if (this.#sessions.size === 0) this.#empty?.();
  }

  #sweepSlot(): void {
    const now = clock.now();
    // A session that is closed by its sweep leaves the slot meanwhile; a Set's iteration allows that.
    for (const session of this.#slots[this.#slot] as Set<Session>) session.sweep(now);
    this.#slot = (this.#slot + 1) % SLOTS;
  }

  /** Tells all streams to go within `over_ms`; how many. Resolved by `emptied`. */
  drain(over_ms: number): number {
    this.#options.readiness.draining = true;
    const sessions = [...this.#sessions.values()];
    const waves = Math.max(1, Math.min(Math.ceil(over_ms / WAVE_MS), sessions.length));
    const each = Math.ceil(sessions.length / waves);
    for (let wave = 0; wave < waves; wave += 1) {
      const those = sessions.slice(wave * each, (wave + 1) * each);
      this.#later((wave * over_ms) / waves, () => this.#tellToGo(those, over_ms / waves));
    }
    return sessions.length;
  }

  #tellToGo(sessions: readonly Session[], within_ms: number): void {
    for (const session of sessions) {
      const reconnect_in_ms = Math.floor(clock.random() * within_ms);
      session.say({ type: 'drain', reconnect_in_ms });
      this.#later(reconnect_in_ms + LEAVE_MS, () => session.end(1012));
    }
  }

  /** Resolves when no stream is left, or after `within_ms`, when what is left is closed with 1012. */
  async emptied(within_ms: number): Promise<void> {
    if (this.#sessions.size > 0) {
      await new Promise<void>((resolve) => {
        this.#empty = resolve;
        this.#later(within_ms, resolve);
      });
    }
    for (const session of [...this.#sessions.values()]) session.end(1012);
  }

  /** No timer of ours is left. Call it when emptied. */
  stop(): void {
    clock.clearInterval(this.#sweep);
    for (const timer of this.#timers) clock.clearTimeout(timer);
    this.#timers.clear();
  }

  #later(ms: number, run: () => void): void {
    const timer = clock.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }
}
