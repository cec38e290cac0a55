/** What frames from the gateway look like: for the AsyncAPI document, and for the tests that hold the gateway to it. */
import { z } from 'zod';
import { type FrameErrorCode, frameErrors, type ServerFrame } from '../ws/protocol.ts';
import { id } from './ids.ts';
import { seq } from './requests.ts';
import { historyEntry, presence } from './responses.ts';

const cursor = z.string().min(1).meta({ description: 'Where this connection is now: for `resume` after a reconnect.' });
const ms = z.int().min(0);

export const diff = z.strictObject({ user_id: id, ...historyEntry.shape }).meta({ id: 'Diff' });

export const serverFrames = {
  welcome: z.strictObject({
    type: z.literal('welcome'),
    heartbeat_ms: ms.meta({ description: 'The server pings this often; each pong is a beat.' }),
    ttl_ms: ms.meta({ description: 'A device without a beat for this long is silent.' }),
    connection_id: z.string().min(1),
  }),
  snapshot: z.strictObject({ type: z.literal('snapshot'), presences: z.array(presence), cursor }),
  diffs: z.strictObject({ type: z.literal('diffs'), diffs: z.array(diff), cursor }),
  ack: z.strictObject({ type: z.literal('ack'), seq }),
  error: z.strictObject({
    type: z.literal('error'),
    code: z.enum(Object.keys(frameErrors) as [FrameErrorCode, ...FrameErrorCode[]]),
    detail: z.string(),
  }),
  drain: z.strictObject({ type: z.literal('drain'), reconnect_in_ms: ms }),
} as const satisfies { readonly [T in ServerFrame['type']]: z.ZodType<Extract<ServerFrame, { readonly type: T }>> };
