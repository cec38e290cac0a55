/** What answers look like: for the OpenAPI document, and for the tests that hold the server to it. */
import { z } from 'zod';
import { causeSymbols, sourceSymbols, stateSymbols } from '../../schemas/generated.ts';
import { id } from './ids.ts';

const time = z.iso.datetime({ precision: 3 });
const traceId = z.string().regex(/^[0-9a-f]{32}$/);
const state = z.enum(stateSymbols);
const source = z.enum(sourceSymbols);

export const presence = z
  .strictObject({
    user_id: id,
    state,
    source,
    since: time.nullable().meta({ description: 'The `at` of the diff that began the state; null for a user never seen.' }),
    last_seen: time.nullable(),
    fresh_at: time.nullable().meta({ description: 'When the system last confirmed this state.' }),
    stale: z.boolean().meta({ description: 'fresh_at is longer ago than 5 s while the user should be live.' }),
    epoch: z.int(),
    version: z.int(),
    devices: z.int().meta({ description: 'Live ones.' }),
  })
  .meta({ id: 'Presence' });

export const presences = z.strictObject({ presences: z.array(presence) });

export const accepted = z.strictObject({ trace_id: traceId });
export const overrideAccepted = z.strictObject({ override_id: id, trace_id: traceId });

export const override = z
  .strictObject({
    override_id: id,
    state,
    until: time.nullable().meta({ description: 'null if open.' }),
    reason: z.string().nullable(),
  })
  .meta({ id: 'Override' });

export const historyEntry = z
  .strictObject({
    epoch: z.int(),
    version: z.int(),
    from: state,
    to: state,
    at: time,
    cause: z.enum(causeSymbols),
    source,
    trace_id: traceId.nullable(),
  })
  .meta({ id: 'HistoryEntry' });

export const history = z.strictObject({ entries: z.array(historyEntry), next: z.string().nullable() });
export const subscriptions = z.strictObject({ user_ids: z.array(id) });
export const health = z.strictObject({ status: z.literal('ok') });

export const readiness = z.strictObject({
  status: z.enum(['ready', 'degraded', 'not ready', 'draining']),
  checks: z.record(z.string(), z.strictObject({ ok: z.boolean(), detail: z.string().optional() })),
});

export const draining = z.strictObject({ connections: z.int(), over_ms: z.int() });

export const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    errors: z
      .array(z.strictObject({ detail: z.string(), pointer: z.string().optional(), parameter: z.string().optional() }))
      .optional(),
  })
  .meta({ id: 'Problem' });
