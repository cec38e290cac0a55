/** The caller's kept list: whom each of their connections watches. */
import { parseUserKey, userKey } from '../../schemas/user-key.ts';
import type { Principal } from '../auth.ts';
import { watchBody } from '../validation/requests.ts';
import { subscriptions } from '../validation/responses.ts';
import { type Call, route } from './route.ts';
import { within } from './within.ts';

const path = '/presence/subscriptions';
const responses = { 200: { description: 'The list as it is now.', schema: subscriptions } };

const answer = (keys: readonly string[]) => ({ status: 200, json: { user_ids: keys.map((key) => parseUserKey(key).user_id) } });
const keysOf = (principal: Principal, userIds: readonly string[]) => userIds.map((id) => userKey(principal.tenant, id));

type Change = { readonly [what in 'set' | 'add' | 'remove']?: readonly string[] };

/** The list is back from the log when this answers; where that takes too long, 503 (the change may come yet). */
async function keep({ principal, services }: Call, change: Change) {
  const kept = services.fanOut.keep(principal.userKey, change);
  return answer(await within(services.answerWithin_ms, kept, 'The log has not taken the list yet. It may take it later.'));
}

const get = route({
  method: 'GET',
  path,
  summary: 'The kept list',
  scope: 'presence:read',
  responses,
  refusals: ['unavailable'],
  async handle({ principal, services }) {
    await within(services.answerWithin_ms, services.fanOut.ready, 'The lists have not been read yet.');
    return answer(services.fanOut.interest(principal.userKey));
  },
});

const put = route({
  method: 'PUT',
  path,
  summary: 'Replaces the kept list',
  scope: 'presence:read',
  body: watchBody,
  responses,
  refusals: ['unavailable'],
  handle: (call) => keep(call, { set: keysOf(call.principal, call.body.user_ids) }),
});

const add = route({
  method: 'POST',
  path: `${path}/add`,
  summary: 'Adds to the kept list',
  description: 'At most 10,000 in all.',
  scope: 'presence:read',
  body: watchBody,
  responses,
  refusals: ['unavailable'],
  handle: (call) => keep(call, { add: keysOf(call.principal, call.body.user_ids) }),
});

const remove = route({
  method: 'POST',
  path: `${path}/remove`,
  summary: 'Takes off the kept list',
  scope: 'presence:read',
  body: watchBody,
  responses,
  refusals: ['unavailable'],
  handle: (call) => keep(call, { remove: keysOf(call.principal, call.body.user_ids) }),
});

export const subscriptionRoutes = [get, put, add, remove];
