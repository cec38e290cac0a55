/**
 * The log: what this system needs of Kafka, and no more. Two implementations, runtime/log-kafka.ts and
 * runtime/log-embedded.ts, are held by one contract suite (test/contract/log.contract.ts).
 *
 * Offsets are numbers: 2^53 records a partition is more than a century at a million a second.
 * Times are milliseconds. Every topic that the system itself lives by is stamped by the broker (LogAppendTime).
 */

export interface LogRecord {
  readonly offset: number;
  /** The broker's stamp, or its writer's (`Stamps`). */
  readonly timestamp: number;
  readonly key: Buffer | null;
  /** null is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
  /** Where the value lies in a larger buffer, for who reads it there: making a view costs more than reading a small value. */
  readonly valueIn?: Buffer;
  readonly valueFrom?: number;
  readonly valueTo?: number;
}

/** Some records of one partition, at least one, in order. Offsets may have gaps (transaction markers, compaction). */
export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /** The next offset to read after this batch: beyond the gaps, as far as known. */
  readonly nextOffset: number;
  /** The partition's end as of the fetch: the first offset that a reader of committed records cannot read yet. */
  readonly endOffset: number;
}

export interface OutRecord {
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  /** Only where the key does not choose it (murmur2 as Kafka's default partitioner). */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string | Buffer>>;
  /**
   * Its stamp in a topic whose writers stamp, ms; the time of the send where it is left out. Elsewhere the broker's replaces it.
   */
  readonly timestamp?: number;
}

export interface TopicRecords {
  readonly topic: string;
  readonly records: readonly OutRecord[];
}

/** What the broker said of one partition's part of a send. */
export interface Appended {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: number;
  /** The broker's stamp on these records. */
  readonly timestamp: number;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** For `delete`: how long records are kept at least. */
  readonly retention_ms?: number;
  /** Default `broker`. */
  readonly stamps?: Stamps;
}

/** Whose clock stamps a topic's records: its broker's (LogAppendTime), or each writer's own (CreateTime). */
export type Stamps = 'broker' | 'writer';

export interface PartitionOffsets {
  readonly partition: number;
  readonly start: number;
  /** The end for a reader of committed records (last stable offset). */
  readonly end: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Sends without a transaction, idempotently. **One send is under way at a time, its retries included**;
 * later calls wait their turn in order (concurrent sends of one idempotent kafkajs producer lose
 * acknowledged records after a fault). A send that rejects may be given again as it was: what the broker
 * already has of it is not doubled as far as the client can know; readers drop the rest by ordinal.
 */
export interface LogProducer {
  /**
   * Resolves once every record is acknowledged by the broker; one entry for each partition written to.
   * Rejects with LOG_UNAVAILABLE (retriable) after a few seconds of trying, or BAD_INPUT for what the broker will never take.
   */
  send(batches: readonly TopicRecords[]): Promise<readonly Appended[]>;
  /**
   * As `send`, for who does not want one partition to hold up the others: once the broker has acknowledged some partitions and
   * says no to others (one has no leader now), it resolves with those that are acknowledged; what is missing may or may not be
   * there, and is the caller's to give again. Rejects, as `send` does, where it is all of them.
   */
  offer(batches: readonly TopicRecords[]): Promise<readonly Appended[]>;
  close(): Promise<void>;
}

export interface TransactionOffsets {
  readonly group: string;
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
}

/**
 * One transactional id. In order: `fence()` once, then `commit` or `append` one at a time.
 * - ABORTED (retriable): nothing of it is readable; call commit again with the same content.
 * - COMMIT_UNKNOWN: the answer was lost. Call `reopen()`, which settles the transaction one way or
 *   the other; then read what was committed and decide.
 * - FENCED: another producer has taken the id; this one is of no more use.
 */
export interface LogTransactions {
  /**
   * From now on every earlier holder of the id is fenced. Resolves when what was committed with the id before can
   * be read, and what was open is aborted. Rejects with LOG_UNAVAILABLE.
   */
  fence(): Promise<void>;
  /**
   * All or nothing. Begins with a record, never with offsets; `batches` must hold at least one record. Resolves when
   * readers can see it, with where it lies. BAD_INPUT, with nothing written, for what the broker will never take.
   */
  commit(batches: readonly TopicRecords[], offsets?: TransactionOffsets): Promise<readonly Appended[]>;
  /**
   * Writes as a plain idempotent producer does, under the same fence: what is written is readable at once. One after the other,
   * each acknowledged before the next; of one partition all or nothing, as far as a broker takes it in one batch (900 kB on
   * Kafka). FENCED, BAD_INPUT as `commit`; COMMIT_UNKNOWN: some of it may be there, call `reopen()` and look. It may be given
   * again.
   */
  append(batches: readonly TopicRecords[]): Promise<readonly Appended[]>;
  /** Settles what went before, as `fence` does, but takes the id from nobody: FENCED where somebody else has it. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export interface GroupOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Where to begin when the group has no offset. Default `start`. */
  readonly from?: 'start' | 'end';
  /**
   * Called once for each assignment that brings something, with what is new (what was held and is kept goes
   * on undisturbed, and is not named again), and awaited before a batch of these is handed over. It may
   * take long (a restore): membership is kept alive. Some of it may be revoked before it is done. If it rejects, it is
   * called again after a pause, with what is still assigned.
   */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => Promise<void>;
  /**
   * These are no longer ours; work on them must stop and must not be committed. A batch of them that is
   * under way is not interrupted, and is the last one. Called on close too, and when the membership was lost
   * (somebody else may have them since): they may then be assigned anew at once.
   */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => Promise<void>;
  /**
   * One batch of a partition at a time; the next one of that partition is fetched when this resolves, so
   * a slow consumer is never flooded. Different partitions run side by side. While it runs, membership in
   * the group is kept alive. If it rejects, the batch is handed over again after a pause.
   */
  readonly onBatch: (batch: LogBatch) => Promise<void>;
  readonly standby?: GroupStandby;
  /**
   * A member that is not heard of for so long loses its partitions to others. Beats go out four times as often. Kafka takes
   * `group.min.session.timeout.ms` (6,000 unless set otherwise) at least; the embedded log's members are never lost. Default
   * 6,000.
   */
  readonly session_ms?: number;
}

/** How a group keeps what its members know of partitions that are not theirs; see runtime/assign.ts. */
export interface GroupStandby {
  /** Members beside the owner that keep something of each partition at hand, as far as there are members. */
  readonly replicas: number;
  /**
   * The partition numbers that this member could take over, with how many records each one's image misses. Asked at each
   * rebalance.
   */
  warm(): ReadonlyMap<number, number>;
  /** With each assignment: the partition numbers whose image this member is to keep from now on, and those that are its own. */
  onStandby(partitions: readonly number[], owned: readonly number[]): void;
}

export interface GroupConsumer {
  /**
   * Takes these as the group's positions (the next offset to read). Rejects with LOG_UNAVAILABLE, or with
   * FENCED where one of them is not assigned to this member (any more): none is taken then.
   */
  commit(offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]): Promise<void>;
  /** The next batch of this partition begins here. Call it within onAssigned or onBatch; ignored for what is not assigned. */
  seek(position: TopicPartition & { readonly offset: number }): void;
  /** What is assigned now. */
  readonly assignment: readonly TopicPartition[];
  /** The image of a partition number has become warm here: if the group waits for that to move the partition, it does so now. */
  warmed(partition: number): void;
  /** Leaves the group: onRevoked, then the batches under way end. */
  close(): Promise<void>;
}

export interface FollowOptions {
  readonly topics: readonly string[];
  /**
   * Every partition of these topics is read, from here on, with no group; `next`: those partitions alone, each from this offset
   * (from the log's start where it is no longer there).
   */
  readonly from: 'start' | 'end' | { readonly timestamp: number } | { readonly next: ReadonlyMap<number, number> };
  /** As in GroupOptions. */
  readonly onBatch: (batch: LogBatch) => Promise<void>;
}

export interface Follower {
  /** Resolves when everything that was there at the call of `follow` has been handed over (at once if nothing was). */
  readonly caughtUp: Promise<void>;
  close(): Promise<void>;
}

export interface ReadOptions extends TopicPartition {
  /** The first offset to read; the log's start if it is below that. */
  readonly from: number;
  /** The first offset not to read. Never beyond the partition's end at the call, which is also the default. */
  readonly to?: number;
  /** `'enough'` ends the read here; what it rejects with, `read` rejects with. */
  readonly onBatch: (batch: LogBatch) => ReadOn | Promise<ReadOn>;
}

export type ReadOn = void | 'enough';

/**
 * Every reader reads committed records only. While the log cannot be reached, `producer`, `transactions` and
 * `follow` resolve all the same; what they return rejects, or waits. `consume` waits for its first assignment,
 * however long that takes (so do not make a server's start depend on it). All other methods reject with
 * LOG_UNAVAILABLE. Readers, once begun, come back by themselves after any outage. A topic that is not there is
 * LOG_MISMATCH: make it with ensureTopics.
 */
export interface Log {
  /**
   * Makes the topics that are not there; returns the names of those made by this call. A topic that is
   * there with another number of partitions is LOG_MISMATCH: the number is fixed when topics are made.
   */
  ensureTopics(topics: readonly TopicSpec[]): Promise<readonly string[]>;
  partitions(topic: string): Promise<number>;
  stamps(topic: string): Promise<Stamps>;
  /**
   * Tells this topic from every other: one of the same name in another log, or made anew after it was deleted, has another. What
   * is kept of a topic outside the log (a snapshot) is good for as long as this stays the same.
   */
  identity(topic: string): Promise<string>;
  offsets(topic: string): Promise<readonly PartitionOffsets[]>;
  /** The positions committed by a group; null where there is none. */
  committed(group: string, topic: string): Promise<readonly (number | null)[]>;
  producer(): Promise<LogProducer>;
  /**
   * `writes`: the partitions that this id is known to write to. Whatever an earlier holder left open there ends when the
   * id is taken, also where the broker has forgotten it.
   */
  transactions(transactionalId: string, writes?: readonly TopicPartition[]): Promise<LogTransactions>;
  consume(options: GroupOptions): Promise<GroupConsumer>;
  follow(options: FollowOptions): Promise<Follower>;
  /** Reads a stretch of one partition and resolves when all of it was handed over. */
  read(options: ReadOptions): Promise<void>;
  /** Resolves if the log answers now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
