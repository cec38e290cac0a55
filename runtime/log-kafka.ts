/**
 * The log on Kafka, spoken to through kafkajs (2.5 and later; measured on 4.3.1).
 *
 * kafkajs brings connections, TLS and SASL, metadata and the coordinators' protocol. Producing, transactions, fetching and group
 * membership are ours (kafka/*.ts), each beginning with what it does otherwise, and why.
 *
 * Bounds: a producer and a transactional id have one send under way, the calls behind it wait in order; a reader holds at most
 * 2 MiB a partition beside the batch that it is at; `read` holds one fetch of 4 MiB beside its batch. Every call tries
 * for `patience_ms`, then rejects with LOG_UNAVAILABLE; readers try for ever.
 */
import { PresenceError } from '../base/errors.ts';
import type {
  Follower,
  FollowOptions,
  GroupConsumer,
  GroupOptions,
  Log,
  LogProducer,
  LogTransactions,
  PartitionOffsets,
  ReadOptions,
  Stamps,
  TopicPartition,
  TopicSpec,
} from '../ports/log.ts';
import { Client, type Connection, type KafkaSettings, persist } from './kafka/client.ts';
import { typeOf, unavailable } from './kafka/errors.ts';
import { listOffset } from './kafka/fetcher.ts';
import { KafkaFollower } from './kafka/follow.ts';
import { KafkaGroupConsumer } from './kafka/group.ts';
import { createProducer } from './kafka/producer.ts';
import { readPartition } from './kafka/read.ts';
import { topicIdentity } from './kafka/topic-identity.ts';
import { ensureTopics, stampsOf } from './kafka/topics.ts';
import { KafkaTransactions } from './kafka/transactions.ts';

export type KafkaLogOptions = KafkaSettings;

/** Connects on first use: resolves whether Kafka answers or not. */
export async function createKafkaLog(options: KafkaLogOptions): Promise<Log> {
  return new KafkaLog(new Client(options));
}

interface Closable {
  close(): Promise<void>;
}

class KafkaLog implements Log {
  readonly #client: Client;
  readonly #open = new Set<Closable>();
  #closed = false;

  constructor(client: Client) {
    this.#client = client;
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<readonly string[]> {
    return ensureTopics(this.#client, topics);
  }

  partitions(topic: string): Promise<number> {
    return this.#ask(topic, (connection) => connection.partitionsOf(topic));
  }

  stamps(topic: string): Promise<Stamps> {
    this.#check();
    return stampsOf(this.#client, topic);
  }

  identity(topic: string): Promise<string> {
    return this.#ask(topic, async (connection) => {
      await connection.prepare([topic]);
      return connection.send(connection.leaderOf(topic, 0), topicIdentity(topic));
    });
  }

  offsets(topic: string): Promise<readonly PartitionOffsets[]> {
    return this.#ask(topic, async (connection) => {
      const count = await connection.partitionsOf(topic);
      return Promise.all(
        Array.from({ length: count }, async (_, partition) => {
          const [start, end] = await Promise.all([-2, -1].map((place) => listOffset(connection, { topic, partition }, place)));
          return { partition, start: start ?? 0, end: end ?? 0 };
        }),
      );
    });
  }

  committed(group: string, topic: string): Promise<readonly (number | null)[]> {
    return this.#ask(`group ${group}`, async (connection) => {
      const count = await connection.partitionsOf(topic);
      const coordinator = await connection.coordinator('group', group);
      const partitions = Array.from({ length: count }, (_, partition) => ({ partition }));
      const { responses } = await coordinator.offsetFetch({ groupId: group, topics: [{ topic, partitions }] });
      const found = new Map(responses[0]?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return partitions.map(({ partition }) => {
        const offset = found.get(partition) ?? -1;
        return offset < 0 ? null : offset;
      });
    });
  }

  async producer(): Promise<LogProducer> {
    this.#check();
    return this.#keep(createProducer(this.#client));
  }

  async transactions(transactionalId: string, writes: readonly TopicPartition[] = []): Promise<LogTransactions> {
    this.#check();
    return this.#keep(new KafkaTransactions(this.#client, transactionalId, writes));
  }

  async consume(options: GroupOptions): Promise<GroupConsumer> {
    this.#check();
    await this.#exist(options.topics);
    const consumer = this.#keep(new KafkaGroupConsumer(this.#client, options));
    await consumer.joined;
    return consumer;
  }

  async follow(options: FollowOptions): Promise<Follower> {
    this.#check();
    const there = await this.#exist(options.topics);
    const follower = this.#keep(new KafkaFollower(this.#client, options));
    if (there) await follower.started;
    return follower;
  }

  read(options: ReadOptions): Promise<void> {
    this.#check();
    return readPartition(this.#client, options);
  }

  async ping(): Promise<void> {
    this.#check();
    const connection = this.#client.shared;
    try {
      await connection.cluster.connect();
      await connection.cluster.refreshMetadata();
    } catch (error) {
      connection.forget();
      throw unavailable('ping', error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#open].map((part) => part.close()));
    await this.#client.close();
  }

  /** A missing topic is said at once; where nobody answers, that is for later (false). */
  async #exist(topics: readonly string[]): Promise<boolean> {
    try {
      await this.#client.shared.prepare(topics);
      return true;
    } catch (error) {
      if (error instanceof PresenceError) throw error;
      this.#client.logger.warn(
        { error: typeOf(error), topics },
        'Kafka cannot be reached now; it is asked again until it answers.',
      );
      this.#client.shared.forget();
      return false;
    }
  }

  async #ask<T>(at: string, attempt: (connection: Connection) => Promise<T>): Promise<T> {
    this.#check();
    const connection = this.#client.shared;
    const final = (error: unknown): boolean => error instanceof PresenceError;
    try {
      return await persist({ connection, patience_ms: this.#client.patience_ms, final }, () => attempt(connection));
    } catch (error) {
      throw unavailable(at, error);
    }
  }

  /** Closed with the log, if not before. */
  #keep<T extends Closable>(part: T): T {
    const close = part.close.bind(part);
    part.close = () => {
      this.#open.delete(part);
      return close();
    };
    this.#open.add(part);
    return part;
  }

  #check(): void {
    if (this.#closed) throw new PresenceError('LOG_UNAVAILABLE', 'The log is closed.', { at: 'kafka', retriable: false });
  }
}
