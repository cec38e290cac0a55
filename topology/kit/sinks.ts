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
  /** Topic, table or keys. */
  readonly target: string;
  /** What makes writing twice harmless. */
  readonly idempotentBy: string;
}

export interface Sink<In> extends SinkSpec {
  /** For the compiler alone. */
  readonly __takes?: (value: In) => void;
}

type Holds<K extends string, V> = { readonly [P in K]: readonly Written<V>[] };

/** Writes the records that the last stage puts under `writes` to a topic. */
export const kafkaSink = <V, const K extends string>(
  name: string,
  options: { readonly writes: K; readonly topic: Topic<V> },
): Sink<Holds<K, V>> => ({
  kind: 'kafka',
  name,
  target: options.topic.name,
  idempotentBy: 'one transaction with the input position',
});

/** Keeps the newest record of each user, the devices as rows of their own, and the history of `diffs`. */
export const cockroachSink = <
  S extends { readonly epoch: number; readonly offset: number },
  D extends { readonly epoch: number; readonly version: number },
>(
  name: string,
  options: { readonly state: Topic<S>; readonly history: Topic<D>; readonly tables: readonly string[] },
): Sink<unknown> => ({
  kind: 'cockroachdb',
  name,
  target: options.tables.join(', '),
  idempotentBy: `(epoch, offset in ${options.state.name}); history (epoch, version)`,
});

/** Keeps the newest record of each user where it is read from first. */
export const redisSink = <S extends { readonly epoch: number; readonly offset: number }>(
  name: string,
  options: { readonly state: Topic<S>; readonly keys: readonly string[] },
): Sink<unknown> => ({
  kind: 'redis',
  name,
  target: options.keys.join(', '),
  idempotentBy: `(epoch, offset in ${options.state.name})`,
});
