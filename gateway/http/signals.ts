/** Routes that say something of a user: heartbeats of background tasks, and overrides. */
import { clock } from '../../base/clock.ts';
import { userKey } from '../../schemas/user-key.ts';
import type { Principal } from '../auth.ts';
import type { SignalDraft } from '../parts.ts';
import { heartbeatBody, otherUserQuery, overrideBody } from '../validation/requests.ts';
import { accepted, override, overrideAccepted } from '../validation/responses.ts';
import { timeOf } from '../validation/times.ts';
import { Problem } from './problem.ts';
import { type Call, route } from './route.ts';
import { within } from './within.ts';

const heartbeat = route({
  method: 'POST',
  path: '/presence/heartbeat',
  summary: 'A heartbeat of a background task',
  description: 'Speaks for its device for `ttl_ms`. Answered once the log has it.',
  scope: 'presence:write',
  body: heartbeatBody,
  responses: { 202: { description: 'The log has it.', schema: accepted } },
  refusals: ['unavailable'],
  async handle({ principal, body, trace, ...call }) {
    const { device_id, session_id, seq, ttl_ms, state = null, source = null } = body;
    await say(
      call,
      { kind: 'heartbeat', user_id: principal.userKey, device_id, session_id, seq, ttl_ms, state, source },
      trace.traceparent,
    );
    return { status: 202, json: { trace_id: trace.traceId } };
  },
});

const setOverride = route({
  method: 'POST',
  path: '/presence/override',
  summary: 'Sets an override',
  description: "Holds until `until` passes, `ttl_s` have gone by on the broker's clock, or it is cleared. A new one replaces it.",
  scope: 'presence:write',
  alsoAllowed: 'presence:admin',
  query: otherUserQuery,
  body: overrideBody,
  responses: { 202: { description: 'The log has it.', schema: overrideAccepted } },
  refusals: ['unavailable'],
  async handle({ principal, query, body, trace, ...call }) {
    const user = whose(principal, query.user_id, 'presence:write');
    const override_id = clock.randomUUID();
    const draft: SignalDraft = {
      kind: 'override_set',
      ...user,
      override_id,
      state: body.state,
      until: body.until == null ? null : (timeOf(body.until) as number),
      ttl_s: body.ttl_s ?? null,
      reason: body.reason ?? null,
    };
    await say(call, draft, trace.traceparent);
    return { status: 202, json: { override_id, trace_id: trace.traceId } };
  },
});

const clearOverride = route({
  method: 'DELETE',
  path: '/presence/override',
  summary: 'Clears the override',
  description: 'Clearing where none holds changes nothing.',
  scope: 'presence:write',
  alsoAllowed: 'presence:admin',
  query: otherUserQuery,
  responses: { 202: { description: 'The log has it.', schema: accepted } },
  refusals: ['unavailable'],
  async handle({ principal, query, trace, ...call }) {
    await say(call, { kind: 'override_cleared', ...whose(principal, query.user_id, 'presence:write') }, trace.traceparent);
    return { status: 202, json: { trace_id: trace.traceId } };
  },
});

const getOverride = route({
  method: 'GET',
  path: '/presence/override',
  summary: 'The override that holds',
  description:
    'As far as the sinks have come: one just set shows within a second or so, when it has passed through the topology.',
  scope: 'presence:read',
  alsoAllowed: 'presence:admin',
  query: otherUserQuery,
  responses: { 200: { description: 'It.', schema: override } },
  refusals: ['not_found', 'unavailable'],
  async handle({ principal, query, services }) {
    const found = await services.reads.override(whose(principal, query.user_id, 'presence:read').user_id);
    services.audit?.looked('override', principal, [query.user_id ?? principal.userId], true);
    if (found === null) throw new Problem('not_found', 'No override holds.');
    return { status: 200, json: found };
  },
});

export const signalRoutes = [heartbeat, setOverride, clearOverride, getOverride];

/** The user acted on, and who acts if it is another; 403 where that is not allowed. */
function whose(
  principal: Principal,
  userId: string | undefined,
  ownScope: 'presence:read' | 'presence:write',
): { user_id: string; actor?: string } {
  if (userId === undefined || userId === principal.userId) {
    if (!principal.scopes.has(ownScope)) throw new Problem('forbidden', `This needs the scope ${ownScope}.`);
    return { user_id: principal.userKey };
  }
  if (!principal.scopes.has('presence:admin'))
    throw new Problem('forbidden', 'Acting on another user needs the scope presence:admin.');
  return { user_id: userKey(principal.tenant, userId), actor: principal.userKey };
}

/**
 * Resolves once the log has the signal. After `answerWithin_ms` it is 503, though the signal is still held and may
 * be written yet: sending a heartbeat again is harmless (its seq), and so is an override.
 */
async function say({ services }: Pick<Call, 'services'>, draft: SignalDraft, traceparent: string): Promise<void> {
  const sent = services.outbox.send({ ...draft, received_at: clock.now() }, { traceparent });
  await within(
    services.answerWithin_ms,
    sent,
    'The log has not taken it yet. It may take it later; sending it again does no harm.',
  );
}
