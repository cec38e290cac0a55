/**
 * What an undisturbed run would have said: the processor alone over the input as it lies in the log, in one
 * go. And what a reader of committed records finds in the log. Both as text, to compare byte for byte.
 */
import type { PresenceError } from '../../base/errors.ts';
import type { Log, LogRecord } from '../../ports/log.ts';
import { decodeInputs } from '../../runtime/decoding.ts';
import { encodeEmission } from '../../runtime/encoding.ts';
import { restorePartition } from '../../runtime/restore.ts';
import type { CounterProcessor, CounterWiring } from './counter.ts';

export async function readAll(log: Log, topic: string, partition: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({ topic, partition, from: 0, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}

const text = (record: { key: unknown; value: Buffer | null; headers?: Readonly<Record<string, unknown>> | undefined }): string =>
  `${String(record.key)} ${record.value?.toString('utf8')} ${String(record.headers?.traceparent ?? '')}`;

export interface Verdict {
  readonly expected: readonly string[];
  readonly found: readonly string[];
  readonly expectedState: unknown;
  readonly foundState: unknown;
  readonly position: number;
}

/**
 * Compares one partition: output up to the committed position, and the state that a restore gives, carried
 * on to the input's end.
 */
export async function judge(
  log: Log,
  wiring: CounterWiring,
  partition: number,
  poisoned = new Map<number, PresenceError>(),
): Promise<Verdict> {
  const input = await readAll(log, wiring.topics.input, partition);
  const { inputs } = await decodeInputs(wiring.codecs, input, { from: 0, poisoned });
  const nextOffset = (input.at(-1)?.offset ?? -1) + 1;
  const restored = await restorePartition({
    log,
    wiring,
    partition,
    poisoned,
    signal: new AbortController().signal,
    feedTail: (processor, batch) => processor.tail(batch),
  });
  const { position } = restored.processor;

  const reference = wiring.processor(partition) as CounterProcessor;
  const expected: string[] = [];
  const subscription = reference.emissions.subscribe((emission) => {
    const encoded = encodeEmission(wiring, partition, emission);
    if (emission.position <= position) expected.push(...encoded.output.map(text));
  });
  reference.process({ partition, records: inputs, nextOffset });
  subscription.unsubscribe();
  restored.processor.process({ partition, records: inputs.filter(({ offset }) => offset >= position), nextOffset });
  return {
    expected,
    found: (await readAll(log, wiring.topics.output, partition)).map(text),
    expectedState: reference.snapshot(),
    foundState: (restored.processor as CounterProcessor).snapshot(),
    position,
  };
}
