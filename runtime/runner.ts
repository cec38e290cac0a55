/**
 * Runs a topology on a log: joins the group on the input topic and runs one PartitionRunner for each
 * partition that the group assigns here. More instances of the same group share the partitions.
 *
 * ```
 *                      ┌ PartitionRunner 0 ─ restore, process, commit ┐
 *  group ── batches ──>│ PartitionRunner 3                            │──> state, output (transactions)
 *                      └ …                                            ┘──> controls, dead letters (one producer)
 *                            └──── Ticker ───────────────────────────────> ticks (its own producer)
 * ```
 */
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { GroupConsumer, Log, TopicPartition } from '../ports/log.ts';
import { atLeastOnce, type ProcessingGuarantee } from './at-least-once.ts';
import { ControlSender } from './controls.ts';
import { Images } from './image-keeper.ts';
import { PartitionRunner } from './partition.ts';
import { Snapshots, type SnapshotsOptions } from './snapshots.ts';
import { Standbys } from './standby.ts';
import { noTicker, type PartitionTicker, Ticker } from './ticks.ts';
import { defaultLimits, type PartitionStatus, type RuntimeLimits, type Wiring } from './wiring.ts';

export interface RunTopologyOptions<I, S, P, D, C> {
  readonly log: Log;
  readonly wiring: Wiring<I, S, P, D, C>;
  /** The consumer group; also the stem of the transactional ids, one a partition. */
  readonly group: string;
  /** Names this instance in logs. */
  readonly instanceId: string;
  readonly logger: Logger;
  readonly limits?: Partial<RuntimeLimits>;
  /**
   * Where snapshots of the partitions' state are kept for the next start; absent: nowhere. One folder may serve several
   * processes.
   */
  readonly stateDir?: string;
  /** How often; see SnapshotsOptions. */
  readonly snapshots?: Pick<SnapshotsOptions, 'every_ms' | 'everyRecords' | 'pause_ms'>;
  /** Instances beside the owner that keep a warm image of each partition. Default 0. */
  readonly standbyReplicas?: number;
  /** As GroupOptions.session_ms. */
  readonly session_ms?: number;
  /** Default exactly_once; what at_least_once means is in at-least-once.ts. */
  readonly guarantee?: ProcessingGuarantee;
  /** Whether ticks are written into the input, so that time passes where nobody writes. Default true; false in a replay. */
  readonly ticks?: boolean;
}

export interface Runner {
  /** The partitions assigned here now, by number. */
  readonly partitions: readonly PartitionStatus[];
  /** Every assigned partition runs (none is being taken, fenced or parked). For readyz. */
  readonly ready: boolean;
  /** What keeps it from being ready, in one sentence; null if nothing does. */
  readonly problem: string | null;
  /**
   * Commits what can be said without a cut, then takes these ends (by partition; the processed position where it is beyond) as
   * the group's positions. For where a replay ends: what waits for a cut that no tick will bring has been read all the same,
   * and a restore reads it again (the partition record says from where). Rejects as `GroupConsumer.commit` does.
   */
  settle(ends: readonly number[]): Promise<void>;
  /**
   * Drains: takes no more input, waits for commits under way, commits each partition's position, leaves
   * the group. Idempotent.
   */
  close(): Promise<void>;
}

/** How long a close waits for each partition's last commit. */
const DRAIN_MS = 5_000;

/**
 * Starts; resolves once the group is joined (partitions may still be restoring, see `ready`).
 * Rejects with LOG_MISMATCH when the topics' partitions differ, LOG_UNAVAILABLE when the log cannot be reached.
 */
export async function runTopology<I, S, P, D, C>(options: RunTopologyOptions<I, S, P, D, C>): Promise<Runner> {
  await checkPartitions(options.log, options.wiring.topics);
  const runner = new TopologyRunner(options);
  await runner.start();
  return runner;
}

async function checkPartitions(
  log: Log,
  topics: { readonly input: string; readonly state: string; readonly output: string },
): Promise<void> {
  const [input, state, output] = await Promise.all(
    [topics.input, topics.state, topics.output].map((topic) => log.partitions(topic)),
  );
  if (input === state && input === output) return;
  throw new PresenceError(
    'LOG_MISMATCH',
    `${topics.input} has ${input} partitions, ${topics.state} ${state}, ${topics.output} ${output}.`,
    {
      at: topics.input,
      retriable: false,
      help: 'They must be the same. The number is fixed when topics are made; changing it takes a replay into new topics.',
    },
  );
}

class TopologyRunner<I, S, P, D, C> implements Runner {
  private readonly options: RunTopologyOptions<I, S, P, D, C>;
  private readonly limits: RuntimeLimits;
  private readonly logger: Logger;
  private readonly images: Images;
  private readonly standbys: Standbys;
  private readonly runners = new Map<number, PartitionRunner<I, S, P, D, C>>();
  private parts: SharedParts | null = null;
  private readonly consumer = deferred<GroupConsumer>();
  private closing: Promise<void> | null = null;

  constructor(options: RunTopologyOptions<I, S, P, D, C>) {
    this.options = options;
    this.limits = { ...defaultLimits, ...options.limits };
    this.logger = options.logger.child({ part: 'topology', topology: options.wiring.name, instance: options.instanceId });
    const { log, wiring, stateDir: folder } = options;
    const of = { log, topic: wiring.topics.state, keyOf: wiring.partitionKey, logger: this.logger };
    const snapshots = folder === undefined ? null : new Snapshots({ ...of, folder, ...options.snapshots });
    this.standbys = new Standbys({
      ...of,
      read: async (partition) => snapshots?.read(partition) ?? null,
      onWarm: (partition) =>
        void this.consumer.promise
          .then((consumer) => consumer.warmed(partition))
          .catch((err: unknown) => this.logger.warn({ partition, err }, 'The group could not be told that a standby is warm.')),
    });
    this.images = new Images({ keyOf: wiring.partitionKey, standbys: this.standbys, snapshots });
  }

  async start(): Promise<void> {
    const { log, wiring, group } = this.options;
    this.parts = await sharedParts(log, wiring, { limits: this.limits, ticks: this.options.ticks ?? true, logger: this.logger });
    try {
      const consumer = await log.consume({
        group,
        topics: [wiring.topics.input],
        from: 'start',
        ...(this.options.session_ms === undefined ? {} : { session_ms: this.options.session_ms }),
        standby: {
          replicas: this.options.standbyReplicas ?? 0,
          warm: () => this.standbys.lags,
          onStandby: (partitions, owned) => this.standbys.assign(partitions, owned),
        },
        onAssigned: async (partitions) => this.assigned(partitions),
        onRevoked: (partitions) => this.revoked(partitions),
        onBatch: async (batch) => {
          await this.consumer.promise;
          await this.runners.get(batch.partition)?.onBatch(batch);
        },
      });
      this.consumer.resolve(consumer);
    } catch (error) {
      await this.parts.close();
      throw error;
    }
  }

  get partitions(): readonly PartitionStatus[] {
    return [...this.runners.values()].map((runner) => runner.status).sort((a, b) => a.partition - b.partition);
  }

  get ready(): boolean {
    return this.problem === null;
  }

  get problem(): string | null {
    if (this.closing !== null) return 'The topology is closing.';
    const idle = this.partitions.find(({ state }) => state !== 'running' && state !== 'committing' && state !== 'unknown_commit');
    if (idle === undefined) return null;
    return `Partition ${idle.partition} is ${idle.state}${idle.problem === null ? '' : `: ${idle.problem}`}.`.replace('..', '.');
  }

  async settle(ends: readonly number[]): Promise<void> {
    const topic = this.options.wiring.topics.input;
    const runners = [...this.runners.values()];
    await Promise.all(runners.map((runner) => runner.checkpoint(DRAIN_MS)));
    const positions = runners
      .filter(({ status }) => status.state === 'running')
      .map(({ partition, position }) => ({ topic, partition, offset: Math.max(position, ends[partition] ?? 0) }));
    await (await this.consumer.promise).commit(positions);
  }

  close(): Promise<void> {
    this.closing ??= this.drain();
    return this.closing;
  }

  private async drain(): Promise<void> {
    const consumer = await this.consumer.promise;
    await Promise.all([...this.runners.values()].map((runner) => runner.finish(DRAIN_MS)));
    await consumer.close();
    await this.revoked([...this.runners.keys()].map((partition) => ({ topic: this.options.wiring.topics.input, partition })));
    await this.parts?.close();
    await this.images.close();
    this.logger.info('The topology has been drained.');
  }

  private assigned(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      if (this.runners.has(partition)) continue;
      const runner = new PartitionRunner(this.partsOf(partition));
      this.runners.set(partition, runner);
      runner.start();
    }
    this.logger.info({ partitions: [...this.runners.keys()] }, 'The group has assigned partitions.');
  }

  private async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const gone = partitions.map(({ partition }) => this.runners.get(partition)).filter((runner) => runner !== undefined);
    await Promise.all(gone.map((runner) => runner.revoke()));
    // Removed only now: a new assignment must not begin beside the end of the old one.
    for (const runner of gone) if (this.runners.get(runner.partition) === runner) this.runners.delete(runner.partition);
  }

  private partsOf(partition: number) {
    const { log, wiring, group } = this.options;
    const { ticker, controls, producer } = this.parts as SharedParts;
    const topic = wiring.topics.input;
    const commitPosition = async (offset: number): Promise<void> =>
      (await this.consumer.promise).commit([{ topic, partition, offset }]);
    return {
      log,
      wiring,
      group,
      partition,
      limits: this.limits,
      logger: this.logger,
      ticker,
      controls,
      producer,
      images: this.images,
      commitPosition,
      openTransactions: async (writes: readonly TopicPartition[]) => {
        const transactions = await log.transactions(`${group}.${topic}.${partition}`, writes);
        const options = { commitPosition, logger: this.logger };
        return this.options.guarantee === 'at_least_once' ? atLeastOnce(transactions, options) : transactions;
      },
      seek: (position: TopicPartition & { readonly offset: number }) => {
        const { value, promise } = this.consumer;
        if (value === null) void promise.then((consumer) => consumer.seek(position));
        else value.seek(position);
      },
    };
  }
}

/** What the partitions of an instance share. */
interface SharedParts {
  readonly ticker: PartitionTicker;
  readonly controls: ControlSender;
  readonly producer: { send: Awaited<ReturnType<Log['producer']>>['send'] };
  close(): Promise<void>;
}

async function sharedParts<I, S, P, D, C>(
  log: Log,
  wiring: Wiring<I, S, P, D, C>,
  options: { readonly limits: RuntimeLimits; readonly ticks: boolean; readonly logger: Logger },
): Promise<SharedParts> {
  const { limits, logger } = options;
  const [ticks, aside] = await Promise.all([log.producer(), log.producer()]);
  const ticker = options.ticks
    ? new Ticker({
        producer: ticks,
        topic: wiring.topics.input,
        tick: wiring.tick,
        idleTick_ms: limits.idleTick_ms,
        backoff: { first_ms: limits.backoff_ms, max_ms: limits.backoffMax_ms },
        logger,
      })
    : noTicker;
  const controls = new ControlSender({ producer: aside, topic: wiring.topics.controls, limit: limits.controls, logger });
  return {
    ticker,
    controls,
    producer: aside,
    close: async () => {
      await Promise.all([ticker.close(), controls.close()]);
      await Promise.all([ticks.close(), aside.close()]);
    },
  };
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  value: T | null;
  resolve(value: T): void;
}

function deferred<T>(): Deferred<T> {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  const made: Deferred<T> = {
    promise,
    value: null,
    resolve: (value) => {
      made.value = value;
      settle(value);
    },
  };
  return made;
}
