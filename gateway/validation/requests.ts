/** What requests may say: one schema each, from which both the checks and the OpenAPI document come. */

import { z } from 'zod';
import { clock } from '../../base/clock.ts';
import { stateSymbols } from '../../schemas/generated.ts';
import { id, ids, READ_LIMIT, WATCH_LIMIT } from './ids.ts';
import { timeField, timeOf, timeParameter, windowParameter } from './times.ts';

/** What a device may say of itself; `offline` is a goodbye. */
export const deviceStates = ['dnd', 'busy', 'online', 'away', 'offline'] as const;
export const deviceState = z.enum(deviceStates);
export const deviceSource = z.enum(['app', 'inferred']);
export const seq = z.int().min(0).max(Number.MAX_SAFE_INTEGER, 'must be at most 2^53-1');

export const heartbeatBody = z.object({
  device_id: id,
  session_id: id,
  seq: seq.meta({ description: 'Rises within a session; a signal whose seq is not above the last accepted one is dropped.' }),
  state: deviceState.optional().meta({ description: 'Without it the session keeps what it last said. `offline` is a goodbye.' }),
  source: deviceSource.optional().meta({ description: '`app` where a state is given and this is not.' }),
  ttl_ms: z
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(60_000)
    .meta({ description: 'For how long this heartbeat speaks for its device.' }),
});

/** Ten years: beyond it a mistake of units is likelier than a wish. */
const TTL_S_MAX = 315_360_000;

export const overrideBody = z
  .object({
    state: z.enum(stateSymbols),
    until: timeField.nullish(),
    ttl_s: z
      .number()
      .positive('must be above 0')
      .max(TTL_S_MAX)
      .nullish()
      .meta({ description: "Seconds, from the broker's stamp on." }),
    reason: z.string().max(500, 'must be at most 500 characters').nullish(),
  })
  .check((context) => {
    const { until, ttl_s } = context.value;
    const fault = (message: string, path: string) =>
      context.issues.push({ code: 'custom', message, path: [path], input: context.value });
    if (until != null && ttl_s != null) fault('cannot be given together with ttl_s', 'until');
    const ms = until == null ? undefined : timeOf(until);
    if (ms !== undefined && ms <= clock.now()) fault('is past', 'until');
  });

/** Acts on another user need presence:admin. */
export const otherUserQuery = z.object({ user_id: id.optional().meta({ description: 'Another user; needs presence:admin.' }) });

export const presenceQuery = z.object({ user_ids: ids(READ_LIMIT) });
export const presenceQueryBody = z.object({ user_ids: ids(READ_LIMIT) });
export const watchBody = z.object({ user_ids: ids(WATCH_LIMIT) });

export const historyQuery = z
  .object({
    user_id: id.optional().meta({ description: 'The caller, if not given. Others need presence:admin.' }),
    window: windowParameter.optional().meta({ description: 'The time up to now; 1h if neither this nor from is given.' }),
    from: timeParameter.optional().meta({ description: 'Inclusive.' }),
    to: timeParameter.optional().meta({ description: 'Exclusive; now, if not given.' }),
    limit: z.coerce.number('must be a number').int('must be a whole number').min(1).max(1_000).default(100),
    cursor: z
      .string()
      .max(2_048)
      .optional()
      .meta({ description: '`next` of the page before; stands for its user, from and to.' }),
  })
  .check((context) => {
    const { window, from, to } = context.value;
    const fault = (message: string, path: string) =>
      context.issues.push({ code: 'custom', message, path: [path], input: context.value });
    if (window !== undefined && (from !== undefined || to !== undefined))
      fault('cannot be given together with from or to', 'window');
    if (to !== undefined && from === undefined && window === undefined) fault('is missing, where `to` is given', 'from');
    const begin = from === undefined ? undefined : timeOf(from);
    const end = to === undefined ? undefined : timeOf(to);
    if (begin !== undefined && end !== undefined && begin >= end) fault('must be after from', 'to');
  });

export const drainBody = z.object({
  over_ms: z.int().min(0).max(3_600_000).default(10_000).meta({ description: 'Clients are told to go spread over this time.' }),
});
