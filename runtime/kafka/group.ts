/**
 * A consumer of a group: its membership says what is ours, a fetcher reads it.
 *
 * What is newly ours: its positions are asked for, `onAssigned` is awaited (and may seek), then it is read. Once revoked, a
 * partition hands over nothing more, and its positions are not committed: neither by us (it is no longer in
 * `sources`) nor by the coordinator (the generation is no longer the group's).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PresenceError } from '../../base/errors.ts';
import type { GroupConsumer, GroupOptions, TopicPartition } from '../../ports/log.ts';
import { type Client, persist } from './client.ts';
import { typeOf, unavailable } from './errors.ts';
import { Fetcher, listOffset, type Source } from './fetcher.ts';
import { Membership } from './membership.ts';

type Position = TopicPartition & { readonly offset: number };

const RETRY_MS = 200;
const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

export class KafkaGroupConsumer implements GroupConsumer {
  readonly #client: Client;
  readonly #options: GroupOptions;
  readonly #fetcher: Fetcher;
  readonly #membership: Membership;
  /** What is ours, by name. Absent until its position is known. */
  readonly #sources = new Map<string, Source>();
  /** Raised when a partition is given up, so that what is under way for it is not taken for its next turn. */
  readonly #turns = new Map<string, number>();
  #closed = false;

  constructor(client: Client, options: GroupOptions) {
    this.#client = client;
    this.#options = options;
    this.#fetcher = new Fetcher(client);
    this.#membership = new Membership(client, {
      options,
      revoke: (partitions) => this.#revoke(partitions),
      take: (partitions) => void this.#take(partitions),
    });
  }

  get joined(): Promise<void> {
    return this.#membership.joined;
  }

  get assignment(): readonly TopicPartition[] {
    return [...this.#sources.values()].map(({ topic, partition }) => ({ topic, partition }));
  }

  seek({ offset, ...place }: Position): void {
    this.#sources.get(nameOf(place))?.seek(offset);
  }

  warmed(partition: number): void {
    this.#membership.warmed(partition);
  }

  async commit(offsets: readonly Position[]): Promise<void> {
    if (offsets.length === 0) return;
    const at = `group ${this.#options.group}`;
    const connection = this.#client.shared;
    const final = (error: unknown): boolean => error instanceof PresenceError;
    try {
      await persist({ connection, patience_ms: this.#client.patience_ms, final }, async () => {
        const lost = offsets.find((entry) => !this.#sources.has(nameOf(entry)));
        const identity = this.#membership.identity;
        if (lost !== undefined || identity === null) {
          throw new PresenceError('FENCED', `${lost === undefined ? 'Nothing' : nameOf(lost)} is assigned here now.`, {
            at,
            retriable: false,
          });
        }
        const coordinator = await connection.coordinator('group', this.#options.group);
        const topics = offsets.map(({ topic, partition, offset }) => ({
          topic,
          partitions: [{ partition, offset: String(offset) }],
        }));
        const { memberId, generationId } = identity;
        await coordinator.offsetCommit({ groupId: this.#options.group, groupGenerationId: generationId, memberId, topics });
      });
    } catch (error) {
      if (['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'].includes(typeOf(error))) {
        throw new PresenceError('FENCED', 'The group has gone on without this member.', { at, retriable: false, cause: error });
      }
      throw unavailable(at, error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#membership.close();
    await this.#fetcher.close();
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    for (const entry of partitions) {
      const name = nameOf(entry);
      this.#turns.set(name, this.#turn(name) + 1);
      void this.#sources.get(name)?.stop();
      this.#sources.delete(name);
    }
    try {
      await this.#options.onRevoked?.(partitions);
    } catch (error) {
      this.#client.logger.error({ error, group: this.#options.group }, 'A consumer failed to give up its partitions.');
    }
  }

  #turn(name: string): number {
    return this.#turns.get(name) ?? 0;
  }

  async #take(partitions: readonly TopicPartition[]): Promise<void> {
    const turns = new Map(partitions.map((entry) => [nameOf(entry), this.#turn(nameOf(entry))]));
    /** Of these, what has not been given up meanwhile. */
    const ours = (): TopicPartition[] =>
      partitions.filter((entry) => !this.#closed && this.#turn(nameOf(entry)) === turns.get(nameOf(entry)));
    let positions: readonly Position[] | null = null;
    for (let waiting = ours(); waiting.length > 0; waiting = ours()) {
      try {
        positions ??= await this.#positions(waiting);
        for (const position of positions) this.#prepare(position, ours());
        await this.#options.onAssigned?.(ours());
        for (const entry of ours()) this.#sources.get(nameOf(entry))?.start();
        return;
      } catch (error) {
        if (this.#closed) return;
        this.#client.logger.warn(
          { error, group: this.#options.group },
          'A consumer could not take its partitions; it tries again.',
        );
        await sleep(RETRY_MS);
      }
    }
  }

  #prepare({ offset, ...place }: Position, ours: readonly TopicPartition[]): void {
    const name = nameOf(place);
    if (this.#sources.has(name) || !ours.some((entry) => nameOf(entry) === name)) return;
    const { onBatch, from = 'start' } = this.#options;
    this.#sources.set(name, this.#fetcher.add({ ...place, position: offset, onBatch, otherwise: from }));
  }

  /** Committed, or where the group begins. */
  async #positions(partitions: readonly TopicPartition[]): Promise<readonly Position[]> {
    const { group, from = 'start' } = this.#options;
    const connection = this.#client.shared;
    return persist({ connection, patience_ms: this.#client.patience_ms }, async () => {
      const coordinator = await connection.coordinator('group', group);
      const topics = partitions.map(({ topic, partition }) => ({ topic, partitions: [{ partition }] }));
      const { responses } = await coordinator.offsetFetch({ groupId: group, topics });
      const committed = new Map(
        responses.flatMap(({ topic, partitions: found }) =>
          found.map(({ partition, offset }) => [`${topic}/${partition}`, Number(offset)]),
        ),
      );
      return Promise.all(
        partitions.map(async (entry) => {
          const offset = committed.get(nameOf(entry)) ?? -1;
          return { ...entry, offset: offset >= 0 ? offset : await listOffset(connection, entry, from === 'start' ? -2 : -1) };
        }),
      );
    });
  }
}
