/** What frames from clients may say: one schema for each type (gateway/ws/protocol.ts has them as types). */
import { z } from 'zod';
import type { ClientFrame } from '../ws/protocol.ts';
import { id, ids, WATCH_LIMIT } from './ids.ts';
import { deviceSource, deviceState, seq } from './requests.ts';

// A malformed traceparent is ignored, of whatever type it is.
const traceparent = z.string().max(512).optional().catch(undefined);
const said = { state: deviceState.optional(), source: deviceSource.optional(), traceparent };
const user_ids = ids(WATCH_LIMIT);

export const frames = {
  hello: z.object({ type: z.literal('hello'), device_id: id, session_id: id, ...said }),
  token: z.object({ type: z.literal('token'), token: z.string().min(1).max(8_192) }),
  heartbeat: z.object({ type: z.literal('heartbeat'), seq, ack: z.boolean().optional(), ...said }),
  subscribe: z.object({ type: z.literal('subscribe'), user_ids }),
  unsubscribe: z.object({ type: z.literal('unsubscribe'), user_ids }),
  resume: z.object({ type: z.literal('resume'), cursor: z.string().min(1).max(65_536), user_ids: user_ids.optional() }),
  goodbye: z.object({ type: z.literal('goodbye'), traceparent }),
} as const satisfies { readonly [T in ClientFrame['type']]: z.ZodType };

export type FrameType = keyof typeof frames;
export type Frame<T extends FrameType> = z.output<(typeof frames)[T]>;
export type AnyFrame = { [T in FrameType]: Frame<T> }[FrameType];
