/** What the laws share: a log and what is emitted of it, as bytes that can be compared. */
import type { Input } from '../../processors/stage.ts';
import type { Diff, PartitionState, Signal, UserState } from '../../schemas/generated.ts';
import type { PresenceEmission, PresenceProcessor } from './partition.ts';
import type { Topology } from './topology.ts';

/** Values to bytes and back. */
export interface LawCodec {
  state: { encode(value: UserState): Buffer; decode(bytes: Buffer): UserState };
  partition: { encode(value: PartitionState): Buffer; decode(bytes: Buffer): PartitionState };
  diff: { encode(value: Diff): Buffer };
}

export interface LawOptions {
  readonly topology: Pick<Topology, 'processor'>;
  readonly codec: LawCodec;
  readonly seed: number;
  /** Length of the log. */
  readonly records: number;
}

export type Log = readonly Input<Signal>[];

export interface Run {
  readonly options: LawOptions;
  readonly rnd: () => number;
  readonly partition: number;
  readonly log: Log;
  /** Fed record by record. */
  readonly truth: readonly PresenceEmission[];
}

export function same(law: string, seed: number, actual: readonly string[], expected: readonly string[]): void {
  const length = Math.max(actual.length, expected.length);
  for (let i = 0; i < length; i += 1) {
    if (actual[i] === expected[i]) continue;
    throw new Error(
      `Law broken, seed ${seed}: ${law}\n  at ${i} of ${expected.length}\n  expected ${expected[i]}\n  but got  ${actual[i]}`,
    );
  }
}

export function fresh(options: LawOptions, partition: number): PresenceProcessor {
  const processor = options.topology.processor(partition);
  processor.restore();
  return processor;
}

export function feed(
  processor: PresenceProcessor,
  log: Log,
  size: () => number,
  each?: (processor: PresenceProcessor) => void,
): PresenceEmission[] {
  const out: PresenceEmission[] = [];
  for (let i = 0; i < log.length; ) {
    const records = log.slice(i, i + Math.max(1, size()));
    i += records.length;
    out.push(...processor.process({ partition: 0, records, nextOffset: (records.at(-1)?.offset ?? -1) + 1 }));
    each?.(processor);
  }
  return out;
}

/** An emission as bytes, and readable: a difference is to be understood. Controls are left out: they may be said again. */
export function bytes({ codec }: LawOptions, emission: PresenceEmission): string {
  const hash = [
    ...emission.states.map(({ value }) => codec.state.encode(value)),
    ...emission.diffs.map(({ value }) => codec.diff.encode(value)),
    codec.partition.encode(emission.partition),
  ];
  const readable = JSON.stringify([emission.states.map(({ value }) => value), emission.partition]);
  return `${Buffer.concat(hash).toString('base64')} ${readable}`;
}

export const encoded = (options: LawOptions, emissions: readonly PresenceEmission[]): string[] =>
  emissions.map((emission) => bytes(options, emission));
