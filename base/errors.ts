/**
 * Errors that teach. Each has a code from one list, says where it happened, whether trying again can
 * help, and what to do. The CLI prints them, HTTP turns them into problem+json, logs carry the fields.
 */

/** Every code there is; docs/errors.md has a section for each. */
export const errorCodes = [
  'BAD_SETTING', // a setting is missing, unknown or not allowed with another
  'BAD_INPUT', // a request, frame or record is not what the contract says
  'UNDECODABLE', // bytes that no known schema reads
  'SCHEMA_REFUSED', // the registry refused a schema (incompatible)
  'LOG_UNAVAILABLE', // the log cannot be reached now
  'LOG_MISMATCH', // topics exist with other partitions or settings than this topology needs
  'FENCED', // somebody else runs this partition now
  'ABORTED', // the transaction was not written; the same bytes may be committed again
  'COMMIT_UNKNOWN', // the answer to a commit was lost; see ports/log.ts
  'NO_BASE', // a restore would need input that the log no longer has
  'OUTBOX_FULL', // the outbox holds as much as it may
  'STORE_UNAVAILABLE', // database or cache cannot be reached now
  'NO_BINARY', // no native binary for this machine
  'BAD_TOPOLOGY', // a topology breaks a rule
  'INTERNAL', // a bug
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface ErrorDetails {
  /** Where: a stage, topic-partition, setting, file. */
  readonly at: string;
  /** Whether the same call may succeed later. */
  readonly retriable: boolean;
  /** What to do, in one sentence. */
  readonly help?: string;
  readonly cause?: unknown;
}

export class PresenceError extends Error {
  readonly code: ErrorCode;
  readonly at: string;
  readonly retriable: boolean;
  readonly help: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PresenceError';
    this.code = code;
    this.at = details.at;
    this.retriable = details.retriable;
    this.help = details.help;
  }
}

/** Whether `error` is a PresenceError with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is PresenceError {
  return error instanceof PresenceError && codes.includes(error.code);
}
