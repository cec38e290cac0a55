/**
 * Connections to Kafka, and who to ask for what.
 *
 * A broker answers one connection's requests in order, so whoever waits in a fetch must not share it with others:
 * each reader and each writer opens its own (`open`); short questions go through one that all share.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { AssignerProtocol, type logCreator, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from '../../base/logger.ts';
import { isForbidden, noTopic, typeOf } from './errors.ts';
import { type Broker, type Cluster, internalLogger, newCluster, socketFactory, type WireRequest } from './internals.ts';

export { AssignerProtocol };

export interface KafkaSettings {
  /** `host:port` each; any of them answers for the cluster. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly logger: Logger;
  readonly ssl?: boolean | ConnectionOptions;
  readonly sasl?: SASLOptions;
  /** An answer that has not come by then is lost. Default 3,000. */
  readonly requestTimeout_ms?: number;
  /** How long a call tries before it rejects with LOG_UNAVAILABLE. Default 5,000. */
  readonly patience_ms?: number;
}

/** Attempts are made after 20, 40, 80 … 300 ms. */
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 300;
const UNKNOWN_TOPIC_ATTEMPTS = 5;
const UNKNOWN_TOPIC_WAIT_MS = 100;

export class Client {
  readonly settings: KafkaSettings;
  readonly patience_ms: number;
  readonly #logger: unknown;
  readonly #open = new Set<Connection>();
  #shared: Connection | null = null;

  constructor(settings: KafkaSettings) {
    this.settings = settings;
    this.patience_ms = settings.patience_ms ?? 5_000;
    this.#logger = internalLogger(toPino(settings.logger), logLevel.WARN);
  }

  get logger(): Logger {
    return this.settings.logger;
  }

  /** For short questions. */
  get shared(): Connection {
    this.#shared ??= this.open();
    return this.#shared;
  }

  open(): Connection {
    const { brokers, clientId, ssl, sasl, requestTimeout_ms = 3_000 } = this.settings;
    const cluster = newCluster({
      logger: this.#logger,
      socketFactory: socketFactory(),
      brokers: [...brokers],
      clientId,
      ssl,
      sasl,
      connectionTimeout: 2_000,
      requestTimeout: requestTimeout_ms,
      enforceRequestTimeout: true,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      isolationLevel: 1,
      // Retries are ours: a call inside kafkajs tries each broker once or twice, and says so.
      retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 1 },
    });
    const connection = new Connection(cluster, () => this.#open.delete(connection));
    this.#open.add(connection);
    return connection;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((connection) => connection.close()));
  }
}

export class Connection {
  readonly cluster: Cluster;
  readonly #onClose: () => void;
  readonly #coordinators = new Map<string, Broker>();
  #stale = true;
  closed = false;

  constructor(cluster: Cluster, onClose: () => void) {
    this.cluster = cluster;
    this.#onClose = onClose;
  }

  /** Who leads which partition, and which coordinator has which id, is asked anew before the next use. */
  forget(): void {
    this.#stale = true;
    this.#coordinators.clear();
  }

  /**
   * Begins anew on fresh sockets: a broker answers one connection's requests in order, so behind one that it has not answered
   * all others wait.
   */
  async reset(): Promise<void> {
    this.forget();
    if (!this.closed) await this.cluster.disconnect().catch(() => {});
  }

  /** Throws LOG_MISMATCH for a topic that is not there, kafkajs's errors for the rest. */
  async prepare(topics: readonly string[]): Promise<void> {
    await this.cluster.connect();
    const { targetTopics } = this.cluster;
    const unknown = (): string | undefined => topics.find((topic) => this.#partitionsOf(topic).length === 0);
    for (const topic of topics) targetTopics.add(topic);
    if (this.#stale) await this.cluster.refreshMetadata();
    this.#stale = false;
    // A refresh that was under way already may not have asked for these; and a broker may not have heard of a new topic yet.
    for (let attempt = 0; unknown() !== undefined; attempt += 1) {
      if (attempt === UNKNOWN_TOPIC_ATTEMPTS) {
        const missing = unknown() ?? '';
        targetTopics.delete(missing);
        throw noTopic(missing);
      }
      if (attempt > 0) await sleep(UNKNOWN_TOPIC_WAIT_MS);
      await this.cluster.refreshMetadata();
    }
  }

  async partitionsOf(topic: string): Promise<number> {
    await this.prepare([topic]);
    return this.#partitionsOf(topic).length;
  }

  #partitionsOf(topic: string): readonly { readonly partitionId: number; readonly leader: number }[] {
    return this.cluster.brokerPool.metadata?.topicMetadata.find((entry) => entry.topic === topic)?.partitionMetadata ?? [];
  }

  /** The broker that leads this partition. `prepare` its topic first. */
  leaderOf(topic: string, partition: number): number {
    const leader = this.#partitionsOf(topic).find(({ partitionId }) => partitionId === partition)?.leader;
    if (leader !== undefined && leader >= 0) return leader;
    this.forget();
    throw Object.assign(new Error(`${topic}/${partition} has no leader now.`), { type: 'LEADER_NOT_AVAILABLE' });
  }

  /** By the broker that leads them, and what is wrong with those that nobody leads now. `prepare` their topics first. */
  byLeader<T extends { readonly topic: string; readonly partition: number }>(items: readonly T[]) {
    const leaders = new Map<number, T[]>();
    const orphans: unknown[] = [];
    for (const item of items) {
      try {
        const leader = this.leaderOf(item.topic, item.partition);
        const others = leaders.get(leader);
        if (others === undefined) leaders.set(leader, [item]);
        else others.push(item);
      } catch (error) {
        orphans.push(error);
      }
    }
    return { leaders, orphans } as const;
  }

  async send<T>(nodeId: number, request: WireRequest<T>): Promise<T> {
    const broker = await this.cluster.findBroker({ nodeId });
    return sendTo(broker, request);
  }

  async coordinator(kind: 'group' | 'transaction', id: string): Promise<Broker> {
    const name = `${kind} ${id}`;
    const known = this.#coordinators.get(name);
    if (known !== undefined) return known;
    await this.cluster.connect();
    if (this.#stale) await this.cluster.refreshMetadata();
    const broker = await this.cluster.findGroupCoordinator({ groupId: id, coordinatorType: kind === 'group' ? 0 : 1 });
    this.#coordinators.set(name, broker);
    return broker;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.#onClose();
    await this.cluster.disconnect().catch(() => {});
  }
}

/** kafkajs drops a broken connection in its own methods only; for what we send past them, we do. */
export async function sendTo<T>(broker: Broker, request: WireRequest<T>): Promise<T> {
  try {
    return await broker.connectionPool.send(request);
  } catch (error) {
    if (typeOf(error) === 'KafkaJSConnectionClosedError') await broker.disconnect();
    throw error;
  }
}

export interface RetryOptions {
  readonly connection: Connection;
  readonly patience_ms: number;
  /** These are passed on at once. */
  readonly final?: (error: unknown) => boolean;
}

/**
 * Calls `attempt` until it succeeds, fails for good, or patience ends; then the last error is thrown. What is known
 * of leaders and coordinators is forgotten between attempts: most errors mean that it has changed.
 */
export async function persist<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + options.patience_ms;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const closed = options.connection.closed;
      if (closed || isOurs(error) || options.final?.(error) === true || isForbidden(error) || performance.now() + wait > end)
        throw error;
      // The coordinator is the right one, it is only not ready with the transaction before.
      if (typeOf(error) !== 'CONCURRENT_TRANSACTIONS') options.connection.forget();
      else wait = FIRST_WAIT_MS / 2;
      await sleep(wait);
    }
  }
}

/** A bug does not go away by itself. */
const isOurs = (error: unknown): boolean =>
  error instanceof ReferenceError || error instanceof TypeError || error instanceof RangeError;

/** kafkajs calls an error what the retry above takes care of: it is warned of by whoever gives up. */
function toPino(logger: Logger): logCreator {
  return () =>
    ({ namespace, level, log }) => {
      const { message, timestamp: _time, logger: _name, stack: _stack, ...fields } = log;
      const at = level <= logLevel.ERROR ? 'debug' : 'trace';
      logger[at]({ ...fields, part: `kafkajs ${namespace}` }, message);
    };
}
