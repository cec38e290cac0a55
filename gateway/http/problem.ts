/**
 * Refusals as RFC 9457 problem details. Whatever goes wrong on the way of a request is thrown; `problemOf` is
 * the one place where it becomes an answer.
 */
import { STATUS_CODES } from 'node:http';
import { type ErrorCode, PresenceError } from '../../base/errors.ts';

/** One fault: `pointer` (RFC 6901, as a fragment) into the body, or the query's `parameter`. */
export interface Fault {
  readonly detail: string;
  readonly pointer?: string;
  readonly parameter?: string;
}

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly Fault[];
}

/** Every refusal there is: its code and status. The OpenAPI document lists them. */
export const problems = {
  bad_input: 400,
  bad_token: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  too_large: 413,
  url_too_long: 414,
  unsupported_media_type: 415,
  upgrade_required: 426,
  too_fast: 429,
  internal: 500,
  unavailable: 503,
  draining: 503,
} as const satisfies Record<string, number>;

export type ProblemCode = keyof typeof problems;

export interface ProblemDetails {
  readonly errors?: readonly Fault[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly errors: readonly Fault[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, details: ProblemDetails = {}) {
    super(detail, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = problems[code];
    this.errors = details.errors;
    this.headers = details.headers ?? {};
  }

  body(): ProblemBody {
    return {
      type: `urn:presence:problem:${this.code.replaceAll('_', '-')}`,
      title: STATUS_CODES[this.status] as string,
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.errors === undefined ? {} : { errors: this.errors }),
    };
  }
}

/** "Not able now": 503, to be tried again in `retry_after_s`. */
export const unavailable = (detail: string, retry_after_s = 1, cause?: unknown): Problem =>
  new Problem('unavailable', detail, { headers: { 'retry-after': String(retry_after_s) }, cause });

/** Of our own errors, those that a client's request may run into. */
const byErrorCode: Partial<Record<ErrorCode, (error: PresenceError) => Problem>> = {
  BAD_INPUT: (error) => new Problem('bad_input', error.message, { cause: error }),
  OUTBOX_FULL: (error) => unavailable('More is waiting for the log than may be held. Try again.', 1, error),
  LOG_UNAVAILABLE: (error) => unavailable('The log cannot be reached now. Try again.', 1, error),
  STORE_UNAVAILABLE: (error) => unavailable('Presence cannot be read now. Try again.', 1, error),
};

/** The answer to whatever was thrown; what nobody foresaw is `internal`, and says nothing of its cause. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const known = error instanceof PresenceError ? byErrorCode[error.code] : undefined;
  return (
    known?.(error as PresenceError) ?? new Problem('internal', 'Something went wrong here; it has been logged.', { cause: error })
  );
}
