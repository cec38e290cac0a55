/** The topics of the system: what is in them, their partitions, how long records are kept (contract.md, "Topics"). */
import { days, hours, type Millis } from '../processors/time.ts';
import type { Delivery, Diff, Interest, Signal, UserState } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';

/** A topic, and (for the compiler alone) what its values are. Also what `Log.ensureTopics` asks for. */
export interface Topic<V> {
  readonly name: string;
  /** What its records are keyed by, and so partitioned; null where they keep the key of another topic. */
  readonly key: string | null;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  readonly retention_ms?: Millis;
  readonly __value?: V;
}

type Shape = Pick<Topic<unknown>, 'name' | 'key' | 'partitions'>;

const deleted = <V>({ name, key, partitions }: Shape, retention_ms: Millis): Topic<V> =>
  Object.freeze({ name, key, partitions, cleanup: 'delete', retention_ms });
const compacted = <V>({ name, key, partitions }: Shape): Topic<V> => Object.freeze({ name, key, partitions, cleanup: 'compact' });

/**
 * Signals, state and diffs are partitioned alike: a user's are in the same partition of each. The number is fixed when the
 * topics are made (default 8). Dead letters keep the order of nothing, and are few: one partition.
 */
export const topicsWith = (partitions: number) =>
  Object.freeze({
    signals: deleted<Signal>({ name: topicNames.signals, key: 'user_id', partitions }, days(7)),
    state: compacted<UserState>({ name: topicNames.state, key: 'user_id', partitions }),
    diffs: deleted<Diff>({ name: topicNames.diffs, key: 'user_id', partitions }, days(1)),
    interest: compacted<Interest>({ name: topicNames.interest, key: 'watcher', partitions }),
    routes: deleted<never>({ name: topicNames.routes, key: 'gateway_id', partitions }, hours(1)),
    deliveries: deleted<Delivery>({ name: topicNames.deliveries, key: 'gateway_id', partitions }, hours(1)),
    deadLetters: deleted<never>({ name: topicNames.deadLetters, key: null, partitions: 1 }, days(14)),
  });

export const DEFAULT_PARTITIONS = 8;
export const topics = topicsWith(DEFAULT_PARTITIONS);

/** For `Log.ensureTopics`. */
export const topicSpecs = (partitions: number = DEFAULT_PARTITIONS): readonly Topic<unknown>[] =>
  Object.values(topicsWith(partitions));
