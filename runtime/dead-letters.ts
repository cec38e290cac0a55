/**
 * Records that cannot be used are put aside, byte for byte, and stop nothing.
 *
 * A dead letter keeps the record's key, value and headers, and says in more headers why and where from:
 * `reason` (a sentence), `code` (base/errors.ts), `topic`, `partition`, `offset`, and `at`, when it was put
 * aside (RFC 3339). Where the record had a header of one of these names, the record's own is kept under
 * `original-<name>`. A record that is too large to be written again with these headers is put aside without its value, and
 * says so in `value-left-out`.
 *
 * Delivery: acknowledged before the position passes the record; after a crash in between it is put aside
 * again, so readers tell repeats by (topic, partition, offset).
 */
import { clock } from '../base/clock.ts';
import { hasCode, PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { LogProducer, LogRecord, OutRecord, TopicPartition } from '../ports/log.ts';
import { metrics } from './metrics.ts';
import { Backoff } from './waiting.ts';
import type { RuntimeLimits } from './wiring.ts';

/** A record and why it cannot be used. */
export interface DeadLetter {
  readonly record: LogRecord;
  readonly error: unknown;
}

const codeOf = (error: unknown): string => (error instanceof PresenceError ? error.code : 'INTERNAL');

const own = ['reason', 'code', 'topic', 'partition', 'offset', 'at'] as const;

/** The record to write for it. `at_ms` is now. */
export function deadLetterRecord(letter: DeadLetter, from: TopicPartition, at_ms: number): OutRecord {
  const { record, error } = letter;
  const headers: Record<string, string | Buffer> = {};
  for (const [name, value] of Object.entries(record.headers)) {
    headers[(own as readonly string[]).includes(name) ? `original-${name}` : name] = value;
  }
  headers.reason = error instanceof Error ? error.message : String(error);
  headers.code = codeOf(error);
  headers.topic = from.topic;
  headers.partition = String(from.partition);
  headers.offset = String(record.offset);
  headers.at = new Date(at_ms).toISOString();
  return { key: record.key, value: record.value, headers };
}

export interface PutAsideOptions {
  /** Where the records lie. */
  readonly from: TopicPartition;
  /** The dead letter topic. */
  readonly topic: string;
  readonly producer: Pick<LogProducer, 'send'>;
  readonly logger: Logger;
}

/** Writes them in one send; rejects with LOG_UNAVAILABLE (retriable) and may be called again. */
export async function putAside(letters: readonly DeadLetter[], options: PutAsideOptions): Promise<void> {
  const [first] = letters;
  if (first === undefined) return;
  const { from, topic, producer, logger } = options;
  const now = clock.now();
  const records = letters.map((letter) => deadLetterRecord(letter, from, now));
  try {
    await producer.send([{ topic, records }]);
  } catch (error) {
    if (!hasCode(error, 'BAD_INPUT')) throw error;
    for (const record of records) await sendAlone(producer, topic, record);
  }
  for (const { error } of letters)
    metrics.deadLetters.inc({ topic: from.topic, partition: String(from.partition), code: codeOf(error) });
  logger.warn(
    { ...from, records: letters.length, first: first.record.offset, err: first.error },
    'Records that cannot be used were put aside.',
  );
}

/** For as long as it takes, or until `signal` is aborted. Never rejects. */
export async function putAsideForSure(
  letters: readonly DeadLetter[],
  options: PutAsideOptions,
  { limits, signal }: { readonly limits: Pick<RuntimeLimits, 'backoff_ms' | 'backoffMax_ms'>; readonly signal: AbortSignal },
): Promise<void> {
  const backoff = new Backoff({ first_ms: limits.backoff_ms, max_ms: limits.backoffMax_ms });
  while (letters.length > 0 && !signal.aborted) {
    try {
      await putAside(letters, options);
      return;
    } catch (error) {
      options.logger.warn({ ...options.from, err: error }, 'Records that cannot be used could not be put aside yet.');
      await backoff.pause(signal);
    }
  }
}

/** A record as large as the log takes leaves no room for headers: it is put aside without its value. */
async function sendAlone(producer: Pick<LogProducer, 'send'>, topic: string, record: OutRecord): Promise<void> {
  try {
    await producer.send([{ topic, records: [record] }]);
  } catch (error) {
    if (!hasCode(error, 'BAD_INPUT')) throw error;
    const headers = { ...record.headers, 'value-left-out': `${record.value?.length ?? 0} bytes` };
    await producer.send([{ topic, records: [{ ...record, value: null, headers }] }]);
  }
}
