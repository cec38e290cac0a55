/** Reads every partition of some topics, with no group, from a place on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Follower, FollowOptions, TopicPartition } from '../../ports/log.ts';
import type { Client } from './client.ts';
import { Fetcher, listOffset } from './fetcher.ts';

const RETRY_MS = 200;

interface Begin extends TopicPartition {
  readonly position: number;
  readonly end: number;
}

export class KafkaFollower implements Follower {
  readonly caughtUp: Promise<void>;
  readonly #client: Client;
  readonly #options: FollowOptions;
  readonly #fetcher: Fetcher;
  readonly #started: Promise<void>;
  #caughtUp: () => void = () => {};
  #closed = false;

  constructor(client: Client, options: FollowOptions) {
    this.#client = client;
    this.#options = options;
    this.#fetcher = new Fetcher(client);
    this.caughtUp = new Promise((resolve) => {
      this.#caughtUp = resolve;
    });
    this.#started = this.#start();
  }

  /** Resolves when the places to begin at are known: what is written from then on is seen. */
  get started(): Promise<void> {
    return this.#started;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#fetcher.close();
    await this.#started;
  }

  async #start(): Promise<void> {
    let begins: readonly Begin[] | null = null;
    for (let warned = false; begins === null && !this.#closed; warned = true) {
      try {
        begins = await this.#begins();
      } catch (error) {
        if (!warned) this.#client.logger.warn({ error }, 'Kafka cannot be followed now; it is asked again until it answers.');
        this.#client.shared.forget();
        await sleep(RETRY_MS);
      }
    }
    if (begins === null || this.#closed) return;
    const behind = new Set(begins.map(({ topic, partition }) => `${topic}/${partition}`));
    for (const { end, ...begin } of begins) {
      const onPosition = (position: number): void => {
        if (position >= end) behind.delete(`${begin.topic}/${begin.partition}`);
        if (behind.size === 0) this.#caughtUp();
      };
      this.#fetcher.add({ ...begin, onBatch: this.#options.onBatch, otherwise: 'start', onPosition }).start();
    }
  }

  async #begins(): Promise<Begin[]> {
    const { topics, from } = this.#options;
    const connection = this.#client.shared;
    await connection.prepare(topics);
    const places: TopicPartition[] = [];
    for (const topic of topics) {
      const count = await connection.partitionsOf(topic);
      for (let partition = 0; partition < count; partition += 1)
        if (typeof from === 'string' || 'timestamp' in from || from.next.has(partition)) places.push({ topic, partition });
    }
    return Promise.all(
      places.map(async (place) => {
        const end = await listOffset(connection, place, -1);
        if (from === 'end') return { ...place, position: end, end };
        if (from !== 'start' && 'next' in from) return { ...place, position: from.next.get(place.partition) ?? 0, end };
        const position = await listOffset(connection, place, from === 'start' ? -2 : from.timestamp);
        // No record is that new.
        return { ...place, position: position < 0 ? end : position, end };
      }),
    );
  }
}
