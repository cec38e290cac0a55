/**
 * The stream's protocol: JSON text frames on `/presence/stream`, subprotocol `presence.v1`. The only file that a
 * consumer must read.
 *
 * First comes `welcome`, then a `snapshot` of the user's own presence and kept list. Times are RFC 3339 with
 * milliseconds. A refused frame changes nothing and is answered with `error`; the connection stays unless the
 * fault is grave, and is then closed with one of `closeCodes`, whose reason says whether to come back.
 */
import type { Source, State } from '../../schemas/generated.ts';
import type { DiffView, Presence } from '../../schemas/presence.ts';

export const SUBPROTOCOL = 'presence.v1';
/** A second subprotocol that carries the token, for browsers: `bearer.<JWT>`. */
export const BEARER_PREFIX = 'bearer.';

/** The server pings this often; each pong (or message, or ping of the client) is a beat. */
export const HEARTBEAT_MS = 1_000;
/** A device without a beat for this long is silent. */
export const TTL_MS = 3_000;
/** How long a connection lives on after its token has ended. */
export const TOKEN_GRACE_MS = 30_000;
/** Largest frame from a client. */
export const FRAME_LIMIT_BYTES = 2 * 1024 * 1024;

type Said = {
  readonly state?: Exclude<State, 'invisible'>;
  readonly source?: Exclude<Source, 'manual'>;
  /** W3C trace context that goes on to the diffs that this causes; a malformed one is ignored. */
  readonly traceparent?: string;
};

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

/** What `error` frames say. Grave ones are followed by a close. */
export const frameErrors = {
  bad_frame: 'Not a JSON object in a text frame.',
  unknown_type: 'No frame has this type.',
  bad_input: 'A field is missing or malformed, there are too many ids, or the cursor is not one of ours.',
  hello_first: 'No device is bound yet: say hello.',
  forbidden: "The token's scopes don't allow this.",
  bad_token: 'The fresh token is not valid, or is not of this user and tenant; the old one stays.',
  token_ended: 'The token has ended: send a fresh one within 30 s.',
  unavailable: 'Not able now; try again.',
  internal: 'Something went wrong here.',
  too_large: 'The frame is over 2 MiB. Grave: 1009.',
  too_fast: 'Too many frames. Grave: 4429.',
  too_slow: 'The reader does not keep up. Grave: 4408.',
  session_replaced: 'Another connection speaks for this device now. Grave: 4409.',
} as const;

export type FrameErrorCode = keyof typeof frameErrors;

/** Close codes and their reasons (at most 123 bytes, RFC 6455). */
export const closeCodes = {
  1009: 'Do not send that again; come back: the frame was too large.',
  1012: 'Come back: this gateway is being emptied, another one serves.',
  4401: 'Come back with a fresh token: this one has ended.',
  4408: 'Come back: the reader was too slow.',
  4409: 'Do not come back in this session: another connection speaks for the device. A new session may.',
  4429: 'Come back after 5 s: too many frames.',
} as const;

export type CloseCode = keyof typeof closeCodes;

export const closeReason = (code: number): string => (code in closeCodes ? closeCodes[code as CloseCode] : '');
