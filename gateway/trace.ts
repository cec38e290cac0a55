/** W3C trace context: a request's `traceparent` is continued, a malformed one is ignored and a new one begun. */
import { clock } from '../base/clock.ts';

export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** What goes with the signal: the same trace, a span of ours. */
  readonly traceparent: string;
}

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function continueTrace(header: string | undefined): Trace {
  const match = header === undefined || header === '' ? null : shape.exec(header.trim());
  if (match === null) return newTrace();
  const [, version, traceId, parentId, flags, rest] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string | undefined,
  ];
  // ff is no version; version 00 has four parts and no more; later ones may have more.
  const valid = version !== 'ff' && (version !== '00' || rest === undefined) && /[^0]/.test(traceId) && /[^0]/.test(parentId);
  return valid ? { traceId, traceparent: `00-${traceId}-${clock.randomHex(8)}-${flags}` } : newTrace();
}

function newTrace(): Trace {
  const traceId = clock.randomHex(16);
  return { traceId, traceparent: `00-${traceId}-${clock.randomHex(8)}-01` };
}
