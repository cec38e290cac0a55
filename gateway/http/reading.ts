/** Routes that read presence and its history. */
import { clock } from '../../base/clock.ts';
import type { HistoryEntry, Presence } from '../../schemas/presence.ts';
import { DEFAULT_TENANT, userKey } from '../../schemas/user-key.ts';
import type { Principal } from '../auth.ts';
import { neverSeen } from '../presence-of.ts';
import { traceForOthers } from '../secrecy.ts';
import { historyQuery, presenceQuery, presenceQueryBody } from '../validation/requests.ts';
import { history, presences } from '../validation/responses.ts';
import { timeOf, windowOf } from '../validation/times.ts';
import { Problem } from './problem.ts';
import { route, type Services } from './route.ts';

/** Who may not be seen is not looked up: it takes as long whether they are there or not. */
async function read(principal: Principal, services: Services, userIds: readonly string[]) {
  const { reads, watching, audit } = services;
  const seen = userIds.filter((id) => watching.maySee(principal, id));
  const keys = principal.tenant === DEFAULT_TENANT ? seen : seen.map((id) => userKey(principal.tenant, id));
  const viewer = { userKey: principal.userKey, admin: principal.scopes.has('presence:admin') };
  const read = await reads.presences(keys, viewer);
  audit?.looked('read', principal, seen, true);
  if (seen.length === userIds.length) return { status: 200, json: { presences: read } };
  const may = new Set(seen);
  audit?.looked(
    'read',
    principal,
    userIds.filter((id) => !may.has(id)),
    false,
  );
  const known = new Map(seen.map((id, i) => [id, read[i] as Presence]));
  return { status: 200, json: { presences: userIds.map((id) => known.get(id) ?? neverSeen(id)) } };
}

const getPresence = route({
  method: 'GET',
  path: '/presence',
  reads: true,
  summary: 'The present state of users',
  description: 'In the order asked, repeats included; a user never seen is offline, version 0.',
  scope: 'presence:read',
  query: presenceQuery,
  responses: { 200: { description: 'One for each id.', schema: presences } },
  refusals: ['unavailable'],
  handle: ({ principal, query, services }) => read(principal, services, query.user_ids),
});

const queryPresence = route({
  method: 'POST',
  path: '/presence/query',
  reads: true,
  summary: 'The present state of users, for lists too long for a URL',
  scope: 'presence:read',
  body: presenceQueryBody,
  responses: { 200: { description: 'One for each id.', schema: presences } },
  refusals: ['unavailable'],
  handle: ({ principal, body, services }) => read(principal, services, body.user_ids),
});

/** What `next` holds: the first page's bounds, so that a window does not move while it is paged, and the store's cursor. */
type Bounds = { readonly key: string; readonly from: number; readonly to: number; readonly cursor: string };

export const encodeCursor = (bounds: Bounds): string =>
  Buffer.from(JSON.stringify([bounds.key, bounds.from, bounds.to, bounds.cursor])).toString('base64url');

/** Throws Problem bad_input for what is none, or of another user. */
export function decodeCursor(cursor: string, key: string): Bounds {
  const garbled = new Problem('bad_input', 'The cursor is not one that this endpoint gave for this user.', {
    errors: [{ detail: 'is not one of ours', parameter: 'cursor' }],
  });
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw garbled;
  }
  if (!Array.isArray(parts) || parts.length !== 4) throw garbled;
  const [of, from, to, inner] = parts as readonly unknown[];
  if (of !== key || !Number.isSafeInteger(from) || !Number.isSafeInteger(to) || typeof inner !== 'string') throw garbled;
  return { key, from: from as number, to: to as number, cursor: inner };
}

const seenByOthers = (key: string, entries: readonly HistoryEntry[]): readonly HistoryEntry[] =>
  entries.map((entry) => ({ ...entry, trace_id: traceForOthers(key, entry) }));

const getHistory = route({
  method: 'GET',
  path: '/presence/history',
  reads: true,
  summary: "A user's transitions, newest first",
  description:
    'The time is given by `window` (up to now) or by `from` and `to`. `next` is the `cursor` of the page after; null at the end.',
  scope: 'presence:read',
  alsoAllowed: 'presence:admin',
  query: historyQuery,
  responses: { 200: { description: 'A page.', schema: history } },
  refusals: ['unavailable'],
  async handle({ principal, query, services }) {
    const userId = query.user_id ?? principal.userId;
    const own = userId === principal.userId;
    if (own && !principal.scopes.has('presence:read')) throw new Problem('forbidden', 'This needs the scope presence:read.');
    const view = services.watching.history(principal, userId);
    const { audit } = services;
    if (view === 'forbidden' || view === 'never') audit?.looked('history', principal, [userId], false);
    if (view === 'forbidden') throw new Problem('forbidden', "Another user's history needs the scope presence:admin.");
    const key = userKey(principal.tenant, userId);
    const now = clock.now();
    const to = query.to === undefined ? now + 1 : (timeOf(query.to) as number);
    const from = query.from === undefined ? now - windowOf(query.window ?? '1h') : (timeOf(query.from) as number);
    const bounds = query.cursor === undefined ? { key, from, to } : decodeCursor(query.cursor, key);
    if (view === 'never') return { status: 200, json: { entries: [], next: null } };
    const page = await services.store.history({ ...bounds, limit: query.limit, view });
    audit?.looked('history', principal, [userId], true);
    const next = page.next === null ? null : encodeCursor({ key, from: bounds.from, to: bounds.to, cursor: page.next });
    return { status: 200, json: { entries: view === 'self' ? page.entries : seenByOthers(key, page.entries), next } };
  },
});

export const readingRoutes = [getPresence, queryPresence, getHistory];
