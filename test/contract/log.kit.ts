/** What the log's contract tests are written with. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, hasCode } from '../../base/errors.ts';
import type { Appended, Log, LogRecord, OutRecord, TopicPartition, TopicSpec } from '../../ports/log.ts';

export interface LogUnderTest {
  readonly log: Log;
  /** As another process would have it: may be the same where there is only one process. */
  readonly other: Log;
}

export const textOf = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => (value === null ? '(gone)' : value.toString()));
export const record = (key: string | null, value: string | null, partition?: number): OutRecord => ({
  key,
  value: value === null ? null : Buffer.from(value),
  ...(partition === undefined ? {} : { partition }),
});

export async function topic(log: Log, spec: Partial<TopicSpec> = {}): Promise<string> {
  const name = `contract.${randomUUID().slice(0, 8)}`;
  await log.ensureTopics([{ name, partitions: 1, cleanup: 'delete', retention_ms: 3_600_000, ...spec }]);
  return name;
}

export async function readAll(log: Log, name: string, partition = 0, from = 0, to?: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({
    topic: name,
    partition,
    from,
    ...(to === undefined ? {} : { to }),
    onBatch: (batch) => void records.push(...batch.records),
  });
  return records;
}

/** Waits for what must become true; how long is not what is tested. */
export async function eventually(what: () => boolean | Promise<boolean>, within_ms = 20_000): Promise<void> {
  const end = performance.now() + within_ms;
  while (!(await what())) {
    if (performance.now() > end) throw new Error(`It did not become true within ${within_ms} ms: ${what}`);
    await sleep(5);
  }
}

export async function codeOf(work: Promise<unknown>): Promise<ErrorCode | 'resolved'> {
  return work.then(
    () => 'resolved' as const,
    (error: unknown) => {
      if (hasCode(error, (error as { code: ErrorCode }).code)) return error.code;
      throw error;
    },
  );
}

export const group = (): string => `group.${randomUUID().slice(0, 8)}`;
export const placeOf = ({ topic: name, partition }: TopicPartition): string => `${name}/${partition}`;

/** The logs of the suite that is running; `send` writes with a producer of its own. */
export interface Subject {
  readonly logs: () => LogUnderTest;
  readonly send: (name: string, ...records: OutRecord[]) => Promise<readonly Appended[]>;
}
