/**
 * What an undisturbed run would have said: the processor alone over the input as it lies in the log, in one
 * go. And what a reader of committed records finds in the log. Both as text, to compare byte for byte.
 */
import type { PresenceError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import type { Log, LogRecord } from '../../ports/log.ts';
import type { Batch, Input } from '../../processors/stage.ts';
import { decodeInputs } from '../../runtime/decoding.ts';
import { encodeEmission } from '../../runtime/encoding.ts';
import { StateImage } from '../../runtime/image-state.ts';
import { restorePartition } from '../../runtime/restore.ts';
import type { Wiring } from '../../runtime/wiring.ts';
import type { Emission, PartitionProcessor } from '../../topology/kit/processor.ts';
import type { CounterProcessor, CounterWiring } from './counter.ts';

export async function readAll(log: Log, topic: string, partition: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({ topic, partition, from: 0, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}

type Shown = {
  readonly key: unknown;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
};
/** Text where it is text, so that a difference can be read. */
const bytes = (value: Buffer | null): string => (value?.[0] === 0 ? value.toString('hex') : String(value));
const text = (record: Shown): string =>
  `${String(record.key)} ${bytes(record.value)} ${String(record.headers?.traceparent ?? '')}`;

export interface Verdict {
  readonly expected: readonly string[];
  readonly found: readonly string[];
  readonly expectedState: unknown;
  readonly foundState: unknown;
  readonly position: number;
}

/**
 * Compares one partition of the counter: output up to the committed position, and the state that a restore gives,
 * carried on to the input's end.
 */
export async function judge(
  log: Log,
  wiring: CounterWiring,
  partition: number,
  poisoned = new Map<number, PresenceError>(),
): Promise<Verdict> {
  const run = await runReference(log, wiring, partition, { poisoned, future: [] });
  const { reference, restored, ...verdict } = run;
  return {
    ...verdict,
    expectedState: (reference as CounterProcessor).snapshot(),
    foundState: (restored as CounterProcessor).snapshot(),
  };
}

/**
 * The same for any topology: in place of the state, which nobody outside can see, what both say from the position on,
 * through the rest of the input and then through `future` (ticks that bring out whatever still waits).
 */
export async function judgeFuture<I, S, P, D, C>(
  log: Log,
  wiring: Wiring<I, S, P, D, C>,
  partition: number,
  future: readonly Input<I>[],
): Promise<Verdict> {
  const {
    reference: _,
    restored: __,
    expectedFuture,
    foundFuture,
    ...verdict
  } = await runReference(log, wiring, partition, { poisoned: new Map(), future });
  return { ...verdict, expectedState: expectedFuture, foundState: foundFuture };
}

interface ReferenceOptions<I> {
  readonly poisoned: ReadonlyMap<number, PresenceError>;
  readonly future: readonly Input<I>[];
}

async function runReference<I, S, P, D, C>(
  log: Log,
  wiring: Wiring<I, S, P, D, C>,
  partition: number,
  { poisoned, future }: ReferenceOptions<I>,
) {
  const input = await readAll(log, wiring.topics.input, partition);
  const { inputs } = await decodeInputs(wiring.codecs, input, { from: 0, poisoned });
  const { signal } = new AbortController();
  const feedTail = (processor: PartitionProcessor<I, S, P, D, C>, batch: Batch<I>): void => processor.tail(batch);
  const { processor: restored } = await restorePartition({
    ...{ log, wiring, partition, poisoned, signal, feedTail, logger: silentLogger },
    image: new StateImage(wiring.partitionKey(partition)),
  });
  const { position, stamp } = restored;
  const all = [...inputs, ...future];
  const nextOffset = (all.at(-1)?.offset ?? -1) + 1;

  const reference = wiring.processor(partition);
  const expected: string[] = [];
  const expectedFuture: string[] = [];
  collect(reference, (emission) => {
    const into = holds({ position, stamp }, emission) ? expected : expectedFuture;
    into.push(...encodeEmission(wiring, partition, emission).output.map(text));
  });
  reference.process({ partition, records: all, nextOffset });
  const foundFuture: string[] = [];
  collect(restored, (emission) => foundFuture.push(...encodeEmission(wiring, partition, emission).output.map(text)));
  restored.process({ partition, records: all.filter(({ offset }) => offset >= position), nextOffset });
  const found = (await readAll(log, wiring.topics.output, partition)).map(text);
  return { reference, restored, expected, found, expectedFuture, foundFuture, position };
}

/**
 * Whether what was committed last holds this emission. One says what came before its record, and so does a checkpoint, which says
 * nothing: they have one position, and are told by the clock, since only what moves it is an emission.
 */
const holds = (committed: Committed, emission: Committed): boolean =>
  emission.position < committed.position || (emission.position === committed.position && emission.stamp === committed.stamp);

interface Committed {
  readonly position: number;
  readonly stamp: number;
}

function collect<I, S, P, D, C>(
  processor: PartitionProcessor<I, S, P, D, C>,
  next: (emission: Emission<S, P, D, C>) => void,
): void {
  processor.emissions.subscribe(next);
}
