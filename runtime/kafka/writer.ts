/**
 * One producer id: what it writes, once each.
 *
 * A batch is encoded once, with its producer id, epoch and sequence, and resent as it is until the broker has answered:
 * whatever got lost on the way, the broker knows a batch that it has. So one send is under way at a time, its
 * retries included, and a sequence is used for one content only. (kafkajs's own producer gives the sequence of a
 * failed send to the next one: with five sends in flight and ten lost answers, 10 acknowledged records of 50
 * were lost and 10 doubled. It also chooses the partition of a record without a key anew at each retry.)
 *
 * When patience ends, what was sent may or may not be there. The same records given again go on with the same bytes;
 * anything else needs a new identity (`renew`), so that no sequence is used twice.
 */
import { PresenceError } from '../../base/errors.ts';
import { partitionOf } from '../../base/murmur2.ts';
import type { Appended, OutRecord, TopicRecords } from '../../ports/log.ts';
import { type Client, type Connection, persist } from './client.ts';
import { isFenced, isForbidden, isOutOfSequence, isRefused, typeOf } from './errors.ts';
import { protocolError } from './internals.ts';
import { encodeBatch } from './record-batch.ts';
import { type PartitionBytes, type ProducerIdentity, produce } from './requests.ts';

interface PendingBatch extends PartitionBytes {
  readonly count: number;
  answer: Appended | null;
}

/** What is being sent, or was sent and not answered. */
export interface Pending {
  readonly records: readonly OutRecord[];
  readonly batches: readonly PendingBatch[];
  readonly transactional: boolean;
}

const BROKER_TIMEOUT_MS = 2_500;

export class Writer {
  readonly connection: Connection;
  readonly #client: Client;
  readonly #transactionalId: string | null;
  readonly #sequences = new Map<string, number>();
  #identity: ProducerIdentity | null = null;
  #keyless = 0;

  constructor(client: Client, connection: Connection, transactionalId: string | null) {
    this.#client = client;
    this.connection = connection;
    this.#transactionalId = transactionalId;
  }

  get identity(): ProducerIdentity | null {
    return this.#identity;
  }

  /** From now on this one writes, and every sequence begins at 0. */
  renew(identity: ProducerIdentity | null): void {
    this.#identity = identity;
    this.#sequences.clear();
  }

  /**
   * Chooses partitions and encodes; of a transactional id, for a transaction unless told. Throws LOG_MISMATCH where a topic is
   * not there, kafkajs's errors when nobody answers.
   */
  async encode(given: readonly TopicRecords[], transactional = this.#transactionalId !== null): Promise<Pending> {
    const identity = this.#identity;
    if (identity === null)
      throw new PresenceError('INTERNAL', 'A writer without an identity.', { at: 'kafka writer', retriable: false });
    await this.connection.prepare(given.map(({ topic }) => topic));
    const grouped = new Map<string, { topic: string; partition: number; records: OutRecord[] }>();
    for (const { topic, records } of given) {
      const partitions = await this.connection.partitionsOf(topic);
      for (const record of records) {
        const partition = record.partition ?? this.#choose(record.key, partitions);
        const name = `${topic}/${partition}`;
        const others = grouped.get(name);
        if (others === undefined) grouped.set(name, { topic, partition, records: [record] });
        else others.records.push(record);
      }
    }
    const now = Date.now();
    const batches = [...grouped].flatMap(([name, { topic, partition, records }]) => {
      let baseSequence = this.#sequences.get(name) ?? 0;
      return pieces(records).map((piece): PendingBatch => {
        const bytes = encodeBatch(piece, { ...identity, baseSequence, transactional }, now);
        baseSequence = (baseSequence + piece.length) % 0x8000_0000;
        return { topic, partition, bytes, count: piece.length, answer: null };
      });
    });
    return { records: given.flatMap(({ records }) => records), batches, transactional };
  }

  #choose(key: OutRecord['key'], partitions: number): number {
    if (key !== null) return partitionOf(key, partitions);
    this.#keyless += 1;
    return this.#keyless % partitions;
  }

  /**
   * Sends what has no answer yet, until all has; `partly`: or until some partitions have theirs, and others fail. The last error
   * when patience ends, BAD_INPUT for what no broker takes.
   */
  async write(pending: Pending, partly = false): Promise<readonly Appended[]> {
    const final = (error: unknown): boolean =>
      error instanceof PresenceError ||
      isFenced(error) ||
      isOutOfSequence(error) ||
      isRefused(error) ||
      typeOf(error) === 'TRANSACTION_ABORTABLE';
    const attempt = async (): Promise<'partly' | 'on'> => {
      try {
        await this.#attempt(pending);
        return 'on';
      } catch (error) {
        if (!partly || final(error) || isForbidden(error) || answersOf(pending).length === 0) throw error;
        this.connection.forget();
        return 'partly';
      }
    };
    while (pending.batches.some(({ answer }) => answer === null)) {
      const options = { connection: this.connection, patience_ms: this.#client.patience_ms, final };
      if ((await persist(options, attempt)) === 'partly') break;
    }
    return answersOf(pending);
  }

  async #attempt(pending: Pending): Promise<void> {
    const open = nextOfEach(pending.batches);
    await this.connection.prepare([...new Set(open.map(({ topic }) => topic))]);
    const id = pending.transactional ? this.#transactionalId : null;
    const { leaders, orphans } = this.connection.byLeader(open);
    const sends = [...leaders].map(([leader, batches]) => this.#sendTo(leader, batches, id));
    const results = await Promise.allSettled([...sends, ...orphans.map((orphan) => Promise.reject(orphan))]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #sendTo(leader: number, batches: readonly PendingBatch[], transactionalId: string | null): Promise<void> {
    const answers = await this.connection.send(leader, produce(transactionalId, batches, BROKER_TIMEOUT_MS));
    let failed: Error | null = null;
    for (const { topic, partition, errorCode, baseOffset, timestamp } of answers) {
      const batch = batches.find((sent) => sent.topic === topic && sent.partition === partition);
      if (batch === undefined) continue;
      if (errorCode !== 0) {
        failed ??= protocolError(errorCode);
        continue;
      }
      batch.answer = { topic, partition, baseOffset, timestamp };
      const name = `${topic}/${partition}`;
      // As the broker counts: after 2^31-1 comes 0.
      this.#sequences.set(name, ((this.#sequences.get(name) ?? 0) + batch.count) % 0x8000_0000);
    }
    if (failed !== null) throw failed;
  }
}

/** A broker takes batches of up to 1 MiB (message.max.bytes) by default, frame and all. */
const PIECE_BYTES = 900_000;
const sizeOf = ({ key, value, headers }: OutRecord): number =>
  32 +
  (key?.length ?? 0) +
  (value?.length ?? 0) +
  Object.entries(headers ?? {}).reduce((sum, [name, header]) => sum + name.length + header.length + 8, 0);

/** The records of one partition in as many batches as it takes: a transaction can say more than a broker takes at once. */
function pieces(records: readonly OutRecord[]): readonly (readonly OutRecord[])[] {
  const all: OutRecord[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const record of records) {
    const size = sizeOf(record);
    if (bytes + size > PIECE_BYTES) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)?.push(record);
    bytes += size;
  }
  return all;
}

/** Of each partition that is written whole, where it begins. */
function answersOf({ batches }: Pending): readonly Appended[] {
  const first = new Map<string, Appended | null>();
  for (const { topic, partition, answer } of batches) {
    const name = `${topic}/${partition}`;
    if (answer === null || !first.has(name)) first.set(name, answer);
  }
  return [...first.values()].filter((answer) => answer !== null);
}

/** Of each partition the first batch without an answer: they go one after the other. */
function nextOfEach(batches: readonly PendingBatch[]): readonly PendingBatch[] {
  const next = new Map<string, PendingBatch>();
  for (const batch of batches) {
    const name = `${batch.topic}/${batch.partition}`;
    if (batch.answer === null && !next.has(name)) next.set(name, batch);
  }
  return [...next.values()];
}

/** For a record that is refused for what it is: too large, or without a key in a compacted topic. */
export const refused = (at: string, cause: unknown): PresenceError =>
  new PresenceError('BAD_INPUT', `Kafka refuses this record: ${typeOf(cause)}.`, { at, retriable: false, cause });
