/**
 * What a topology is to whoever runs it (runtime/partition.ts, the test driver, replay): one processor a
 * partition, pure and synchronous. It knows no log, no clock and no thread; its runner knows no presence.
 */
import type { Observable } from 'rxjs';
import type { Batch } from '../../processors/stage.ts';

/** A record to be written, not yet encoded. `value: null` is a tombstone. */
export interface Output<V> {
  readonly key: string;
  readonly value: V;
  readonly traceparent?: string;
}

/**
 * Everything that one commit says. All of it goes into one transaction: state records, diffs, the
 * partition record, and `position` as the group's offset.
 */
export interface Emission<S, P, D, C> {
  /** The input position up to which this holds: the first offset not in it. */
  readonly position: number;
  /** The partition's time as of the cut. */
  readonly stamp: number;
  /** Changed user records, as of the cut. They are the emission's own: what happens later does not reach them. */
  readonly states: readonly Output<S>[];
  /** In order of user key within a cut. */
  readonly diffs: readonly Output<D>[];
  readonly partition: P;
  /** For presence.deliveries, by a plain producer after the commit; repeats harmless; never in replays. */
  readonly controls: readonly Output<C>[];
}

/** What a runner reports per batch; counters since the last call of `takeCounts`. */
export interface ProcessorCounts {
  /** Signals by kind. */
  readonly signals: Readonly<Record<string, number>>;
  readonly duplicates: number;
  /** From replaced sessions, or not from the holder. */
  readonly ignored: number;
  readonly ordinalsMissing: number;
  readonly ordinalsRepeated: number;
  readonly holes: number;
  readonly leapsBack: number;
  readonly cuts: number;
  readonly timersFired: number;
  /** In the order of the chain. */
  readonly stages: readonly StageCounts[];
}

/** What passed through a stage: happenings given to it, and handed on by it. */
export interface StageCounts {
  readonly name: string;
  readonly in: number;
  readonly out: number;
}

/** What a processor holds. */
export interface ProcessorSizes {
  /** Users known, in memory or in the image. */
  readonly users: number;
  /** Of them, users in memory as objects. */
  readonly hot: number;
  /** Devices of all users. */
  readonly devices: number;
  /** Deadlines that somebody waits for, about. */
  readonly timers: number;
  /** Entries of each stage's store. */
  readonly stores: readonly StoreSize[];
}

export interface StoreSize {
  readonly stage: string;
  readonly store: string;
  readonly entries: number;
}

/**
 * One partition of a topology.
 *
 * Life: `load` every record of the state topic's partition, `restore`, `tail` over [tailFrom, position),
 * then `process` batch after batch from `position`. A new partition has nothing to load: `restore` then
 * answers 0 and 0.
 *
 * **On an image** (a processor that was made with `StoredRecords`, processors/stored.ts) its runner keeps the state as bytes:
 * 1. Before `restore` the image holds the newest record of each key of the state topic's partition, without the partition
 *    record, which comes by `loadPartition` as ever; `load` is not called. The schema of every record in it has been
 *    prepared, so that it can be decoded at any moment.
 * 2. From then on the runner puts each of `Emission.states` into the image while `emissions` tells it, before the
 *    subscriber returns. (What `process` answers with comes too late: the next record may need it.) Nobody else puts or
 *    removes anything.
 * 3. The image is thus what has been emitted, which may be ahead of what has been committed. A processor that is
 *    dropped takes its image with it; a snapshot of it is good when nothing is under way.
 */
export interface PartitionProcessor<I, S, P, D, C> {
  load(key: string, value: S | null): void;
  loadPartition(value: P): void;
  /** Ends loading: builds timers and indexes. Says which stretch of the input to feed to `tail`, and where `process` begins. */
  restore(): { readonly tailFrom: number; readonly position: number };
  /** Beats only: everything else of this stretch is in the records. */
  tail(batch: Batch<I>): void;
  /**
   * Feeds a batch through the chain; what it emits: one emission a record before which cuts had output. Records
   * below the position are skipped.
   */
  process(batch: Batch<I>): readonly Emission<S, P, D, C>[];
  /** The same as an Observable of all emissions; `process` pushes into it. */
  readonly emissions: Observable<Emission<S, P, D, C>>;
  /**
   * The partition record alone (and beats that are due to be flushed), when nothing waits for a cut: the
   * once-a-second commit. null while something waits, or nothing moved since the last emission.
   */
  checkpoint(): Emission<S, P, D, C> | null;
  /**
   * The stamp at which the next timer falls due or a waiting cut ends; null if nothing waits. A runner writes a tick
   * when the broker's clock has reached it. It may be early, by about a second, for a user who is not in memory: the
   * tick then brings them there, and the next answer is exact. It is never late.
   */
  due(): number | null;
  /** The next input offset. */
  readonly position: number;
  /** The partition's time. */
  readonly stamp: number;
  /** For metrics. */
  readonly sizes: ProcessorSizes;
  takeCounts(): ProcessorCounts;
}
