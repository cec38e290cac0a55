/** Input records to values: the schemas that are not known yet are fetched first, then all is synchronous. */
import { PresenceError } from '../base/errors.ts';
import type { LogRecord } from '../ports/log.ts';
import type { Input } from '../processors/stage.ts';
import { schemaIdOf, type ValueCodec } from '../schemas/codec.ts';
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

type InputCodecs<I> = Pick<TopologyCodecs<I, never, never, never, never>, 'input' | 'prepare'>;

/** Rejects only if a schema cannot be fetched now (retriable); what cannot be decoded is in `dead`. */
export async function decodeInputs<I>(
  codecs: InputCodecs<I>,
  records: readonly LogRecord[],
  options: DecodeOptions,
): Promise<DecodedBatch<I>> {
  await prepareInputs(codecs, records);
  return decodeStretch(codecs, records, options, 0, records.length);
}

/** Fetches the schemas of these records; rejects if that cannot be done now (retriable). */
export async function prepareInputs<I>(codecs: InputCodecs<I>, records: readonly LogRecord[]): Promise<void> {
  const unknown = codecs.prepare(valuesOf(records));
  if (unknown !== undefined) await unknown;
}

/** Those in [begin, end), by their place; they have been prepared. */
export function decodeStretch<I>(
  codecs: InputCodecs<I>,
  records: readonly LogRecord[],
  options: DecodeOptions,
  begin: number,
  end: number,
): DecodedBatch<I> {
  const inputs: Input<I>[] = [];
  const dead: DeadLetter[] = [];
  for (let at = begin; at < end; at += 1) {
    const record = records[at] as LogRecord;
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

function decodeInput<I>(codec: Pick<ValueCodec<I>, 'decode' | 'decodeIn'>, record: LogRecord): Input<I> {
  const { valueIn, valueFrom = 0, valueTo = -1 } = record;
  let value: I;
  if (valueIn !== undefined && valueTo >= valueFrom && codec.decodeIn !== undefined)
    value = codec.decodeIn(valueIn, valueFrom, valueTo);
  else {
    const bytes = record.value;
    if (bytes === null) {
      throw new PresenceError('UNDECODABLE', 'The record has no value.', { at: `offset ${record.offset}`, retriable: false });
    }
    value = codec.decode(bytes);
  }
  const { traceparent } = record.headers;
  return traceparent === undefined
    ? { offset: record.offset, stamp: record.timestamp, value }
    : { offset: record.offset, stamp: record.timestamp, value, traceparent: traceparent.toString('latin1') };
}

/** Of each schema's values in a row the first: what `prepare` must see. */
export function valuesOf(records: readonly LogRecord[]): readonly (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let last = -1;
  for (const record of records) {
    const { valueIn, valueFrom = 0, valueTo = -1 } = record;
    const id = valueIn === undefined ? idOf(record.value) : schemaIdOf(valueIn, valueFrom, valueTo);
    if (id === last || id < 0) continue;
    last = id;
    values.push(record.value);
  }
  return values;
}

const idOf = (value: Buffer | null): number => (value === null ? -1 : schemaIdOf(value));
