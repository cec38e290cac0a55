/**
 * One sink: a consumer group that reads a topic and writes it into a target that may be away.
 *
 * **Model.** Each partition has one batch under way. A batch is decoded, written, and what cannot be used is put aside;
 * then its position is committed, soon (committing.ts). While the target is away the batch waits here and is tried again
 * with pauses up to 2 s: its partition reads no further, other partitions and other sinks go on, nothing is lost. A
 * partition that is taken away, and the end of the sink, end the waiting.
 *
 * **Rereading.** A target that keeps its own progress can turn out to be behind what the group has committed (a cache that
 * lost its data, a database put back from a copy). Its writer then says from where, and the partition is read again from there.
 *
 * **Delivery and replay.** At least once; targets are guarded, so repeats change nothing.
 */
import { hasCode, PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { GroupConsumer, Log, LogBatch, LogProducer, TopicPartition } from '../../ports/log.ts';
import { type DeadLetter, putAside } from '../../runtime/dead-letters.ts';
import { Backoff } from '../../runtime/waiting.ts';
import { topicNames } from '../../schemas/topics.ts';
import { Committing } from './committing.ts';
import { metrics, showLag } from './metrics.ts';

export interface Written {
  /** What cannot be used: undecodable, or refused by the target. */
  readonly dead: readonly DeadLetter[];
  /** Rows written. */
  readonly rows: number;
  /** Read again from here: the target is behind. */
  readonly rereadFrom?: number;
}

/** Writes the batches of one partition, in order. Made anew with each assignment. */
export interface PartitionWriter {
  /**
   * Writes a batch, all of it, or rejects. Retriable errors (base/errors.ts) are tried again with the same batch; others
   * are logged, and the batch is handed over again after a pause.
   */
  write(batch: LogBatch): Promise<Written>;
}

export interface SinkOptions {
  readonly name: string;
  readonly group: string;
  readonly topic: string;
  readonly log: Log;
  readonly logger: Logger;
  /** What must be done before anything can be written, such as migrations; tried until it succeeds. */
  readonly prepare?: () => Promise<void>;
  /** `committed`: the group's position, 0 if it has none. */
  readonly writer: (partition: number, committed: number) => PartitionWriter;
  /** Where dead letters go; shared, and made when first needed. */
  readonly deadLetters: () => Promise<LogProducer>;
  /** Positions are committed this often. Default 500. */
  readonly commit_ms?: number;
}

export interface SinkStatus {
  readonly sink: string;
  /** starting: its target has not been reached yet; waiting: it has, and is away now. */
  readonly state: 'starting' | 'running' | 'waiting' | 'closed';
  /** What it waits for, in words; null when all is well. */
  readonly problem: string | null;
  /** Records not written yet, all its partitions together. */
  readonly lag: number;
}

interface Assigned {
  readonly writer: PartitionWriter;
  readonly revoked: AbortController;
  lag: number;
}

export class Sink {
  private readonly options: SinkOptions;
  private readonly assigned = new Map<number, Assigned>();
  private readonly closing = new AbortController();
  private readonly started: Promise<void>;
  private consumer: GroupConsumer | undefined;
  private committing: Committing | undefined;
  private problem: string | null = null;
  private waiting = 0;
  private running = false;

  /** Starts at once, and goes on trying until its log and target are there. */
  constructor(options: SinkOptions) {
    this.options = options;
    this.started = this.start().catch((error: unknown) => {
      if (!this.closing.signal.aborted) this.options.logger.error({ sink: options.name, err: error }, 'A sink could not start.');
    });
  }

  status(): SinkStatus {
    const state = this.closing.signal.aborted ? 'closed' : !this.running ? 'starting' : this.waiting > 0 ? 'waiting' : 'running';
    const lag = [...this.assigned.values()].reduce((sum, one) => sum + one.lag, 0);
    return { sink: this.options.name, state, problem: state === 'running' ? null : this.problem, lag };
  }

  async close(): Promise<void> {
    this.closing.abort();
    for (const one of this.assigned.values()) one.revoked.abort();
    await this.started;
    await this.committing?.close();
    await this.consumer?.close();
    for (const partition of this.assigned.keys()) this.forget(partition);
  }

  private async start(): Promise<void> {
    const { prepare, log, group, topic, logger } = this.options;
    if (prepare !== undefined) await this.persist(prepare, this.closing.signal);
    const consumer = await this.persist(
      () =>
        log.consume({
          group,
          topics: [topic],
          from: 'start',
          onAssigned: (partitions) => this.assign(partitions),
          onRevoked: async (partitions) => {
            for (const { partition } of partitions) this.forget(partition);
          },
          onBatch: (batch) => this.batch(batch),
        }),
      this.closing.signal,
    );
    this.consumer = consumer;
    this.committing = new Committing({ consumer, topic, every_ms: this.options.commit_ms ?? 500, logger });
    this.running = true;
  }

  private async assign(partitions: readonly TopicPartition[]): Promise<void> {
    const { log, group, topic } = this.options;
    const committed = await this.persist(() => log.committed(group, topic), this.closing.signal);
    for (const { partition } of partitions) {
      this.forget(partition);
      const writer = this.options.writer(partition, committed[partition] ?? 0);
      this.assigned.set(partition, { writer, revoked: new AbortController(), lag: 0 });
    }
  }

  private forget(partition: number): void {
    this.assigned.get(partition)?.revoked.abort();
    this.assigned.delete(partition);
    this.committing?.forget(partition);
    showLag(this.options.name, this.options.topic, partition, null);
  }

  private async batch(batch: LogBatch): Promise<void> {
    const { partition, records, nextOffset, endOffset } = batch;
    const assigned = this.assigned.get(partition);
    if (assigned === undefined || assigned.revoked.signal.aborted) return;
    const sink = this.options.name;
    const signal = assigned.revoked.signal;
    const done = metrics.seconds.startTimer({ sink });
    try {
      const written = await this.persist(() => assigned.writer.write(batch), signal);
      await this.putAside(written.dead, batch, signal);
      if (signal.aborted) return;
      if (written.rereadFrom !== undefined) return this.reread(partition, written.rereadFrom);
      this.committing?.reached(partition, nextOffset);
      assigned.lag = Math.max(0, endOffset - nextOffset);
      showLag(sink, batch.topic, partition, assigned.lag);
      metrics.rows.observe({ sink }, written.rows);
    } catch (error) {
      if (signal.aborted) return;
      this.options.logger.error(
        { sink, partition, offset: records[0]?.offset, err: error },
        'A sink failed on a batch; it will be handed the batch again.',
      );
      throw error;
    }
    done();
    metrics.batch.observe({ sink }, records.length);
    const last = records.at(-1);
    if (last !== undefined) metrics.delay.observe({ sink }, Math.max(0, Date.now() - last.timestamp) / 1_000);
  }

  private reread(partition: number, offset: number): void {
    const { name, topic, logger } = this.options;
    logger.warn(
      { sink: name, partition, offset },
      'What a sink writes into is behind what was committed; reading again from where it is.',
    );
    metrics.reread.inc({ sink: name });
    this.consumer?.seek({ topic, partition, offset });
  }

  private async putAside(dead: readonly DeadLetter[], batch: LogBatch, signal: AbortSignal): Promise<void> {
    if (dead.length === 0) return;
    const from = { topic: batch.topic, partition: batch.partition };
    const topic = topicNames.deadLetters;
    await this.persist(
      async () => putAside(dead, { from, topic, producer: await this.options.deadLetters(), logger: this.options.logger }),
      signal,
    );
  }

  /** Tries until it succeeds, an error is not retriable, or `signal` is aborted (then the last error is thrown). */
  private async persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { name, logger } = this.options;
    const backoff = new Backoff({ first_ms: 25, max_ms: 2_000 });
    let failed = false;
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!hasCode(error, 'STORE_UNAVAILABLE', 'LOG_UNAVAILABLE') && !(error instanceof PresenceError && error.retriable))
            throw error;
          if (signal.aborted) throw error;
          if (!failed) this.enterWaiting(error);
          failed = true;
          metrics.retries.inc({ sink: name });
          await backoff.pause(signal);
          if (signal.aborted) throw error;
        }
      }
    } finally {
      if (failed) {
        this.waiting -= 1;
        metrics.waiting.set({ sink: name }, this.waiting);
        if (this.waiting === 0 && !signal.aborted) logger.info({ sink: name }, 'A sink goes on.');
      }
    }
  }

  private enterWaiting(error: PresenceError): void {
    const { name, logger } = this.options;
    if (this.waiting === 0)
      logger.warn({ sink: name, error: error.message, at: error.at }, 'A sink waits for what it writes into.');
    this.waiting += 1;
    this.problem = error.message;
    metrics.waiting.set({ sink: name }, this.waiting);
  }
}
