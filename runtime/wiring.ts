/**
 * What a topology is to the runtime: how to make its processors, how its values look as bytes, and which
 * topics it reads and writes. Nothing here knows what the topology computes; test/runtime/ runs another one
 * (a counter with timers) through the same code.
 */

import type { ErrorCode } from '../base/errors.ts';
import type { StoredRecords } from '../processors/stored.ts';
import type { ValueCodec } from '../schemas/codec.ts';
import type { PartitionProcessor } from '../topology/kit/processor.ts';

/** The topics of one topology. Input, state and output have the same number of partitions. */
export interface TopologyTopics {
  /** Its only input; stamped by the broker. */
  readonly input: string;
  /** Compacted: one record a key, and the partition record. */
  readonly state: string;
  /** What it says: `Emission.diffs`. */
  readonly output: string;
  /** `Emission.controls`, outside the transaction; null: the topology has none. */
  readonly controls: string | null;
  /** Input records that no codec reads, byte for byte. */
  readonly deadLetters: string;
}

/** How the topology's values look as bytes. */
export interface TopologyCodecs<I, S, P, D, C> {
  readonly input: ValueCodec<I>;
  readonly state: ValueCodec<S>;
  readonly partition: ValueCodec<P>;
  readonly output: ValueCodec<D>;
  readonly controls: ValueCodec<C>;
  /** As `Codecs.prepare` in schemas/codec.ts. */
  prepare(values: Iterable<Buffer | null>): Promise<void> | undefined;
}

/**
 * Everything that the runtime must know of a topology. For presence:
 *
 * ```ts
 * const wiring: Wiring<Signal, UserState, PartitionState, Diff, Delivery> = {
 *   name: `${presence.name}@${presence.version}`,
 *   topics: { input: topicNames.signals, state: topicNames.state, output: topicNames.diffs,
 *     controls: topicNames.deliveries, deadLetters: topicNames.deadLetters },
 *   codecs: { input: codecs.signal, state: codecs.userState, partition: codecs.partitionState, output: codecs.diff,
 *     controls: codecs.delivery, prepare: (values) => codecs.prepare(values) },
 *   partitionKey,
 *   tick: codecs.signal.encode(tickSignal),
 *   processor: (partition, stored) =>
 *     presence.processor(partition, stored && { stored, records: userRecords(codecs.userState) }),
 * };
 * ```
 */
export interface Wiring<I, S, P, D, C> {
  /** Stands in logs, and in what an operator is told. */
  readonly name: string;
  readonly topics: TopologyTopics;
  readonly codecs: TopologyCodecs<I, S, P, D, C>;
  /** The key of a partition's own record in the state topic: one that no other record can have. */
  partitionKey(partition: number): string;
  /** The input record, encoded, that moves a partition's time on and says nothing else. */
  readonly tick: Buffer;
  /**
   * A fresh processor with nothing in it. The runtime gives it the image that its state records are put into
   * (topology/kit/processor.ts, "On an image"); without one it keeps everything itself.
   */
  processor(partition: number, stored?: StoredRecords): PartitionProcessor<I, S, P, D, C>;
  /** The command that says what a restore reads and what of it is gone, for NO_BASE; `<partition>` is replaced. */
  readonly restorePlanCommand?: string;
}

/** What a runner holds at most, and how long it waits. Each has its metric or log line; see docs in the fields. */
export interface RuntimeLimits {
  /** Records of one transaction when several emissions go into one; a single larger emission goes alone. Default 2,000. */
  readonly transactionRecords: number;
  /** Bytes likewise. Default 512 KiB, under Kafka's default of 1 MiB a batch. */
  readonly transactionBytes: number;
  /** How long a batch waits for its partition (restore, commit) before it is given back and read again. Default 250. */
  readonly patience_ms: number;
  /** Without output the partition record alone is committed this often. Default 1,000. */
  readonly checkpoint_ms: number;
  /** A tick is written when nothing moved a partition's time for this long. Default 1,000. */
  readonly idleTick_ms: number;
  /** The first pause after a failed commit, tick or restore, doubled up to `backoffMax_ms`. Default 20. */
  readonly backoff_ms: number;
  /** Default 1,000. */
  readonly backoffMax_ms: number;
  /** The pause before a fenced partition that is still assigned here is taken again, so that two do not duel. Default 1,000. */
  readonly fencedPause_ms: number;
  /** Control records waiting for the log, all partitions together; more are dropped and counted (they repeat). Default 10,000. */
  readonly controls: number;
  /** Records a partition that make the processor throw, put aside; one more and the partition is parked. Default 100. */
  readonly poisoned: number;
}

export const defaultLimits: RuntimeLimits = {
  transactionRecords: 2_000,
  transactionBytes: 512 * 1024,
  patience_ms: 250,
  checkpoint_ms: 1_000,
  idleTick_ms: 1_000,
  backoff_ms: 20,
  backoffMax_ms: 1_000,
  fencedPause_ms: 1_000,
  controls: 10_000,
  poisoned: 100,
};

/** Where a partition is in its life; see partition.ts. */
export const partitionStates = [
  'fencing',
  'restoring',
  'running',
  'committing',
  'unknown_commit',
  'fenced',
  'revoked',
  'parked',
] as const;
export type PartitionStateName = (typeof partitionStates)[number];

/** One partition as readyz, metrics and logs see it. */
export interface PartitionStatus {
  readonly partition: number;
  readonly state: PartitionStateName;
  /** The next input offset; 0 before the restore. */
  readonly position: number;
  /** Input records not yet processed, as of the last batch; null before the first one. */
  readonly lag: number | null;
  /** The partition's time, ms; 0 before the restore. */
  readonly stamp: number;
  /** Why it is parked, or what it last failed of; null when all is well. */
  readonly problem: string | null;
  /** Of what parked it (docs/errors.md); null where it is not parked. */
  readonly code: ErrorCode | null;
}
