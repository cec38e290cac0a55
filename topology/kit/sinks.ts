/**
 * Where a topology's results go. A sink says what it takes of the last stage's output, and the compiler checks that the
 * stage has it. The work is done elsewhere: Kafka sinks by the runtime, in one transaction with the position; the
 * others by connectors, which read what the Kafka sinks wrote.
 */
import type { Written } from '../../processors/scope.ts';
import type { Topic } from '../topics.ts';

/** A sink as data. */
export interface SinkSpec {
  readonly kind: 'kafka' | 'cockroachdb' | 'redis';
  readonly name: string;
  /** Topic, tables or keys. */
  readonly target: string;
  /** What it writes of the last stage's output; null for one that reads topics that other sinks wrote. */
  readonly writes: string | null;
  /** The topics that it reads. */
  readonly reads: readonly string[];
  /** What makes writing twice harmless. */
  readonly idempotentBy: string;
}

export interface Sink<In> {
  readonly spec: SinkSpec;
  /** Those that it writes or reads. */
  readonly topics: readonly Topic<unknown>[];
  /** For the compiler alone. */
  readonly __takes?: (value: In) => void;
}

type Holds<K extends string, V> = { readonly [P in K]: readonly Written<V>[] };

const sink = <In>(spec: SinkSpec, ...topics: readonly Topic<unknown>[]): Sink<In> => Object.freeze({ spec, topics });

/** Writes the records that the last stage puts under `writes` to a topic. */
export const kafkaSink = <V, const K extends string>(
  name: string,
  { writes, topic }: { readonly writes: K; readonly topic: Topic<V> },
): Sink<Holds<K, V>> =>
  sink(
    { kind: 'kafka', name, target: topic.name, writes, reads: [], idempotentBy: 'one transaction with the input position' },
    topic,
  );

/** Keeps the newest record of each user, the devices as rows of their own, and the history of `diffs`. */
export const cockroachSink = <
  S extends { readonly epoch: number; readonly offset: number },
  D extends { readonly epoch: number; readonly version: number },
>(
  name: string,
  { state, history, tables }: { readonly state: Topic<S>; readonly history: Topic<D>; readonly tables: readonly string[] },
): Sink<unknown> => {
  const idempotentBy = `(epoch, offset in ${state.name}); history (epoch, version)`;
  const target = tables.join(', ');
  return sink(
    { kind: 'cockroachdb', name, target, writes: null, reads: [state.name, history.name], idempotentBy },
    state,
    history,
  );
};

/** Keeps the newest record of each user where it is read from first. */
export const redisSink = <S extends { readonly epoch: number; readonly offset: number }>(
  name: string,
  { state, keys }: { readonly state: Topic<S>; readonly keys: readonly string[] },
): Sink<unknown> => {
  const idempotentBy = `(epoch, offset in ${state.name})`;
  return sink({ kind: 'redis', name, target: keys.join(', '), writes: null, reads: [state.name], idempotentBy }, state);
};
