/**
 * What a processor emits, as bytes, and how emissions are put into transactions.
 *
 * The objects of an emission change with the next one, so each is encoded the moment it is emitted. In
 * live running an emission (one cut) is a transaction; when a batch spans several cuts, which only happens when
 * catching up, they go together as far as the limits allow: of the states the last one a key, of the
 * output all records in their order, of the partition record and the position the last. What a reader of the
 * output sees is the same bytes either way.
 */
import type { OutRecord, TopicRecords } from '../ports/log.ts';
import type { Emission, Output } from '../topology/kit/processor.ts';
import type { RuntimeLimits, Wiring } from './wiring.ts';

/** One emission, encoded. */
export interface Encoded {
  readonly position: number;
  readonly states: readonly OutRecord[];
  readonly output: readonly OutRecord[];
  readonly controls: readonly OutRecord[];
  /** The partition record's bytes: what an unknown commit is judged by. */
  readonly partitionRecord: Buffer;
  readonly bytes: number;
}

/** What one transaction writes. */
export interface Transaction extends Encoded {
  readonly emissions: number;
}

const headersOf = (output: Output<unknown>): Pick<OutRecord, 'headers'> =>
  output.traceparent === undefined ? {} : { headers: { traceparent: output.traceparent } };

/**
 * Encodes an emission of this partition. States and output name their partition: it is the one that murmur2
 * chooses for the key wherever the input was keyed so, and a restore finds them in any case.
 */
export function encodeEmission<I, S, P, D, C>(
  wiring: Wiring<I, S, P, D, C>,
  partition: number,
  emission: Emission<S, P, D, C>,
): Encoded {
  let bytes = 0;
  const encode = <V>(output: Output<V>, codec: { encode(value: NonNullable<V>): Buffer }): OutRecord => {
    const value = output.value === null || output.value === undefined ? null : codec.encode(output.value);
    bytes += output.key.length + (value?.length ?? 0);
    return { key: output.key, value, partition, ...headersOf(output) };
  };
  const { codecs } = wiring;
  const states = emission.states.map((state) => encode(state, codecs.state as { encode(value: NonNullable<S>): Buffer }));
  const output = emission.diffs.map((diff) => encode(diff, codecs.output as { encode(value: NonNullable<D>): Buffer }));
  const controls = emission.controls.map((control) => ({
    key: control.key,
    value: codecs.controls.encode(control.value),
    ...headersOf(control),
  }));
  const partitionRecord = codecs.partition.encode(emission.partition);
  return { position: emission.position, states, output, controls, partitionRecord, bytes: bytes + partitionRecord.length };
}

/** Puts emissions, in order, into as few transactions as the limits allow. An emission is never split. */
export function toTransactions(
  emissions: readonly Encoded[],
  limits: Pick<RuntimeLimits, 'transactionRecords' | 'transactionBytes'>,
): readonly Transaction[] {
  const transactions: Transaction[] = [];
  let group: Encoded[] = [];
  let records = 0;
  let bytes = 0;
  for (const emission of emissions) {
    const more = emission.states.length + emission.output.length + 1;
    const over = records + more > limits.transactionRecords || bytes + emission.bytes > limits.transactionBytes;
    if (group.length > 0 && over) {
      transactions.push(merge(group));
      group = [];
      records = 0;
      bytes = 0;
    }
    group.push(emission);
    records += more;
    bytes += emission.bytes;
  }
  if (group.length > 0) transactions.push(merge(group));
  return transactions;
}

function merge(group: readonly Encoded[]): Transaction {
  const last = group.at(-1) as Encoded;
  if (group.length === 1) return { ...last, emissions: 1 };
  const states = new Map<OutRecord['key'], OutRecord>();
  for (const emission of group) {
    for (const state of emission.states) states.set(state.key, state);
  }
  return {
    position: last.position,
    states: [...states.values()],
    output: group.flatMap((emission) => emission.output),
    controls: group.flatMap((emission) => emission.controls),
    partitionRecord: last.partitionRecord,
    bytes: group.reduce((sum, emission) => sum + emission.bytes, 0),
    emissions: group.length,
  };
}

/** The records of a transaction by topic; the partition record comes after all that it speaks of. */
export function recordsOf<I, S, P, D, C>(
  wiring: Wiring<I, S, P, D, C>,
  partition: number,
  transaction: Transaction,
): readonly TopicRecords[] {
  const partitionRecord: OutRecord = { key: wiring.partitionKey(partition), value: transaction.partitionRecord, partition };
  const state: TopicRecords = { topic: wiring.topics.state, records: [...transaction.states, partitionRecord] };
  return transaction.output.length === 0 ? [state] : [{ topic: wiring.topics.output, records: transaction.output }, state];
}
