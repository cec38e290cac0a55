/** From a message to a frame, or the error that it gets. */

import { summary } from '../validation/faults.ts';
import { type AnyFrame, type FrameType, frames } from '../validation/frames.ts';
import { FRAME_LIMIT_BYTES, type FrameErrorCode } from './protocol.ts';

export type Parsed = { readonly frame: AnyFrame } | { readonly code: FrameErrorCode; readonly detail: string };

export function parseFrame(message: ArrayBuffer, isBinary: boolean): Parsed {
  if (message.byteLength > FRAME_LIMIT_BYTES)
    return { code: 'too_large', detail: `The frame is larger than ${FRAME_LIMIT_BYTES} bytes.` };
  if (isBinary) return { code: 'bad_frame', detail: 'The frame is binary; send JSON in text frames.' };
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(message).toString());
  } catch (error) {
    return { code: 'bad_frame', detail: `The frame is not JSON: ${(error as Error).message.slice(0, 200)}` };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return { code: 'bad_frame', detail: 'The frame is not a JSON object.' };
  const { type } = json as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(frames, type)) {
    const said = type === undefined ? 'The frame has no type' : `No frame has the type ${JSON.stringify(type)?.slice(0, 60)}`;
    return { code: 'unknown_type', detail: `${said}; there are ${Object.keys(frames).join(', ')}.` };
  }
  const result = frames[type as FrameType].safeParse(json, { reportInput: true });
  return result.success ? { frame: result.data } : { code: 'bad_input', detail: summary(result.error.issues, `The ${type}`) };
}
