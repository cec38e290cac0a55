/** The log once more, from its beginning, in batches of other sizes: the same diffs must come, byte for byte. */

import type { Log, LogRecord } from '../ports/log.ts';
import type { PresenceWiring } from '../replay/wiring.ts';
import { encodeEmission } from '../runtime/encoding.ts';
import type { Random } from './random.ts';

export interface Replayed {
  /** What is wrong; null if nothing is. */
  readonly fault: string | null;
  readonly ordinalsMissing: number;
  readonly ordinalsRepeated: number;
  readonly signals: number;
  readonly diffs: number;
}

export async function replay(log: Log, wiring: PresenceWiring, random: Random): Promise<Replayed> {
  const { input, output } = wiring.topics;
  const total = { fault: null as string | null, ordinalsMissing: 0, ordinalsRepeated: 0, signals: 0, diffs: 0 };
  for (let partition = 0; partition < (await log.partitions(input)); partition++) {
    const [signals, said] = await Promise.all([recordsOf(log, input, partition), recordsOf(log, output, partition)]);
    const again = feed(wiring, partition, signals, random);
    total.signals += signals.length;
    total.diffs += said.length;
    total.ordinalsMissing += again.counts.ordinalsMissing;
    total.ordinalsRepeated += again.counts.ordinalsRepeated;
    total.fault ??= compare(partition, said, again.diffs);
  }
  return total;
}

function feed(wiring: PresenceWiring, partition: number, records: readonly LogRecord[], random: Random) {
  const processor = wiring.processor(partition);
  processor.restore();
  const diffs: Buffer[] = [];
  const subscription = processor.emissions.subscribe((emission) => {
    for (const { value } of encodeEmission(wiring, partition, emission).output) diffs.push(value as Buffer);
  });
  for (let at = 0; at < records.length; ) {
    const size = random.whole(1, 400);
    const batch = records.slice(at, at + size);
    at += size;
    const inputs = batch.map(({ offset, timestamp, value, headers }) => ({
      offset,
      stamp: timestamp,
      value: wiring.codecs.input.decode(value as Buffer),
      ...(headers.traceparent === undefined ? {} : { traceparent: headers.traceparent.toString() }),
    }));
    processor.process({ partition, records: inputs, nextOffset: (batch.at(-1) as LogRecord).offset + 1 });
  }
  subscription.unsubscribe();
  return { diffs, counts: processor.takeCounts() };
}

/** The replay stands where the log ends: it may say more than was committed yet, never less, and never anything else. */
function compare(partition: number, said: readonly LogRecord[], again: readonly Buffer[]): string | null {
  if (again.length < said.length) return `partition ${partition}: ${said.length} diffs were said, a replay says ${again.length}`;
  const wrong = said.findIndex(({ value }, index) => (value as Buffer).equals(again[index] as Buffer) === false);
  return wrong < 0 ? null : `partition ${partition}: diff ${wrong} of ${said.length} is another in a replay`;
}

async function recordsOf(log: Log, topic: string, partition: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({ topic, partition, from: 0, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}
