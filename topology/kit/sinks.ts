/**
 * Where a topology's results go. A sink says what it takes of the last stage's output, and the compiler checks that the
 * stage has it. The work is done elsewhere: Kafka sinks by the runtime, in one transaction with the position; the
 * others by connectors, which read what the Kafka sinks wrote.
 */
import type { Written } from '../../processors/scope.ts';
import { aName, faultsOf, names, type SettingFault, type Settings } from '../../processors/settings.ts';
import type { Topic } from '../topics.ts';
import { aTopic, isTopic } from './a-topic.ts';

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
  /** What is wrong with what it was told; left out where nothing is. */
  readonly faults?: readonly SettingFault[];
}

export interface Sink<In> {
  readonly spec: SinkSpec;
  /** Those that it writes or reads. */
  readonly topics: readonly Topic<unknown>[];
  /** For the compiler alone. */
  readonly __takes?: (value: In) => void;
}

type Holds<K extends string, V> = { readonly [P in K]: readonly Written<V>[] };

const sink = <In>(spec: SinkSpec, ...topics: readonly Topic<unknown>[]): Sink<In> =>
  Object.freeze({ spec, topics: topics.filter(isTopic) });

interface KafkaOptions<V, K extends string> {
  readonly writes: K;
  readonly topic: Topic<V>;
}
const kafkaSettings: Settings<KafkaOptions<unknown, string>> = { writes: aName, topic: aTopic };

/** Writes the records that the last stage puts under `writes` to a topic. */
export const kafkaSink = <V, const K extends string>(name: string, options: KafkaOptions<V, K>): Sink<Holds<K, V>> => {
  const { writes, topic } = options;
  const idempotentBy = 'one transaction with the input position';
  const faults = faultsOf('kafkaSink', options, kafkaSettings);
  return sink({ kind: 'kafka', name, target: nameOf(topic), writes, reads: [], idempotentBy, ...faults }, topic);
};

interface CockroachOptions<S, D> {
  readonly state: Topic<S>;
  readonly history: Topic<D>;
  readonly tables: readonly string[];
}
const cockroachSettings: Settings<CockroachOptions<unknown, unknown>> = { state: aTopic, history: aTopic, tables: names };

/** Keeps the newest record of each user, the devices as rows of their own, and the history of `diffs`. */
export const cockroachSink = <
  S extends { readonly epoch: number; readonly offset: number },
  D extends { readonly epoch: number; readonly version: number },
>(
  name: string,
  options: CockroachOptions<S, D>,
): Sink<unknown> => {
  const { state, history, tables } = options;
  const idempotentBy = `(epoch, offset in ${nameOf(state)}); history (epoch, version)`;
  const reads = [nameOf(state), nameOf(history)];
  const faults = faultsOf('cockroachSink', options, cockroachSettings);
  return sink(
    { kind: 'cockroachdb', name, target: targetOf(tables), writes: null, reads, idempotentBy, ...faults },
    state,
    history,
  );
};

interface RedisOptions<S> {
  readonly state: Topic<S>;
  readonly keys: readonly string[];
}
const redisSettings: Settings<RedisOptions<unknown>> = { state: aTopic, keys: names };

/** Keeps the newest record of each user where it is read from first. */
export const redisSink = <S extends { readonly epoch: number; readonly offset: number }>(
  name: string,
  options: RedisOptions<S>,
): Sink<unknown> => {
  const { state, keys } = options;
  const idempotentBy = `(epoch, offset in ${nameOf(state)})`;
  const faults = faultsOf('redisSink', options, redisSettings);
  return sink(
    { kind: 'redis', name, target: targetOf(keys), writes: null, reads: [nameOf(state)], idempotentBy, ...faults },
    state,
  );
};

// Of what the compiler did not check; the sink's faults say so.
const nameOf = (topic: Topic<unknown>): string => (isTopic(topic) ? topic.name : '');
const targetOf = (parts: readonly string[]): string => (Array.isArray(parts) ? parts.join(', ') : '');
