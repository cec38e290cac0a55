/** From kafkajs's errors, and Kafka's, to ours. */
import { PresenceError } from '../../base/errors.ts';

/** The protocol's name for an error, or kafkajs's; through its wrappers. */
export function typeOf(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const { type, code, message } = at as { type?: string; code?: unknown; message: string };
    // A lookup by code that kafkajs made itself: it names the code in the message only.
    const unknown = /^Unknown error code (\d+)$/.exec(message)?.[1];
    if (unknown === '90') return 'PRODUCER_FENCED';
    if (unknown === '120') return 'TRANSACTION_ABORTABLE';
    if (typeof type === 'string') return type;
    if (typeof code === 'string') return code;
  }
  return error instanceof Error ? error.name : 'unknown';
}

/** Somebody else has the transactional id now. */
export const isFenced = (error: unknown): boolean =>
  ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED', 'TRANSACTION_COORDINATOR_FENCED', 'INVALID_PRODUCER_ID_MAPPING'].includes(
    typeOf(error),
  );

/** The broker will never take this, however often it is asked. */
export const isRefused = (error: unknown): boolean =>
  ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'INVALID_TIMESTAMP'].includes(typeOf(error));

/** The sequence of this producer and the broker's have come apart: only a new producer id or epoch helps. */
export const isOutOfSequence = (error: unknown): boolean =>
  ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'DUPLICATE_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'].includes(typeOf(error));

/** Access was refused: trying again will not help until an operator has done something. */
export const isForbidden = (error: unknown): boolean => /AUTHORIZATION_FAILED|SASL/.test(typeOf(error));

export function unavailable(at: string, cause: unknown): PresenceError {
  if (cause instanceof PresenceError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new PresenceError('LOG_UNAVAILABLE', `Kafka cannot be reached now: ${why}`, {
    at,
    retriable: !isForbidden(cause),
    cause,
  });
}

export const noTopic = (topic: string): PresenceError =>
  new PresenceError('LOG_MISMATCH', `There is no topic ${topic}.`, {
    at: topic,
    retriable: false,
    help: 'Make it with ensureTopics.',
  });
