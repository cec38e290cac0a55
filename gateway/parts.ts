/**
 * The parts of a gateway and what they ask of each other.
 *
 * ```
 *  server (uWS, http, ws, auth) ─> devices (holders, beats, silence) ─> outbox ─> presence.signals
 *            │    │
 *            │    └─> fan-out (watchers, snapshots, diffs, resume) <─ presence.diffs, presence.interest
 *            └─> reads (cache, then database)
 * ```
 */
import type { Signal, Source, State } from '../schemas/generated.ts';
import type { OverrideView, Presence } from '../schemas/presence.ts';
import type { Principal } from './auth.ts';

/** A signal before the outbox gives it gateway_id and ordinal; what is left out is the schema's default. */
export type SignalDraft = Pick<Signal, 'kind' | 'user_id'> & Partial<Omit<Signal, 'kind' | 'user_id' | 'gateway_id' | 'ordinal'>>;

export interface SendOptions {
  readonly traceparent?: string;
  /** Asked once, right before the first attempt: a hello whose socket has closed since is dropped, and takes no ordinal. */
  readonly cancelled?: () => boolean;
}

export interface Outbox {
  /** New at each start. */
  readonly gatewayId: string;
  /**
   * Queues a signal, in order per user; resolves once the log has it, however long that takes. Rejects at
   * once with OUTBOX_FULL (retriable) when as much is held as may be, or when closing.
   */
  send(draft: SignalDraft, options?: SendOptions): Promise<'sent' | 'cancelled'>;
  /** Whether `send` would refuse now. */
  readonly full: boolean;
  /** Whether the log took the last attempt. For readyz. */
  readonly connected: boolean;
  /** The partition of a user's key. */
  partitionOf(userKey: string): number;
  /** Sends what is held, for at most `within_ms`. */
  close(within_ms: number): Promise<void>;
}

/** A stream connection as the other parts see it. */
export interface Connection {
  readonly id: string;
  /** The key of the user whose token it bears. */
  readonly userKey: string;
  readonly tenant: string;
  /** Of the token it bears now; undefined where a connection does not tell: it is then nobody's that is named or an admin. */
  readonly principal?: Pick<Principal, 'scopes' | 'watch'>;
  readonly open: boolean;
  /** The socket holds more than it should (64 KB): hold back what can be held back, ask again at the next tick. */
  readonly slow: boolean;
  /**
   * One text frame. It is always taken while the connection is open, also by a slow one (beyond a hard bound,
   * 8 MiB, the connection is closed with 4408). Returns whether the next one may come at once: `open && !slow`.
   */
  send(frame: string): boolean;
  /** Ends the connection with an error frame first. */
  refuse(code: string, detail: string, closeCode: number): void;
}

export interface SaidState {
  readonly state?: State;
  readonly source?: Source;
  readonly traceparent?: string;
}

/** Who holds which device, what counts as a beat, and when silence is said (architecture: "Heartbeats end in the gateway"). */
export interface Devices {
  /** Binds the connection to a device; resolves once the log has the hello. */
  hello(connection: Connection, hello: SaidState & { readonly device_id: string; readonly session_id: string }): Promise<void>;
  /**
   * Resolves once the log has it, or at once if it is only a beat (nothing said changes and no ack is asked).
   * BAD_INPUT before a hello.
   */
  heartbeat(connection: Connection, heartbeat: SaidState & { readonly seq: number; readonly ack: boolean }): Promise<void>;
  goodbye(connection: Connection, options: { readonly traceparent?: string }): Promise<void>;
  /** A message, ping or pong has come. Counts for nothing while the connection is unbound. */
  beat(connection: Connection): void;
  /** The socket has closed: a goodbye for 1000, 1001 and 1005, else silence in due time. */
  closed(connection: Connection, code: number): void;
  close(): Promise<void>;
}

/** What becomes of a kept list: `set` first, then `add`, then `remove`. Keys of users. */
export interface ListChange {
  readonly set?: readonly string[];
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

/**
 * Watchers and what they are sent. A watcher is a connection; it watches itself, its user's kept list, and what it
 * subscribed to.
 */
export interface FanOut {
  /** Everyone is told of their own presence and their kept list unasked: sends the first snapshot. */
  attach(connection: Connection): Promise<void>;
  /** Sends a `snapshot` frame of these, then their diffs. Keys of users. BAD_INPUT beyond 10,000 watched. */
  subscribe(connection: Connection, keys: readonly string[]): Promise<void>;
  unsubscribe(connection: Connection, keys: readonly string[]): void;
  /** BAD_INPUT on a garbled cursor. */
  resume(connection: Connection, cursor: string, keys: readonly string[]): Promise<void>;
  detach(connection: Connection): void;
  /** The kept list of a user, keys in the order kept. */
  interest(watcher: string): readonly string[];
  /** Keeps a new list; resolves when this gateway (and so its connections) has it back from the log. */
  keep(watcher: string, change: ListChange): Promise<readonly string[]>;
  /** Resolves when diffs and lists have been read up to now. For readyz. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** What a policy needs beside (policed.ts). */
export interface PolicableFanOut extends FanOut {
  /** Whom this connection watches, themself apart, and whether it asked (or only its user's kept list has them). */
  watches(connection: Connection): readonly { readonly key: string; readonly asked: boolean }[];
  /** Sends a `snapshot` frame of these as they are given. */
  tell(connection: Connection, presences: readonly Presence[]): void;
  /** Begins and ends what the kept list of this user makes their connections watch. */
  listChanged(userKey: string, added: readonly string[], removed: readonly string[]): void;
}

/** Who asks decides what is read: the user (and an admin of the tenant) the truth, others the public view. */
export type Viewer = { readonly userKey: string; readonly admin: boolean };

export interface Reads {
  /** In the order asked; `user_id` without tenant. Cache first, then database, filling the cache for 5 s. */
  presences(keys: readonly string[], viewer: Viewer): Promise<readonly Presence[]>;
  /** The override that holds, as far as the sinks have come; null where none does. */
  override(key: string): Promise<OverrideView | null>;
}
