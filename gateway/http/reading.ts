/** Routes that read presence and its history. */
import { clock } from '../../base/clock.ts';
import { DEFAULT_TENANT, userKey } from '../../schemas/user-key.ts';
import type { Principal } from '../auth.ts';
import { historyQuery, presenceQuery, presenceQueryBody } from '../validation/requests.ts';
import { history, presences } from '../validation/responses.ts';
import { timeOf, windowOf } from '../validation/times.ts';
import { Problem } from './problem.ts';
import { route, type Services } from './route.ts';

const read = async (principal: Principal, services: Services, userIds: readonly string[]) => {
  const keys = principal.tenant === DEFAULT_TENANT ? userIds : userIds.map((id) => userKey(principal.tenant, id));
  const viewer = { userKey: principal.userKey, admin: principal.scopes.has('presence:admin') };
  return { status: 200, json: { presences: await services.reads.presences(keys, viewer) } };
};

const getPresence = route({
  method: 'GET',
  path: '/presence',
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
  summary: 'The present state of users, for lists too long for a URL',
  scope: 'presence:read',
  body: presenceQueryBody,
  responses: { 200: { description: 'One for each id.', schema: presences } },
  refusals: ['unavailable'],
  handle: ({ principal, body, services }) => read(principal, services, body.user_ids),
});

/** What `next` holds: the first page's bounds, so that a window does not move while it is paged, and the store's cursor. */
type Bounds = { readonly key: string; readonly from: number; readonly to: number; readonly cursor: string };

const encodeCursor = (bounds: Bounds): string =>
  Buffer.from(JSON.stringify([bounds.key, bounds.from, bounds.to, bounds.cursor])).toString('base64url');

function decodeCursor(cursor: string, key: string): Bounds {
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

const getHistory = route({
  method: 'GET',
  path: '/presence/history',
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
    const admin = principal.scopes.has('presence:admin');
    if (own && !principal.scopes.has('presence:read')) throw new Problem('forbidden', 'This needs the scope presence:read.');
    if (!own && !admin && services.historyOf === 'self') {
      throw new Problem('forbidden', "Another user's history needs the scope presence:admin.");
    }
    const key = userKey(principal.tenant, userId);
    const now = clock.now();
    const to = query.to === undefined ? now + 1 : (timeOf(query.to) as number);
    const from = query.from === undefined ? now - windowOf(query.window ?? '1h') : (timeOf(query.from) as number);
    const bounds = query.cursor === undefined ? { key, from, to } : decodeCursor(query.cursor, key);
    const page = await services.store.history({ ...bounds, limit: query.limit, view: own || admin ? 'self' : 'others' });
    const next = page.next === null ? null : encodeCursor({ key, from: bounds.from, to: bounds.to, cursor: page.next });
    return { status: 200, json: { entries: page.entries, next } };
  },
});

export const readingRoutes = [getPresence, queryPresence, getHistory];
