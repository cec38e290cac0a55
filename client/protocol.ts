/**
 * The frames of the stream as a client sees them (subprotocol `presence.v1`), and nothing of how they are sent. The
 * gateway has the same types in gateway/ws/protocol.ts; test/client/protocol.test.ts holds the two together.
 */
import type { Source, State } from '../schemas/generated.ts';
import type { DiffView, Presence } from '../schemas/presence.ts';

export type { Cause, Source, State } from '../schemas/generated.ts';
export type { DiffView, Presence } from '../schemas/presence.ts';

/** What a device may say of itself; `offline` is a goodbye. */
export type DeviceState = Exclude<State, 'invisible'>;
export type DeviceSource = Exclude<Source, 'manual'>;

/** A device's state, and who says so: `app` (the user or the app), `inferred` (deduced, say from idleness). */
export interface Said {
  readonly state?: DeviceState;
  readonly source?: DeviceSource;
  /** W3C trace context, which goes on to the diffs that this causes. */
  readonly traceparent?: string;
}

export type ClientFrame =
  | ({ readonly type: 'hello'; readonly device_id: string; readonly session_id: string } & Said)
  | { readonly type: 'token'; readonly token: string }
  | ({ readonly type: 'heartbeat'; readonly seq: number; readonly ack?: boolean } & Said)
  | { readonly type: 'subscribe'; readonly user_ids: readonly string[] }
  | { readonly type: 'unsubscribe'; readonly user_ids: readonly string[] }
  | { readonly type: 'resume'; readonly cursor: string; readonly user_ids?: readonly string[] }
  | { readonly type: 'goodbye'; readonly traceparent?: string };

export type ServerFrame =
  | { readonly type: 'welcome'; readonly heartbeat_ms: number; readonly ttl_ms: number; readonly connection_id: string }
  | { readonly type: 'snapshot'; readonly presences: readonly Presence[]; readonly cursor: string }
  | { readonly type: 'diffs'; readonly diffs: readonly DiffView[]; readonly cursor: string }
  | { readonly type: 'ack'; readonly seq: number }
  | { readonly type: 'error'; readonly code: string; readonly detail: string }
  | { readonly type: 'drain'; readonly reconnect_in_ms: number };

export const SUBPROTOCOL = 'presence.v1';
export const BEARER_PREFIX = 'bearer.';
export const STREAM_PATH = '/presence/stream';

/** 1 to 128 of these characters; `__proto__` and `constructor` are ids like any other. */
export const idPattern = /^[A-Za-z0-9._:@|+=-]{1,128}$/;
/** Most users that a connection watches beside the kept list. */
export const WATCH_LIMIT = 10_000;

/** Close codes after which coming back is not just a matter of waiting a little. */
export const closes = { token: 4401, replaced: 4409, tooFast: 4429 } as const;
/** How this client ends a connection that another one has taken over: not cleanly, so that it is no goodbye. */
export const MOVED = 4000;
