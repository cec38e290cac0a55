/**
 * One partition of a topology, from the moment the group assigns it here until it is revoked.
 *
 * It owns the processor, the transactional id of the partition and the one commit that may be under way. The
 * group hands it one batch at a time (`onBatch`); everything else that it does, it does one thing at a
 * time in the background (`activity`): taking the partition, or committing what a batch brought.
 *
 * ## States
 * - **fencing**: an empty transaction is begun and aborted; from then on no earlier owner can commit.
 *   Leaves to *restoring*; a log that cannot be reached keeps it here, with growing pauses.
 * - **restoring**: restore.ts. Leaves to *running*; to *parked* when that cannot ever succeed.
 * - **running**: a batch is decoded, what cannot be is put aside (dead-letters.ts, acknowledged before anything
 *   else), the rest is processed at once and what it emits is encoded. Leaves to *committing* when there is something
 *   to commit: the emissions, or once a second the partition record alone.
 * - **committing**: committer.ts writes the transactions in order. Meanwhile the next batch is fetched and waits.
 *   After each one its control records go out.
 * - **unknown_commit**: the answer to a commit was lost, the log is being asked. Leaves to *committing* or *fencing*.
 * - **fenced**: somebody else has taken the partition. All state is dropped. After a pause, and once the group
 *   confirms that the partition is ours, it is taken again, from *fencing* on.
 * - **parked**: it refuses to run (NO_BASE, LOG_MISMATCH, UNDECODABLE state, too many poisoned records, output that the log
 *   will never take) and says what to do. Other partitions run on. Left only by a new assignment or a restart.
 * - **revoked**: the end. What is under way may finish; nothing more is begun.
 *
 * Only `enter` changes the state.
 *
 * ## Giving a batch back
 * A batch waits for its partition `patience_ms` at most, then it is given back (`seek` to where it begins): a
 * handler that holds on for longer would hold up the group's next rebalance.
 *
 * ## Records that make the processor throw
 * A fault of the topology, but one record must not stop a partition: its state is dropped and taken again, the batch
 * is fed one record at a time, and the record at which it throws is put aside as INTERNAL from then on.
 *
 * **Delivery and replay.** Output, states and position are exactly once; dead letters at least once; control records
 * at most once from here, said again by the topology. What is emitted depends on the input alone.
 */
import { clock } from '../base/clock.ts';
import { type ErrorCode, hasCode, PresenceError } from '../base/errors.ts';
import type { LogBatch, LogTransactions, TopicPartition } from '../ports/log.ts';
import type { CommitTrouble } from './committer.ts';
import { type DeadLetter, putAsideForSure } from './dead-letters.ts';
import { prepareInputs } from './decoding.ts';
import { type Encoded, toTransactions } from './encoding.ts';
import { type Digested, Feeder } from './feeding.ts';
import type { StateImage } from './image-state.ts';
import { countBatch, countCommit, forgetPartition, metrics, showProcessor, showState } from './metrics.ts';
import type { PartitionParts } from './partition-parts.ts';
import { forgetImage, type Held, markCommitted, restoreHeld } from './partition-take.ts';
import { offsetsOf } from './restore.ts';
import type { TickTarget } from './ticks.ts';
import { Backoff, pause, settlesWithin } from './waiting.ts';
import type { PartitionStateName, PartitionStatus } from './wiring.ts';

/** How long a revocation waits for a commit under way; what is later is fenced by the next owner. */
const REVOKE_WAIT_MS = 2_000;

export class PartitionRunner<I, S, P, D, C> implements TickTarget {
  readonly partition: number;
  private readonly parts: PartitionParts<I, S, P, D, C>;
  private readonly input: TopicPartition;
  private readonly feeder: Feeder<I, S, P, D, C>;
  private readonly stopping = new AbortController();
  private state: PartitionStateName = 'fencing';
  private held: Held<I, S, P, D, C> | null = null;
  /** What is there of the state topic before it is restored; a restore that fails goes on with it. */
  private image: StateImage | null = null;
  private transactions: LogTransactions | null = null;
  /** The one thing under way in the background. Never rejects. */
  private activity: Promise<void> = Promise.resolve();
  private inHand = false;
  private finishing = false;
  private problem: string | null = null;
  private code: ErrorCode | null = null;
  private lag: number | null = null;
  private committedAt = 0;
  /** The group's position as this runner last committed it; null before the first restore. */
  private committed: number | null = null;
  /** Where the input was last sought, to tell a gap of the log from a wrong start. */
  private soughtAt = -1;

  constructor(parts: PartitionParts<I, S, P, D, C>) {
    this.parts = parts;
    this.partition = parts.partition;
    this.input = { topic: parts.wiring.topics.input, partition: parts.partition };
    this.feeder = new Feeder({ wiring: parts.wiring, partition: parts.partition, limit: parts.limits.poisoned });
    showState(this.partition, this.state);
  }

  /** Begins to take the partition, in the background. */
  start(): void {
    this.activity = this.take();
  }

  get status(): PartitionStatus {
    const { partition, state, position, lag, stamp, problem, code } = this;
    return { partition, state, position, lag, stamp, problem, code };
  }
  get position(): number {
    return this.held?.processor.position ?? 0;
  }
  get stamp(): number {
    return this.held?.processor.stamp ?? 0;
  }
  get ticking(): boolean {
    return this.held !== null && !this.inHand && !this.stopped;
  }
  due(): number | null {
    return this.held?.processor.due() ?? null;
  }
  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** One batch of the group; resolves when the next one may come. */
  async onBatch(batch: LogBatch): Promise<void> {
    if (this.stopped) return;
    this.inHand = true;
    try {
      if (!(await this.accept(batch)) && !this.stopped) this.giveBack(batch);
    } finally {
      this.inHand = false;
      this.parts.ticker.changed(this.partition);
    }
  }

  /** Waits for what is under way, then commits the position; takes no more batches. */
  async finish(within_ms: number): Promise<void> {
    this.finishing = true;
    await this.checkpoint(within_ms);
  }

  /** Waits for what is under way, then commits the position, where that can be said without a cut. */
  async checkpoint(within_ms: number): Promise<void> {
    if (!(await settlesWithin(this.activity, within_ms))) return;
    const { held } = this;
    if (held === null || this.inHand || this.stopped) return;
    const checkpoint = this.feeder.checkpoint(held);
    if (checkpoint === null) return;
    this.activity = this.commitAll(held, [checkpoint], []);
    await settlesWithin(this.activity, within_ms);
  }

  /** The partition is not ours any more: nothing more is begun. Resolves when nothing is under way, or after a while. */
  async revoke(): Promise<void> {
    this.stopping.abort();
    this.parts.ticker.remove(this.partition);
    const ended = this.activity.then(() => this.transactions?.close()).catch(() => {});
    await settlesWithin(ended, REVOKE_WAIT_MS);
    this.enter('revoked');
    forgetPartition(this.input.topic, this.partition);
    this.giveImage();
  }

  /** What is committed of the state is of use to whoever is next here: a standby, a restart. */
  private giveImage(): void {
    const image = this.held === null ? this.image : this.held.dirty ? null : this.held.image;
    this.held = this.image = null;
    forgetImage(this.partition);
    if (image !== null) this.parts.images.give(this.partition, image);
  }

  private enter(state: PartitionStateName): void {
    if (this.state === state || this.state === 'revoked') return;
    this.state = state;
    showState(this.partition, state);
  }

  // Taking

  /** From the fence on, for as long as it takes. Never rejects. */
  private async take(): Promise<void> {
    const { limits, logger, ticker } = this.parts;
    const { signal } = this.stopping;
    const backoff = new Backoff({ first_ms: limits.backoff_ms, max_ms: limits.backoffMax_ms });
    this.held = null;
    ticker.remove(this.partition);
    while (!signal.aborted) {
      try {
        await this.takeOnce();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.problem = error instanceof Error ? error.message : String(error);
        if (error instanceof PresenceError && !error.retriable && error.code !== 'FENCED') {
          this.park(error);
          return;
        }
        if (hasCode(error, 'FENCED')) await this.standBack();
        else {
          logger.warn({ partition: this.partition, err: error }, 'A partition cannot be taken yet.');
          await backoff.pause(signal);
        }
      }
    }
  }

  private async takeOnce(): Promise<void> {
    const { log, wiring, group, partition, images, ticker } = this.parts;
    const { signal } = this.stopping;
    const began = clock.monotonic();
    this.enter('fencing');
    await this.transactions?.close().catch(() => {});
    const writes = [wiring.topics.state, wiring.topics.output].map((topic) => ({ topic, partition }));
    const transactions = await this.parts.openTransactions(writes);
    this.transactions = transactions;
    await transactions.fence();
    this.enter('restoring');
    this.image ??= await images.take(partition);
    const held = await restoreHeld(this.parts, {
      began,
      transactions,
      feeder: this.feeder,
      image: this.image,
      signal,
      confirm: () => this.confirm(),
      onTrouble: (trouble) => this.onTrouble(trouble),
      onProgress: (text) => void (this.problem = text),
    });
    if (signal.aborted) return;
    // Where a replay ended the group has read on beyond what is committed (Runner.settle): nothing more would come by itself.
    const read = (await log.committed(group, this.input.topic))[partition] ?? 0;
    if (signal.aborted) return;
    if (read > held.processor.position) this.parts.seek({ ...this.input, offset: held.processor.position });
    [this.held, this.image] = [held, null];
    this.committed = held.processor.position;
    this.committedAt = clock.monotonic();
    this.soughtAt = -1;
    this.problem = null;
    this.enter('running');
    ticker.add(this);
  }

  private park(error: PresenceError): void {
    this.code = error.code;
    this.problem = error.help === undefined ? error.message : `${error.message} ${error.help}`;
    this.enter('parked');
    this.parts.logger.error(
      { partition: this.partition, code: error.code, at: error.at, err: error },
      `A partition refuses to run. ${this.problem}`,
    );
  }

  /** After a fence: a pause, then until the group says that the partition is ours: two must not fence each other in turn. */
  private async standBack(): Promise<void> {
    const { limits, logger, partition } = this.parts;
    const { signal } = this.stopping;
    this.enter('fenced');
    logger.warn({ partition }, 'Another instance has taken this partition; it is taken again if the group says so.');
    do {
      await pause(limits.fencedPause_ms * (0.5 + clock.random() / 2), signal);
      if (signal.aborted) return;
    } while (
      !(await this.confirm().then(
        () => true,
        () => false,
      ))
    );
  }

  private async confirm(): Promise<void> {
    const { log, group, commitPosition, partition } = this.parts;
    const at = this.committed ?? (await log.committed(group, this.input.topic))[partition] ?? 0;
    await commitPosition(at);
  }

  private onTrouble(trouble: CommitTrouble): void {
    metrics.commitTroubles.inc({ trouble });
    if (trouble === 'unknown') this.enter('unknown_commit');
  }

  // Processing

  /** false: the batch is to be handed over again. */
  private async accept(batch: LogBatch): Promise<boolean> {
    const { limits, wiring } = this.parts;
    const { signal } = this.stopping;
    this.showLag(batch);
    if (this.finishing || !(await settlesWithin(this.activity, limits.patience_ms))) return false;
    const { held } = this;
    if (held === null) {
      await pause(limits.backoffMax_ms, signal);
      return false;
    }
    const { processor } = held;
    if (!(await this.continues(batch, processor.position))) return true;
    await prepareInputs(wiring.codecs, batch.records);
    if (this.stopped || this.held !== held) return true;
    let digested: Digested;
    try {
      digested = this.feeder.digest(held, batch);
    } catch (error) {
      this.failed(error);
      return false;
    }
    countBatch(this.partition, processor.takeCounts());
    for (const one of digested.encoded) metrics.windowRecords.observe(one.states.length + one.output.length);
    this.showLag(batch);
    showProcessor(this.partition, processor, this.parts.ticker.brokerTime(this.partition));
    const { dead, encoded } = digested;
    const checkpoint = encoded.length === 0 && clock.monotonic() - this.committedAt >= limits.checkpoint_ms;
    const extra = checkpoint ? this.feeder.checkpoint(held) : null;
    const all = extra === null ? encoded : [extra];
    if (all.length > 0 || dead.length > 0) this.activity = this.commitAll(held, all, dead);
    return true;
  }

  private giveBack(batch: LogBatch): void {
    // Where the position is known, objects need not be made of a batch to be thrown away.
    this.parts.seek({ ...this.input, offset: this.held?.processor.position ?? batch.records[0]?.offset ?? batch.nextOffset });
  }

  /** Whether the batch goes on from the position. If not, the input has been sought. */
  private async continues(batch: LogBatch, position: number): Promise<boolean> {
    const first = batch.records[0]?.offset ?? batch.nextOffset;
    if (first <= position && position < batch.nextOffset) return true;
    if (first > position && this.soughtAt === position) {
      // Sought already: the log has a gap here, or it has lost what comes next. A restore tells, and refuses.
      const held = await offsetsOf(this.parts.log, this.input.topic, this.partition);
      if (held.start <= position) return true;
      this.retake('input_lost');
      return false;
    }
    this.soughtAt = position;
    this.parts.seek({ ...this.input, offset: position });
    return false;
  }

  private failed(error: unknown): void {
    const fault =
      error instanceof PresenceError
        ? error
        : new PresenceError('INTERNAL', String(error), { at: this.input.topic, retriable: true, cause: error });
    this.parts.logger.error(
      { partition: this.partition, err: fault },
      'The topology failed; the partition is taken again to find the record.',
    );
    if (fault.retriable) {
      this.retake('threw');
      return;
    }
    this.giveUp(fault);
  }

  private giveUp(error: PresenceError): void {
    this.held = null;
    this.parts.ticker.remove(this.partition);
    this.park(error);
  }

  private retake(reason: string): void {
    metrics.retakes.inc({ reason });
    this.activity = this.take();
  }

  // Committing

  /** Never rejects. */
  private async commitAll(held: Held<I, S, P, D, C>, encoded: readonly Encoded[], dead: readonly DeadLetter[]): Promise<void> {
    const { controls, images, limits, logger, partition, producer, wiring } = this.parts;
    // Before anything is waited for: what is encoded is in the image already.
    held.dirty = true;
    const aside = { from: this.input, topic: wiring.topics.deadLetters, producer, logger };
    await putAsideForSure(dead, aside, { limits, signal: this.stopping.signal });
    for (const transaction of toTransactions(encoded, limits)) {
      this.enter('committing');
      const began = clock.monotonic();
      const outcome = await held.committer.commit(transaction).catch((error: unknown) => {
        logger.error({ partition, err: error }, 'A commit failed in an unforeseen way; the partition is taken again.');
        return 'superseded' as const;
      });
      if (outcome === 'stopped') return;
      if (outcome instanceof PresenceError) return this.giveUp(outcome);
      if (outcome !== 'committed') {
        metrics.retakes.inc({ reason: outcome });
        logger.warn({ partition, outcome }, 'A partition was taken by another instance; its state is dropped.');
        this.held = null;
        this.parts.ticker.remove(partition);
        if (outcome === 'fenced') await this.standBack();
        return this.take();
      }
      countCommit(wiring.topics, partition, transaction, (clock.monotonic() - began) / 1_000);
      this.committed = transaction.position;
      this.committedAt = clock.monotonic();
      controls.send(transaction.controls);
    }
    markCommitted(partition, held);
    images.committed(partition, held.image);
    this.enter('running');
    this.parts.ticker.changed(partition);
  }

  // Showing

  private showLag(batch: LogBatch): void {
    const done = this.held === null ? (batch.records[0]?.offset ?? batch.nextOffset) : this.held.processor.position;
    this.lag = Math.max(0, batch.endOffset - done);
    metrics.lag.set({ topic: this.input.topic, partition: String(this.partition) }, this.lag);
  }
}
