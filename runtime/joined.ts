/**
 * Runs a joined topology (topology/kit/joined.ts) on a log: for each partition number that the group assigns here, both inputs
 * of it through one processor, and what it says to presence.deliveries.
 *
 * **At least once.** A batch is processed, what it says is written, then the group's positions are taken, once a second. Where
 * it ends in between, the next owner says some again; gateways drop it by (user, epoch, version).
 *
 * **Zombies.** One that is gone from the group without knowing it would go on telling positions by routes that it no longer
 * hears of. So records are written under a transactional id of the partition, without transactions (`append`): whoever takes
 * the partition fences it first. Fenced itself, it drops all it holds, and takes the partition again if it is still its own.
 *
 * **Limits.** One batch of a partition at a time, both inputs together; it is processed in stretches (`DIFFS_MAX`, `ADDS_MAX`),
 * each written before the next.
 */
import { clock, sleep } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { partitionOf } from '../base/murmur2.ts';
import type { GroupConsumer, Log, LogBatch, LogTransactions, OutRecord, TopicPartition } from '../ports/log.ts';
import type { Batch, Input } from '../processors/stage.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Route, RoutedDelivery } from '../schemas/generated.ts';
import { routedKey, topicNames } from '../schemas/topics.ts';
import type { Joined } from '../topology/kit/joined.ts';
import { joinedMetrics } from './joined-metrics.ts';
import { decode, type TakenJoined, takeJoined } from './joined-take.ts';
import { metrics } from './metrics.ts';

/** Diffs of one stretch. */
const DIFFS_MAX = 500;
/** Users asked about in one stretch of routes (a record more, at most). */
const ADDS_MAX = 5_000;
const COMMIT_EVERY_MS = 1_000;
const RETRY_MS = 200;

export interface RunJoinedOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly joined: Joined;
  /** The consumer group; also the stem of the transactional ids. */
  readonly group: string;
  readonly logger: Logger;
  readonly session_ms?: number;
}

export interface JoinedRunner {
  readonly partitions: readonly number[];
  /** What keeps it from running, in one sentence; null if nothing does. */
  readonly problem: string | null;
  /** Takes the positions, and leaves the group. */
  close(): Promise<void>;
}

const inputs = { diffs: topicNames.diffs, routes: topicNames.routes, state: topicNames.state };

/** Rejects with LOG_UNAVAILABLE where the group cannot be joined. */
export async function runJoined(options: RunJoinedOptions): Promise<JoinedRunner> {
  const { log, group, session_ms } = options;
  const gateways = await log.partitions(topicNames.deliveries);
  const running = new Map<number, JoinedRun>();
  let there: (consumer: GroupConsumer) => void = () => {};
  const consumer = new Promise<GroupConsumer>((resolve) => {
    there = resolve;
  });
  const joining = await log.consume({
    group,
    topics: [inputs.diffs, inputs.routes],
    from: 'start',
    ...(session_ms === undefined ? {} : { session_ms }),
    onAssigned: async (partitions) => {
      for (const { partition } of partitions)
        if (!running.has(partition)) running.set(partition, new JoinedRun(options, partition, gateways));
    },
    onRevoked: async (partitions) => {
      const gone = [...new Set(partitions.map(({ partition }) => partition))].map((partition) => running.get(partition));
      for (const one of gone) if (one !== undefined && running.get(one.partition) === one) running.delete(one.partition);
      await Promise.all(gone.map((one) => one?.stop()));
    },
    onBatch: async (batch) => running.get(batch.partition)?.onBatch(batch, await consumer),
  });
  there(joining);
  return {
    get partitions() {
      return [...running.keys()].sort((a, b) => a - b);
    },
    get problem() {
      const waiting = [...running.values()].find(({ problem }) => problem !== null);
      return waiting === undefined ? null : `Partition ${waiting.partition} of the fan-out ${waiting.problem}.`;
    },
    async close() {
      await Promise.all([...running.values()].map((one) => one.settle(joining)));
      await joining.close();
      await Promise.all([...running.values()].map((one) => one.stop()));
    },
  };
}

class JoinedRun {
  readonly partition: number;
  problem: string | null = 'has not been taken yet';
  readonly #options: RunJoinedOptions;
  readonly #gateways: number;
  /** In each of them an earlier owner is fenced. */
  readonly #writes: readonly TopicPartition[];
  #transactions: LogTransactions | null = null;
  #taken: TakenJoined | null = null;
  /** Topics that have been read from where this take begins. */
  readonly #sought = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();
  #committedAt = clock.monotonic();
  #gone = false;

  constructor(options: RunJoinedOptions, partition: number, gateways: number) {
    this.#options = options;
    this.partition = partition;
    this.#gateways = gateways;
    this.#writes = Array.from({ length: gateways }, (_, at) => ({ topic: topicNames.deliveries, partition: at }));
    // At once, though no record may come for long: what is asked later is then answered at once.
    void this.#inTurn(async () => {
      while (!this.#gone && this.#taken === null) await this.#take().catch(() => sleep(RETRY_MS));
    });
  }

  /** Rejects where the batch is to be handed over again. */
  onBatch(batch: LogBatch, consumer: GroupConsumer): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#gone) return;
      const taken = this.#taken ?? (await this.#take());
      const position = taken.positions.get(batch.topic) as number;
      if (!this.#sought.has(batch.topic)) {
        // After a take the group may stand elsewhere than the partition.
        this.#sought.add(batch.topic);
        const first = batch.records[0]?.offset;
        if (first !== position) return consumer.seek({ topic: batch.topic, partition: this.partition, offset: position });
      }
      await this.#process(taken, batch, position);
      if (clock.monotonic() - this.#committedAt >= COMMIT_EVERY_MS) await this.#commit(taken, consumer);
    });
  }

  settle(consumer: GroupConsumer): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#taken !== null) await this.#commit(this.#taken, consumer);
    });
  }

  async stop(): Promise<void> {
    this.#gone = true;
    await this.#inTurn(async () => {
      await this.#transactions?.close();
      this.#transactions = null;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #take(): Promise<TakenJoined> {
    const { log, codecs, joined, group, logger } = this.#options;
    const began = clock.monotonic();
    this.problem = 'is being taken';
    try {
      this.#transactions ??= await log.transactions(`${group}.${this.partition}`, this.#writes);
      await this.#transactions.fence();
      const { partition } = this;
      this.#taken = await takeJoined({ log, codecs, joined, group, partition, topics: inputs, onUndecodable: this.#undecodable });
    } catch (error) {
      this.problem = `cannot be taken: ${error instanceof Error ? error.message : String(error)}`;
      throw error;
    }
    this.#sought.clear();
    this.problem = null;
    const seconds = (clock.monotonic() - began) / 1_000;
    joinedMetrics.takes.inc();
    joinedMetrics.takeSeconds.observe(seconds);
    logger.info(
      { partition: this.partition, seconds, stores: this.#taken.processor.stores },
      'A partition of the fan-out was taken.',
    );
    return this.#taken;
  }

  async #process({ processor, positions }: TakenJoined, batch: LogBatch, from: number): Promise<void> {
    const { codecs } = this.#options;
    const records = batch.records.filter(({ offset }) => offset >= from);
    const of = { codecs, onUndecodable: this.#undecodable };
    if (batch.topic === inputs.diffs) {
      const read = await decode(of, codecs.diff, { ...batch, records });
      for (const stretch of stretches(read, DIFFS_MAX, () => 1)) await this.#write(processor.diffs(stretch));
    } else {
      const read = await decode(of, codecs.route, { ...batch, records });
      for (const stretch of stretches(read, ADDS_MAX, ({ value }: Input<Route>) => value.add.length + 1))
        await this.#write(processor.routes(stretch));
    }
    positions.set(batch.topic, (records.at(-1)?.offset ?? batch.nextOffset - 1) + 1);
    this.#measure(batch);
  }

  async #write(said: readonly RoutedDelivery[]): Promise<void> {
    if (said.length === 0) return;
    const { codecs } = this.#options;
    const records: readonly OutRecord[] = said.map((delivery) => ({
      key: routedKey(delivery.gateway_id),
      value: codecs.routedDelivery.encode(delivery),
      partition: partitionOf(delivery.gateway_id, this.#gateways),
    }));
    await this.#append(records);
    joinedMetrics.deliveries.inc(said.length);
    for (const { told } of said) {
      const answers = told.filter(({ asked }) => asked !== null).length;
      const withheld = told.filter((one) => one.asked === null && one.withheld).length;
      joinedMetrics.told.inc({ as: 'answer' }, answers);
      joinedMetrics.told.inc({ as: 'withheld' }, withheld);
      joinedMetrics.told.inc({ as: 'change' }, told.length - answers - withheld);
    }
  }

  /** For as long as it takes: what the processor has said is not to be had again. */
  async #append(records: readonly OutRecord[]): Promise<void> {
    const { logger } = this.#options;
    while (!this.#gone) {
      try {
        await this.#transactions?.append([{ topic: topicNames.deliveries, records }]);
        this.problem = null;
        return;
      } catch (error) {
        if (hasCode(error, 'FENCED')) {
          this.#taken = null;
          this.problem = 'was fenced';
          await this.#transactions?.close();
          this.#transactions = null;
          logger.info(
            { partition: this.partition },
            'A partition of the fan-out was fenced; it is taken again if it is still here.',
          );
          throw error;
        }
        this.problem = `cannot write: ${error instanceof Error ? error.message : String(error)}`;
        logger.warn({ err: error, partition: this.partition }, 'Deliveries could not be written; they are tried again.');
        await sleep(RETRY_MS);
        if (hasCode(error, 'COMMIT_UNKNOWN')) await this.#transactions?.reopen().catch(() => {});
      }
    }
    throw new Error('The partition is no longer here.');
  }

  async #commit({ positions }: TakenJoined, consumer: GroupConsumer): Promise<void> {
    this.#committedAt = clock.monotonic();
    const { partition } = this;
    try {
      await consumer.commit([...positions].map(([topic, offset]) => ({ topic, partition, offset })));
    } catch (error) {
      // The next one will do, or another owner's.
      this.#options.logger.debug({ err: error, partition }, 'The positions of the fan-out were not taken.');
    }
  }

  readonly #undecodable = (topic: string, offset: number, error: unknown): void => {
    joinedMetrics.undecodable.inc({ topic });
    this.#options.logger.warn(
      { err: error, topic, partition: this.partition, offset },
      'A record cannot be read; it is left out.',
    );
  };

  #measure({ topic, nextOffset, endOffset }: LogBatch): void {
    const partition = String(this.partition);
    metrics.lag.set({ topic: `${topic} (fan-out)`, partition }, Math.max(0, endOffset - nextOffset));
    const processor = this.#taken?.processor;
    for (const { stage, store, entries } of processor?.stores ?? [])
      metrics.storeEntries.set({ partition, stage, store }, entries);
    for (const counts of processor?.takeCounts() ?? [])
      for (const direction of ['in', 'out'] as const)
        metrics.stageRecords.inc({ partition, stage: counts.name, direction }, counts[direction]);
  }
}

/** Cut where `most` is reached, each record weighing what it weighs. */
function* stretches<V>(batch: Batch<V>, most: number, weight: (input: Input<V>) => number): Generator<Batch<V>> {
  let records: Input<V>[] = [];
  let weighs = 0;
  for (const input of batch.records) {
    records.push(input);
    weighs += weight(input);
    if (weighs < most) continue;
    yield { ...batch, records };
    records = [];
    weighs = 0;
  }
  if (records.length > 0) yield { ...batch, records };
}
