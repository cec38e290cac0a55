/** Input records to values: the schemas that are not known yet are fetched first, then all is synchronous. */
import { PresenceError } from '../base/errors.ts';
import type { LogRecord } from '../ports/log.ts';
import type { Input } from '../processors/stage.ts';
import type { DeadLetter } from './dead-letters.ts';
import type { TopologyCodecs } from './wiring.ts';

export interface DecodedBatch<I> {
  readonly inputs: readonly Input<I>[];
  readonly dead: readonly DeadLetter[];
}

/** What to read: records at or above `from`, and those known to be unusable for other reasons, by offset. */
export interface DecodeOptions {
  readonly from: number;
  readonly poisoned: ReadonlyMap<number, unknown>;
}

/** Rejects only if a schema cannot be fetched now (retriable); what cannot be decoded is in `dead`. */
export async function decodeInputs<I>(
  codecs: Pick<TopologyCodecs<I, never, never, never, never>, 'input' | 'prepare'>,
  records: readonly LogRecord[],
  options: DecodeOptions,
): Promise<DecodedBatch<I>> {
  const unknown = codecs.prepare(valuesOf(records));
  if (unknown !== undefined) await unknown;
  const inputs: Input<I>[] = [];
  const dead: DeadLetter[] = [];
  for (const record of records) {
    if (record.offset < options.from) continue;
    const poison = options.poisoned.size > 0 ? options.poisoned.get(record.offset) : undefined;
    if (poison !== undefined) {
      dead.push({ record, error: poison });
      continue;
    }
    try {
      inputs.push(decodeInput(codecs.input, record));
    } catch (error) {
      dead.push({ record, error });
    }
  }
  return { inputs, dead };
}

function decodeInput<I>(codec: { decode(bytes: Buffer): I }, record: LogRecord): Input<I> {
  if (record.value === null) {
    throw new PresenceError('UNDECODABLE', 'The record has no value.', { at: `offset ${record.offset}`, retriable: false });
  }
  const input = { offset: record.offset, stamp: record.timestamp, value: codec.decode(record.value) };
  const traceparent = record.headers.traceparent;
  return traceparent === undefined ? input : { ...input, traceparent: traceparent.toString('latin1') };
}

export function* valuesOf(records: readonly LogRecord[]): Iterable<Buffer | null> {
  for (const record of records) yield record.value;
}
