/**
 * Reads partitions and hands each one's records to its reader, one batch at a time, side by side.
 *
 *   broker ──fetch──> queue (a partition's) ──> onBatch, one under way
 *
 * One fetch is outstanding per broker; it asks for every partition whose queue has room, and waits at the broker
 * for up to 100 ms for something to come. What came is queued by partition, so a slow partition neither holds up the
 * others nor is left out of the next fetch (kafkajs's consumer does both: its next fetch waits for the slowest batch
 * of the last one). A queue takes no more once it holds `QUEUE_BYTES`: then the partition is left out until it is read.
 *
 * Memory: a partition holds at most `QUEUE_BYTES` and one fetch (1 MiB) beyond, and the batch being read. What waits is bytes as
 * they came; records are made of them when their turn has come, so that a backlog is not a heap of objects.
 * Nothing ends a fetcher but `close`: it asks again after any error, until it is answered. A batch that cannot be unpacked is
 * fetched again, seldom (another replica may have it whole), and holds up its partition until then: nothing is passed over.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PresenceError } from '../../base/errors.ts';
import { gauge } from '../../base/metrics.ts';
import type { LogBatch, TopicPartition } from '../../ports/log.ts';
import type { Client, Connection } from './client.ts';
import { typeOf } from './errors.ts';
import { protocolError } from './internals.ts';
import { decodeRecords, endOf } from './record-batch.ts';
import { type FetchAnswer, fetch } from './requests.ts';

const MAX_WAIT_MS = 100;
const FETCH_BYTES = 10 << 20;
const PARTITION_BYTES = 1 << 20;
const QUEUE_BYTES = 1 << 20;
const ERROR_PAUSE_MS = 100;
const REDELIVERY_PAUSE_MS = 200;
const UNREADABLE_PAUSE_MS = 2_000;

export interface SourceOptions extends TopicPartition {
  readonly position: number;
  readonly onBatch: (batch: LogBatch) => Promise<void>;
  /** Where to go on when the log no longer (or not yet) has the position. */
  readonly otherwise: 'start' | 'end';
  /** Told how far everything was handed over. */
  readonly onPosition?: (position: number) => void;
}

const waiting = gauge(
  'presence_log_fetched_waiting_bytes',
  'Bytes fetched from Kafka that wait for their reader, all partitions together.',
);

/** Perhaps without a record, which no reader is given. */
export interface ReadBatch extends LogBatch {
  readonly isEmpty: boolean;
}

/** What a fetch brought of a partition, from an offset on. */
interface Fetched {
  readonly answer: FetchAnswer;
  readonly from: number;
}

/** One partition being read. */
export class Source {
  readonly topic: string;
  readonly partition: number;
  readonly #options: SourceOptions;
  readonly #fetcher: Fetcher;
  /** The next offset to fetch. */
  position: number;
  /** Raised by a seek: what was fetched before it is dropped. */
  #turn = 0;
  #queue: Fetched[] = [];
  #queueBytes = 0;
  #running: Promise<void> | null = null;
  #active = false;
  readonly #stopping = new AbortController();
  /** Where it could not be read when that was last said. */
  #unreadableAt = -1;

  constructor(fetcher: Fetcher, options: SourceOptions) {
    this.#fetcher = fetcher;
    this.#options = options;
    this.topic = options.topic;
    this.partition = options.partition;
    this.position = options.position;
  }

  get wanting(): boolean {
    return this.#active && !this.stopped && this.#queueBytes < QUEUE_BYTES;
  }
  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }
  get turn(): number {
    return this.#turn;
  }
  get otherwise(): 'start' | 'end' {
    return this.#options.otherwise;
  }

  start(): void {
    if (this.stopped) return;
    this.#active = true;
    this.#options.onPosition?.(this.position);
    this.#fetcher.wake();
  }

  seek(offset: number): void {
    this.#turn += 1;
    this.#drop();
    this.position = offset;
    this.#fetcher.wake();
  }

  /** Hands over no further batch; resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#drop();
    this.#fetcher.remove(this);
    await this.#running;
  }

  /** It follows what came before; it may hold nothing to be read, and only move the position to `nextOffset`. */
  take(fetched: Fetched, nextOffset: number): void {
    this.position = nextOffset;
    this.#queue.push(fetched);
    this.#weigh(fetched.answer.data.length);
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  #drop(): void {
    this.#queue = [];
    this.#weigh(-this.#queueBytes);
  }

  #weigh(bytes: number): void {
    this.#queueBytes += bytes;
    waiting.inc(bytes);
  }

  async #run(): Promise<void> {
    while (!this.stopped) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#weigh(-next.answer.data.length);
      this.#fetcher.wake();
      const turn = this.#turn;
      const nextOffset = await this.#hand(next);
      if (turn === this.#turn && !this.stopped && nextOffset !== null) this.#options.onPosition?.(nextOffset);
    }
  }

  /** Again and again until it is taken, or no longer ours to give. The offset behind it. */
  async #hand({ answer, from }: Fetched): Promise<number | null> {
    const turn = this.#turn;
    const batch = await readAnswer(answer, from).catch((error: unknown) => this.#unreadable(error, from, turn));
    while (batch !== null && !this.stopped && turn === this.#turn) {
      try {
        if (!batch.isEmpty) await this.#options.onBatch(batch);
        return batch.nextOffset;
      } catch (error) {
        if (this.stopped) return null;
        const fields = { error, topic: this.topic, partition: this.partition, offset: from };
        this.#fetcher.client.logger.warn(fields, 'A batch was refused; it is handed over again.');
        await this.#pause(REDELIVERY_PAUSE_MS);
      }
    }
    return null;
  }

  async #unreadable(error: unknown, offset: number, turn: number): Promise<null> {
    if (this.#unreadableAt !== offset) {
      const { code, at, help } = error as PresenceError;
      this.#fetcher.client.logger.error({ code, at, help, error }, 'A batch cannot be read; its partition waits for it.');
    }
    this.#unreadableAt = offset;
    await this.#pause(UNREADABLE_PAUSE_MS);
    if (turn === this.#turn && !this.stopped) this.seek(offset);
    return null;
  }

  async #pause(pause_ms: number): Promise<void> {
    await sleep(pause_ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}

export class Fetcher {
  readonly client: Client;
  readonly #connection: Connection;
  readonly #sources = new Set<Source>();
  readonly #outstanding = new Map<number, Promise<void>>();
  #wake: () => void = () => {};
  #closed = false;
  #down = false;
  readonly #done: Promise<void>;

  constructor(client: Client) {
    this.client = client;
    this.#connection = client.open();
    this.#done = this.#run();
  }

  /** Nothing is fetched before its `start`. */
  add(options: SourceOptions): Source {
    const source = new Source(this, options);
    this.#sources.add(source);
    return source;
  }

  remove(source: Source): void {
    this.#sources.delete(source);
  }

  wake(): void {
    this.#wake();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.wake();
    await Promise.all([...this.#sources].map((source) => source.stop()));
    await this.#connection.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await this.#ask();
        this.#recovered();
      } catch (error) {
        await this.#failed(error);
        continue;
      }
      await Promise.race([woken, ...this.#outstanding.values()]);
    }
    await Promise.all(this.#outstanding.values());
  }

  /** A fetch to every leader that has none outstanding and leads something that we want. */
  async #ask(): Promise<void> {
    const wanting = [...this.#sources].filter((source) => source.wanting);
    if (wanting.length === 0) return;
    await this.#connection.prepare([...new Set(wanting.map(({ topic }) => topic))]);
    const { leaders, orphans } = this.#connection.byLeader(wanting);
    for (const [leader, sources] of leaders) {
      if (this.#outstanding.has(leader)) continue;
      const fetched = this.#fetch(leader, sources)
        .catch((error) => this.#failed(error))
        .finally(() => this.#outstanding.delete(leader));
      this.#outstanding.set(leader, fetched);
    }
    // Only now: a partition that nobody leads must not keep the others from being read.
    if (orphans.length > 0) throw orphans[0];
  }

  async #fetch(leader: number, sources: readonly Source[]): Promise<void> {
    const asked = new Map(
      sources.map((source) => [`${source.topic}/${source.partition}`, { source, turn: source.turn, offset: source.position }]),
    );
    const positions = [...asked.values()].map(({ source: { topic, partition }, offset }) => ({ topic, partition, offset }));
    const limits = { maxWait_ms: MAX_WAIT_MS, maxBytes: FETCH_BYTES, partitionBytes: PARTITION_BYTES };
    const answers = await this.#connection.send(leader, fetch(positions, limits));
    let failed: unknown = null;
    for (const answer of answers) {
      const entry = asked.get(`${answer.topic}/${answer.partition}`);
      if (entry === undefined) continue;
      const { source, turn, offset } = entry;
      const current = (): boolean => !source.stopped && source.turn === turn;
      if (answer.errorCode !== 0) {
        const error = protocolError(answer.errorCode);
        if (typeOf(error) !== 'OFFSET_OUT_OF_RANGE') failed = error;
        else if (current()) await this.#reset(source, answer);
        continue;
      }
      const nextOffset = endOf(answer.data);
      if (nextOffset !== null && nextOffset > offset && current()) source.take({ answer, from: offset }, nextOffset);
    }
    if (failed !== null) throw failed;
  }

  async #reset(source: Source, { topic, partition }: FetchAnswer): Promise<void> {
    const [start, end] = await Promise.all(
      [-2, -1].map((timestamp) => listOffset(this.#connection, { topic, partition }, timestamp)),
    );
    const offset = source.position < (start as number) || source.otherwise === 'start' ? start : end;
    const fields = { topic, partition, asked: source.position, offset };
    this.client.logger.warn(fields, 'The log does not have the position that was asked for; reading goes on elsewhere.');
    source.seek(offset as number);
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#closed) return;
    if (!this.#down) this.client.logger.warn({ error }, 'Kafka cannot be read now; it is asked again until it answers.');
    this.#down = true;
    this.#connection.forget();
    await sleep(ERROR_PAUSE_MS);
  }

  #recovered(): void {
    if (this.#down && this.#outstanding.size > 0) this.#down = false;
  }
}

/**
 * What a fetch from `offset` on says of one partition; null if nothing new. An empty answer says nothing, not even that there
 * is nothing: a broker gives one to a client that is over its quota. (After compaction a fetch goes on to the next batch that
 * is left, and the log's last one always is.) UNDECODABLE where a batch cannot be unpacked.
 */
export async function readAnswer(answer: FetchAnswer, offset: number): Promise<ReadBatch | null> {
  const { topic, partition, stable, data, aborted } = answer;
  const decoded = await decodeRecords(data, offset, aborted).catch((cause: unknown) => {
    throw unreadable({ topic, partition, offset }, cause);
  });
  const { nextOffset } = decoded;
  if (nextOffset === null || nextOffset <= offset) return null;
  const endOffset = Math.max(stable, nextOffset);
  // Its records are made when they are asked for.
  return {
    ...{ topic, partition, nextOffset, endOffset },
    isEmpty: decoded.isEmpty,
    get records() {
      return decoded.records;
    },
  };
}

const unreadable = ({ topic, partition, offset }: TopicPartition & { readonly offset: number }, cause: unknown): PresenceError =>
  new PresenceError(
    'UNDECODABLE',
    `A batch at offset ${offset} or soon after cannot be unpacked: ${cause instanceof Error ? cause.message : cause}`,
    {
      at: `${topic}/${partition}`,
      retriable: false,
      help: "See whether another replica, or Kafka's own kafka-dump-log, reads it. Records before an offset go by DeleteRecords.",
      cause,
    },
  );

/** `timestamp`: -1 the end (last stable offset), -2 the start, else the first record at or after it; -1 if there is none. */
export async function listOffset(
  connection: Connection,
  { topic, partition }: TopicPartition,
  timestamp: number,
  isolationLevel: 0 | 1 = 1,
): Promise<number> {
  await connection.prepare([topic]);
  const broker = await connection.cluster.findBroker({ nodeId: connection.leaderOf(topic, partition) });
  const { responses } = await broker.listOffsets({
    isolationLevel,
    topics: [{ topic, partitions: [{ partition, timestamp }] }],
  });
  return Number(responses[0]?.partitions[0]?.offset ?? -1);
}
