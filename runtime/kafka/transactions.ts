/**
 * One transactional id.
 *
 *   fence ──> ready ── commit ──> ready
 *                        │ nothing of it can become readable: ABORTED ──> unsettled ── the next commit settles it
 *                        │ the commit was sent, no answer came: COMMIT_UNKNOWN ──> unknown ── reopen ──> ready
 *                        │ somebody else has the id: FENCED ──> fenced
 *
 * `fence` takes the id from whoever has it: the broker raises its epoch, and aborts what they left open. To settle after
 * trouble the epoch is raised too, but by its holder (InitProducerId with the identity that we have, KIP-360):
 * the broker aborts what is open and refuses those who have lost the id. So a zombie that comes to cannot
 * fence the one who took its place. It also begins new sequences, as nobody knows how far the old ones got.
 *
 * What the id left hanging in its partitions (markers.ts says how that comes) is decided whenever the id is taken, as its
 * transaction was: one that was committed may have its markers in some partitions and not in others. And a commit counts
 * once its markers are there: then the next one may begin as well, so the wait costs nothing.
 *
 * The commit itself is asked again and again as long as patience lasts: the broker answers the same to a commit that it has
 * done already. (kafkajs's own producer is stuck in COMMITTING after one lost answer.) A transaction begins with records, and
 * the offsets follow: only the first request waits for the broker to be done with the transaction before.
 */
import { PresenceError } from '../../base/errors.ts';
import { histogram } from '../../base/metrics.ts';
import type { Appended, LogTransactions, TopicPartition, TopicRecords, TransactionOffsets } from '../../ports/log.ts';
import { type Client, type Connection, persist, sendTo } from './client.ts';
import { isFenced, isRefused, typeOf, unavailable } from './errors.ts';
import { endsOf, findMarkers } from './markers.ts';
import { describeTransaction, type FetchPosition, grouped, initProducerId } from './requests.ts';
import { type Pending, refused, Writer } from './writer.ts';

const TRANSACTION_TIMEOUT_MS = 10_000;
/** A marker that has not come by then is not coming: it is asked for again. */
const LEFTOVER_MARKER_MS = 500;
const seconds = histogram(
  'presence_log_transaction_seconds',
  'From the first request of a transaction to the answer to its commit.',
);

type State = 'new' | 'ready' | 'unsettled' | 'unknown' | 'fenced';

export class KafkaTransactions implements LogTransactions {
  readonly #client: Client;
  readonly #id: string;
  readonly #at: string;
  readonly #connection: Connection;
  readonly #writer: Writer;
  #state: State = 'new';
  #turn: Promise<unknown> = Promise.resolve();
  /** Where this id may have left something open, by name. */
  readonly #written = new Map<string, TopicPartition>();

  constructor(client: Client, transactionalId: string, writes: readonly TopicPartition[]) {
    this.#client = client;
    this.#id = transactionalId;
    this.#at = `transaction ${transactionalId}`;
    this.#connection = client.open();
    this.#writer = new Writer(client, this.#connection, transactionalId);
    for (const one of writes) this.#written.set(`${one.topic}/${one.partition}`, one);
  }

  fence(): Promise<void> {
    return this.#inTurn(() => this.#take('everyone'));
  }

  reopen(): Promise<void> {
    return this.#inTurn(() => this.#take(this.#writer.identity === null ? 'everyone' : 'none'));
  }

  commit(batches: readonly TopicRecords[], offsets?: TransactionOffsets): Promise<readonly Appended[]> {
    return this.#inTurn(() => this.#commit(batches, offsets));
  }

  append(batches: readonly TopicRecords[]): Promise<readonly Appended[]> {
    return this.#inTurn(() => this.#append(batches));
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#connection.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** `everyone`: whoever has the id loses it. `none`: only if we still have it. */
  async #take(fences: 'everyone' | 'none'): Promise<void> {
    if (this.#state === 'fenced' && fences === 'none') throw this.#fenced(null);
    const held = fences === 'none' ? this.#writer.identity : null;
    try {
      // Asked first: taking the id aborts what is open, and forgets how the last one ended.
      const last = await this.#persist(async () => sendTo(await this.#coordinator(), describeTransaction(this.#id)));
      const identity = await this.#persist(async () =>
        sendTo(await this.#coordinator(), initProducerId(this.#id, TRANSACTION_TIMEOUT_MS, held)),
      );
      this.#writer.renew(identity);
      await this.#settleLeftovers(last === 'committed');
      this.#state = 'ready';
    } catch (error) {
      if (held !== null && isFenced(error)) throw this.#fenced(error);
      throw unavailable(this.#at, error);
    }
  }

  /** An empty transaction over all that the id has written to ends what hangs there, either way, and harms nothing else. */
  async #settleLeftovers(committed: boolean): Promise<void> {
    const partitions = [...this.#written.values()];
    if (partitions.length === 0) return;
    await this.#persist(async () => {
      const from = await endsOf(this.#connection, partitions);
      await this.#begin(partitions);
      await this.#end(committed);
      await this.#marked(from, LEFTOVER_MARKER_MS);
    });
  }

  async #commit(batches: readonly TopicRecords[], offsets: TransactionOffsets | undefined): Promise<readonly Appended[]> {
    this.#check(batches);
    const started = performance.now();
    let pending: Pending;
    let appended: readonly Appended[];
    try {
      if (this.#state === 'unsettled') await this.#take('none');
      pending = await this.#persist(() => this.#writer.encode(batches));
      this.#state = 'unsettled';
      appended = await this.#write(pending, offsets);
    } catch (error) {
      throw this.#notCommitted(error);
    }
    this.#state = 'unknown';
    try {
      await this.#end(true);
      const { aborted } = await this.#persist(() => this.#marked(behind(pending), this.#client.patience_ms));
      if (aborted) throw new Error('The broker has aborted what it had committed.');
    } catch (error) {
      if (isFenced(error)) throw this.#fenced(error);
      if (typeOf(error) === 'TRANSACTION_ABORTABLE') throw this.#notCommitted(error);
      throw new PresenceError('COMMIT_UNKNOWN', 'The answer to the commit was lost.', {
        at: this.#at,
        retriable: false,
        cause: error,
      });
    }
    this.#state = 'ready';
    seconds.observe((performance.now() - started) / 1_000);
    return appended;
  }

  /** The epoch guards these writes too: taking the id writes a marker of the new one into each partition of `#written`. */
  async #append(batches: readonly TopicRecords[]): Promise<readonly Appended[]> {
    this.#check(batches);
    const appended: Appended[] = [];
    try {
      if (this.#state === 'unsettled') await this.#take('none');
      for (const batch of batches) {
        const pending = await this.#persist(() => this.#writer.encode([batch], false));
        for (const { topic, partition } of pending.batches) this.#written.set(`${topic}/${partition}`, { topic, partition });
        this.#state = 'unknown';
        appended.push(...(await this.#writer.write(pending)));
      }
    } catch (error) {
      if (isFenced(error)) throw this.#fenced(error);
      if (error instanceof PresenceError && error.code !== 'LOG_UNAVAILABLE') throw error;
      this.#state = isRefused(error) ? 'unsettled' : 'unknown';
      if (isRefused(error)) throw refused(this.#at, error);
      const message = 'Not all is known to be written.';
      throw new PresenceError('COMMIT_UNKNOWN', message, { at: this.#at, retriable: false, cause: error });
    }
    this.#state = 'ready';
    return appended;
  }

  #check(batches: readonly TopicRecords[]): void {
    const wrong = (message: string) => new PresenceError('INTERNAL', message, { at: this.#at, retriable: false });
    if (this.#state === 'new') throw wrong('commit before fence.');
    if (this.#state === 'fenced') throw this.#fenced(null);
    if (this.#state === 'unknown') {
      throw new PresenceError('COMMIT_UNKNOWN', 'The last commit is not settled: call reopen.', {
        at: this.#at,
        retriable: false,
      });
    }
    if (!batches.some(({ records }) => records.length > 0)) throw wrong('A transaction needs at least one record.');
  }

  async #write(pending: Pending, offsets: TransactionOffsets | undefined): Promise<readonly Appended[]> {
    for (const { topic, partition } of pending.batches) this.#written.set(`${topic}/${partition}`, { topic, partition });
    await this.#begin(pending.batches);
    const appended = await this.#writer.write(pending);
    if (offsets === undefined || offsets.offsets.length === 0) return appended;
    const { group: groupId } = offsets;
    await this.#ask(async (holder) => (await this.#coordinator()).addOffsetsToTxn({ ...holder, groupId }));
    const positions = offsets.offsets.map(({ topic, partition, offset }) => ({
      topic,
      partitions: [{ partition, offset: String(offset) }],
    }));
    await this.#ask(async (holder) =>
      (await this.#connection.coordinator('group', groupId)).txnOffsetCommit({ ...holder, groupId, topics: positions }),
    );
    return appended;
  }

  async #begin(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = grouped(partitions).map(([topic, some]) => ({
      topic,
      partitions: [...new Set(some.map(({ partition }) => partition))],
    }));
    await this.#ask(async (holder) => (await this.#coordinator()).addPartitionsToTxn({ ...holder, topics }));
  }

  async #end(transactionResult: boolean): Promise<void> {
    await this.#ask(async (holder) => (await this.#coordinator()).endTxn({ ...holder, transactionResult }));
  }

  /** Waits for our marker behind each of these positions. */
  async #marked(from: readonly FetchPosition[], patience_ms: number): Promise<{ readonly aborted: boolean }> {
    const { producerId } = this.#writer.identity as { readonly producerId: number };
    const until = performance.now() + patience_ms;
    let aborted = false;
    for (let open = from; open.length > 0; ) {
      if (performance.now() > until) throw new Error('A transaction that is over has no marker in the log.');
      const found = await findMarkers(this.#connection, producerId, open);
      aborted ||= found.aborted;
      open = found.open;
    }
    return { aborted };
  }

  #coordinator() {
    return this.#connection.coordinator('transaction', this.#id);
  }

  async #ask(
    request: (holder: { transactionalId: string; producerId: string; producerEpoch: number }) => Promise<unknown>,
  ): Promise<void> {
    const identity = this.#writer.identity;
    if (identity === null)
      throw new PresenceError('INTERNAL', 'A transaction without an identity.', { at: this.#at, retriable: false });
    const holder = { transactionalId: this.#id, producerId: String(identity.producerId), producerEpoch: identity.producerEpoch };
    await this.#persist(() => request(holder));
  }

  #persist<T>(attempt: () => Promise<T>): Promise<T> {
    const final = (error: unknown): boolean =>
      error instanceof PresenceError || isFenced(error) || ['INVALID_TXN_STATE', 'TRANSACTION_ABORTABLE'].includes(typeOf(error));
    return persist({ connection: this.#connection, patience_ms: this.#client.patience_ms, final }, attempt);
  }

  /** The commit was not asked for (or was refused), so it never will be: what is open is aborted, by us or by its timeout. */
  #notCommitted(cause: unknown): unknown {
    if (isFenced(cause)) return this.#fenced(cause);
    if (cause instanceof PresenceError && cause.code !== 'LOG_UNAVAILABLE') return cause;
    this.#state = 'unsettled';
    if (isRefused(cause)) return refused(this.#at, cause);
    const why = cause instanceof Error ? cause.message : String(cause);
    return new PresenceError('ABORTED', `The transaction was not committed: ${why}`, { at: this.#at, retriable: true, cause });
  }

  #fenced(cause: unknown): PresenceError {
    this.#state = 'fenced';
    const details = { at: this.#at, retriable: false, ...(cause === null ? {} : { cause }) };
    return new PresenceError('FENCED', 'Another producer has taken this transactional id.', details);
  }
}

/** The first offset after what was written to each partition. */
function behind(pending: Pending): readonly FetchPosition[] {
  const ends = new Map<string, FetchPosition>();
  for (const { topic, partition, count, answer } of pending.batches)
    ends.set(`${topic}/${partition}`, { topic, partition, offset: (answer?.baseOffset ?? 0) + count });
  return [...ends.values()];
}
