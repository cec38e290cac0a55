/**
 * The embedded log: a whole broker in this process, for `npm start`, tests and simulation. It is the
 * reference for ports/log.ts: the same contract suite runs on it and on Kafka.
 *
 * Everything is held in memory; with `dataDir` it is also on disk, and survives a `kill -9` (see
 * embedded/journal.ts: acknowledged after write(2), synced once a second). Memory is bounded by 64 MiB a
 * `delete` partition (`partitionBytesMax`), one record a key of a `compact` one, one batch a reader.
 * It sets no timer that decides anything: with `now` given, its stamps, retention and compaction follow
 * that clock alone.
 */
import { clock, turn } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { partitionOf } from '../base/murmur2.ts';
import type {
  FollowOptions,
  Log,
  LogProducer,
  OutRecord,
  PartitionOffsets,
  ReadOptions,
  Stamps,
  TopicRecords,
  TopicSpec,
} from '../ports/log.ts';
import { brokerClock } from './embedded/clock.ts';
import type { EmbeddedFaults } from './embedded/faults.ts';
import { Group } from './embedded/group.ts';
import { type Journal, openJournal } from './embedded/journal.ts';
import type { Partition } from './embedded/partition.ts';
import { PartitionReader } from './embedded/reader.ts';
import { answerOf, Store } from './embedded/store.ts';
import { createTransactions } from './embedded/transactions.ts';

export type { EmbeddedFaults } from './embedded/faults.ts';

export interface EmbeddedLogOptions {
  /** Where it is kept; made if it is not there. Without it, everything is gone with the process. */
  readonly dataDir?: string;
  /** The broker's clock, in ms; taken as it is, steps back included. Default: the machine's (embedded/clock.ts). */
  readonly now?: () => number;
  readonly logger?: Logger;
  /** Above it the oldest records of a `delete` partition go, whatever their retention. Default 64 MiB. */
  readonly partitionBytesMax?: number;
  /** The largest batch that a reader gets. Default 1,000 records. */
  readonly batchRecordsMax?: number;
  /** For tests and simulations. */
  readonly faults?: EmbeddedFaults;
  /** For tests: how much the journals may grow before a snapshot is written. Default 16 MiB. */
  readonly journalSlackBytes?: number;
}

export async function createEmbeddedLog(options: EmbeddedLogOptions = {}): Promise<Log> {
  const { dataDir, now = brokerClock(), logger = silentLogger, faults = {} } = options;
  const { partitionBytesMax = 64 << 20, batchRecordsMax = 1_000 } = options;
  const store = new Store(now, { bytesMax: partitionBytesMax, batchRecordsMax, batchBytesMax: 1 << 20 });
  let journal: Journal | null = null;
  if (dataDir !== undefined) {
    const slack = options.journalSlackBytes === undefined ? {} : { slackBytes: options.journalSlackBytes };
    journal = await openJournal({ folder: dataDir, logger, snapshot: () => store.snapshot(), ...slack }, (frame) =>
      store.load(frame),
    );
    store.attach(journal);
  }
  return new EmbeddedLog(store, journal, logger, faults);
}

class EmbeddedLog implements Log {
  readonly #store: Store;
  readonly #journal: Journal | null;
  readonly #logger: Logger;
  readonly #faults: EmbeddedFaults;
  /** Of this log in this process: what is kept outside of it says nothing of the next one. */
  readonly #identity = clock.randomUUID();
  readonly #groups = new Map<string, Group>();
  readonly #followers = new Set<() => Promise<void>>();
  readonly transactionsOf: ReturnType<typeof createTransactions>;
  #closed = false;

  constructor(store: Store, journal: Journal | null, logger: Logger, faults: EmbeddedFaults) {
    this.#store = store;
    this.#journal = journal;
    this.#logger = logger;
    this.#faults = faults;
    this.transactionsOf = createTransactions(store, faults);
  }

  async ensureTopics(topics: readonly TopicSpec[]): Promise<readonly string[]> {
    this.#check();
    const missing: TopicSpec[] = [];
    for (const topic of topics) {
      const there = this.#store.specOf(topic.name);
      if (there === undefined) missing.push(topic);
      else if (there.partitions !== topic.partitions) throw mismatch(topic, there.partitions);
    }
    if (missing.length > 0) await this.#store.write({ topics: missing });
    return missing.map((topic) => topic.name);
  }

  async partitions(topic: string): Promise<number> {
    this.#check();
    return this.#store.partitionsOf(topic).length;
  }

  async stamps(topic: string): Promise<Stamps> {
    this.#check();
    this.#store.partitionsOf(topic);
    return this.#store.specOf(topic)?.stamps ?? 'broker';
  }

  async identity(topic: string): Promise<string> {
    this.#check();
    this.#store.partitionsOf(topic);
    return `embedded ${this.#identity} ${topic}`;
  }

  async offsets(topic: string): Promise<readonly PartitionOffsets[]> {
    this.#check();
    return this.#store.partitionsOf(topic).map(({ index, start, stable }) => ({ partition: index, start, end: stable }));
  }

  async committed(group: string, topic: string): Promise<readonly (number | null)[]> {
    this.#check();
    return this.#store.partitionsOf(topic).map(({ index }) => this.#store.offsetOf(group, topic, index) ?? null);
  }

  async producer(): Promise<LogProducer> {
    this.#check();
    const offer: LogProducer['offer'] = async (batches) => {
      this.#check();
      const fault = this.#faults.send?.();
      if (fault === 'refused') throw unanswered();
      const led = this.#led(batches);
      if (led.length === 0 && batches.length > 0) throw unanswered();
      const appends = this.#store.reserve(led, false);
      await this.#store.write({ appends });
      if (fault === 'lost') throw unanswered();
      return appends.map(answerOf);
    };
    return {
      offer,
      send: async (batches) => {
        const appended = await offer(batches);
        const led = this.#led(batches).reduce((sum, { records }) => sum + records.length, 0);
        if (led < batches.reduce((sum, { records }) => sum + records.length, 0)) throw unanswered();
        return appended;
      },
      close: async () => {},
    };
  }

  /** What is for partitions that have a leader. */
  #led(batches: readonly TopicRecords[]): readonly TopicRecords[] {
    const { leaderless } = this.#faults;
    if (leaderless === undefined) return batches;
    const partitionIn = (topic: string, { key, partition }: OutRecord): number =>
      partition ?? partitionOf(key ?? '', this.#store.partitionsOf(topic).length);
    return batches
      .map(({ topic, records }) => ({ topic, records: records.filter((one) => !leaderless(topic, partitionIn(topic, one))) }))
      .filter(({ records }) => records.length > 0);
  }

  async transactions(transactionalId: string) {
    this.#check();
    return this.transactionsOf(transactionalId);
  }

  async consume(options: Parameters<Log['consume']>[0]) {
    this.#check();
    let group = this.#groups.get(options.group);
    if (group === undefined) {
      group = new Group({
        logger: this.#logger,
        partitionsOf: (topic) => this.#store.partitionsOf(topic),
        offsetOf: (name, topic, partition) => this.#store.offsetOf(name, topic, partition),
        commit: (name, offsets) => this.#store.write({ offsets: offsets.map((offset) => ({ group: name, ...offset })) }),
      });
      this.#groups.set(options.group, group);
    }
    for (const topic of options.topics) this.#store.partitionsOf(topic);
    return group.join(options);
  }

  async follow({ topics, from, onBatch }: FollowOptions) {
    this.#check();
    const begin = (partition: Partition): number => {
      if (from === 'start') return partition.start;
      if (from === 'end') return partition.stable;
      return 'next' in from ? (from.next.get(partition.index) ?? 0) : partition.offsetAt(from.timestamp);
    };
    const wanted = (partition: Partition): boolean =>
      typeof from === 'string' || 'timestamp' in from || from.next.has(partition.index);
    const reading = topics
      .flatMap((topic) => this.#store.partitionsOf(topic))
      .filter(wanted)
      .map((partition) => {
        const reader = new PartitionReader(partition, begin(partition));
        const end = partition.stable;
        const caughtUp = new Promise<void>((resolve) => {
          reader.start(onBatch, this.#logger, (position) => position >= end && resolve());
        });
        return { reader, caughtUp };
      });
    const close = async (): Promise<void> => {
      this.#followers.delete(close);
      await Promise.all(reading.map(({ reader }) => reader.stop()));
    };
    this.#followers.add(close);
    return { caughtUp: Promise.all(reading.map(({ caughtUp }) => caughtUp)).then(() => {}), close };
  }

  async read({ topic, partition, from, to, onBatch }: ReadOptions): Promise<void> {
    this.#check();
    const source = this.#store.partition(topic, partition);
    const end = Math.min(to ?? source.stable, source.stable);
    for (let position = from; position < end; ) {
      const batch = source.slice(position, end);
      if (batch === null) return;
      if (batch.records.length > 0 && (await onBatch(batch)) === 'enough') return;
      position = batch.nextOffset;
      // Other work gets its turn between batches.
      await turn();
    }
  }

  async ping(): Promise<void> {
    this.#check();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all([...this.#groups.values()].map((group) => group.closeAll()));
    await Promise.all([...this.#followers].map((close) => close()));
    this.#closed = true;
    await this.#journal?.close();
  }

  #check(): void {
    if (this.#closed) throw new PresenceError('LOG_UNAVAILABLE', 'The log is closed.', { at: 'embedded log', retriable: false });
  }
}

const unanswered = (): PresenceError =>
  new PresenceError('LOG_UNAVAILABLE', 'The log did not answer.', { at: 'send', retriable: true });

function mismatch(topic: TopicSpec, there: number): PresenceError {
  return new PresenceError('LOG_MISMATCH', `Topic ${topic.name} has ${there} partitions, not ${topic.partitions}.`, {
    at: topic.name,
    retriable: false,
    help: 'The number of partitions is fixed when a topic is made: set it back, or replay into new topics.',
  });
}
