/** The topics of the system: what is in them, their partitions, how long records are kept (contract.md, "Topics"). */
import { days, hours, type Millis } from '../processors/time.ts';
import type { Delivery, Diff, Interest, Signal, UserState } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';

/** A topic, and (for the compiler alone) what its values are. Also what `Log.ensureTopics` asks for. */
export interface Topic<V> {
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  readonly retention_ms?: Millis;
  readonly __value?: V;
}

const deleted = <V>(name: string, partitions: number, retention_ms: Millis): Topic<V> =>
  Object.freeze({ name, partitions, cleanup: 'delete', retention_ms });
const compacted = <V>(name: string, partitions: number): Topic<V> => Object.freeze({ name, partitions, cleanup: 'compact' });

/**
 * Signals, state and diffs are partitioned alike: a user's are in the same partition of each. The number is fixed when the
 * topics are made (default 8). Dead letters keep the order of nothing, and are few: one partition.
 */
export const topicsWith = (partitions: number) =>
  Object.freeze({
    signals: deleted<Signal>(topicNames.signals, partitions, days(7)),
    state: compacted<UserState>(topicNames.state, partitions),
    diffs: deleted<Diff>(topicNames.diffs, partitions, days(1)),
    interest: compacted<Interest>(topicNames.interest, partitions),
    routes: deleted<never>(topicNames.routes, partitions, hours(1)),
    deliveries: deleted<Delivery>(topicNames.deliveries, partitions, hours(1)),
    deadLetters: deleted<never>(topicNames.deadLetters, 1, days(14)),
  });

export const DEFAULT_PARTITIONS = 8;
export const topics = topicsWith(DEFAULT_PARTITIONS);

/** For `Log.ensureTopics`. */
export const topicSpecs = (partitions: number = DEFAULT_PARTITIONS): readonly Topic<unknown>[] =>
  Object.values(topicsWith(partitions));
