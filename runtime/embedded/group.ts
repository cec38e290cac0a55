/**
 * Consumer groups of the embedded log. A change of members is one rebalance, one after the other: what a
 * member loses is stopped and told to it (`onRevoked`) before another gets it (`onAssigned`). What a member
 * keeps goes on undisturbed. A batch of a lost partition that is under way runs to its end, as on Kafka;
 * its commit is refused.
 */
import { setTimeout } from 'node:timers/promises';
import { PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { GroupConsumer, GroupOptions, TopicPartition } from '../../ports/log.ts';
import { assign, isOverdue } from '../assign.ts';
import type { Partition } from './partition.ts';
import { PartitionReader } from './reader.ts';

/** What a group needs of its log. */
export interface GroupHost {
  readonly logger: Logger;
  partitionsOf(topic: string): readonly Partition[];
  offsetOf(group: string, topic: string, partition: number): number | undefined;
  commit(group: string, offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>;
}

interface Member {
  readonly id: string;
  readonly options: GroupOptions;
  /** By `topic/partition`. */
  readonly readers: Map<string, PartitionReader>;
  /** What it is to have once it is warm here. */
  awaited: readonly number[];
  closed: boolean;
}

const RETRY_MS = 200;
const nameOf = (entry: TopicPartition): string => `${entry.topic}/${entry.partition}`;
const placeOf = (reader: PartitionReader): TopicPartition => ({
  topic: reader.partition.topic,
  partition: reader.partition.index,
});

export class Group {
  readonly #host: GroupHost;
  readonly #members: Member[] = [];
  #joined = 0;
  #rebalance: Promise<void> = Promise.resolve();

  constructor(host: GroupHost) {
    this.#host = host;
  }

  async join(options: GroupOptions): Promise<GroupConsumer> {
    this.#joined += 1;
    const member: Member = { id: String(this.#joined).padStart(8, '0'), options, readers: new Map(), awaited: [], closed: false };
    this.#members.push(member);
    await this.#balance();
    return {
      commit: async (offsets) => {
        const lost = offsets.find((entry) => !member.readers.has(nameOf(entry)));
        if (lost !== undefined) {
          throw new PresenceError('FENCED', `${nameOf(lost)} is no longer assigned here.`, {
            at: `group ${options.group}`,
            retriable: false,
          });
        }
        await this.#host.commit(options.group, offsets);
      },
      seek: (position) => member.readers.get(nameOf(position))?.seek(position.offset),
      get assignment() {
        return [...member.readers.values()].map(placeOf);
      },
      warmed: (partition) => {
        if (member.awaited.includes(partition)) void this.#balance();
      },
      close: () => this.#leave(member),
    };
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#members].map((member) => this.#leave(member)));
  }

  async #leave(member: Member): Promise<void> {
    if (member.closed) return;
    member.closed = true;
    this.#members.splice(this.#members.indexOf(member), 1);
    const readers = [...member.readers.values()];
    await this.#revoke(member, [...member.readers.keys()]);
    await Promise.all(readers.map((reader) => reader.stop()));
    await this.#balance();
  }

  #balance(): Promise<void> {
    this.#rebalance = this.#rebalance.then(() => this.#balanceNow());
    return this.#rebalance;
  }

  async #balanceNow(): Promise<void> {
    const counts = new Map<string, number>();
    for (const member of this.#members) {
      for (const topic of member.options.topics) counts.set(topic, this.#host.partitionsOf(topic).length);
    }
    const members = [...this.#members];
    const target = assign(
      members.map(({ id, options, readers }) => {
        const { topics, standby } = options;
        const held = [...readers.values()].map(placeOf);
        return standby === undefined ? { id, topics, held } : { id, topics, held, warm: standby.warm() };
      }),
      counts,
      Math.max(0, ...members.map(({ options }) => options.standby?.replicas ?? 0)),
    );
    await Promise.all(
      members.map((member) => {
        const keeps = new Set((target.get(member.id)?.owned ?? []).map(nameOf));
        return this.#revoke(
          member,
          [...member.readers.keys()].filter((name) => !keeps.has(name)),
        );
      }),
    );
    for (const member of members) {
      const { owned = [], standby = [], awaited = [] } = target.get(member.id) ?? {};
      const fresh = owned.filter((entry) => !member.readers.has(nameOf(entry)));
      if (member.closed) continue;
      this.#take(member, fresh);
      member.awaited = awaited;
      member.options.standby?.onStandby(
        standby,
        owned.map(({ partition }) => partition),
      );
    }
    if (members.some(({ closed, awaited, options }) => !closed && isOverdue(awaited, options.standby))) void this.#balance();
  }

  async #revoke(member: Member, names: readonly string[]): Promise<void> {
    const lost: TopicPartition[] = [];
    for (const name of names) {
      const reader = member.readers.get(name);
      if (reader === undefined) continue;
      void reader.stop();
      member.readers.delete(name);
      lost.push(placeOf(reader));
    }
    if (lost.length === 0) return;
    try {
      await member.options.onRevoked?.(lost);
    } catch (error) {
      this.#host.logger.error({ error, group: member.options.group }, 'A consumer failed to give up its partitions.');
    }
  }

  /** Not awaited by the rebalance: a member may take its time to restore. */
  #take(member: Member, fresh: readonly TopicPartition[]): void {
    const { group, from = 'start' } = member.options;
    const readers = fresh.map((entry) => {
      const partition = this.#host.partitionsOf(entry.topic)[entry.partition] as Partition;
      const committed = this.#host.offsetOf(group, entry.topic, entry.partition);
      const position = committed ?? (from === 'start' ? partition.start : partition.stable);
      const reader = new PartitionReader(partition, position);
      member.readers.set(nameOf(entry), reader);
      return reader;
    });
    void this.#announce(member, fresh).then(() => {
      for (const reader of readers) if (!reader.stopped) reader.start(member.options.onBatch, this.#host.logger);
    });
  }

  async #announce(member: Member, fresh: readonly TopicPartition[]): Promise<void> {
    let waiting = fresh;
    while (!member.closed) {
      try {
        await member.options.onAssigned?.(waiting);
        return;
      } catch (error) {
        this.#host.logger.warn(
          { error, group: member.options.group },
          'A consumer could not take its partitions; it is asked again.',
        );
        await setTimeout(RETRY_MS);
        // What was revoked meanwhile may be somebody else's by now.
        waiting = fresh.filter((entry) => member.readers.has(nameOf(entry)));
        if (waiting.length === 0) return;
      }
    }
  }
}
