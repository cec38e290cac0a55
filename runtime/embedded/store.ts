/**
 * What the embedded log holds: topics, their partitions, groups' positions; in memory, and in a journal
 * where a folder was named. Every change goes through `write`: one frame, on disk first, then readable.
 */
import { PresenceError } from '../../base/errors.ts';
import { counter } from '../../base/metrics.ts';
import { partitionOf } from '../../base/murmur2.ts';
import type { Appended, LogRecord, OutRecord, TopicRecords, TopicSpec } from '../../ports/log.ts';
import type { Append, Frame } from './frame.ts';
import type { Journal } from './journal.ts';
import { Partition, type PartitionLimits } from './partition.ts';

const dropped = counter(
  'presence_embedded_log_dropped_records_total',
  'Records that the embedded log dropped before their retention, because their partition was full.',
  ['topic'],
);

const SNAPSHOT_RECORDS = 1_000;

export class Store {
  readonly #topics = new Map<string, { readonly spec: TopicSpec; readonly partitions: readonly Partition[] }>();
  /** By group, then `topic/partition`. */
  readonly #offsets = new Map<string, Map<string, number>>();
  readonly #now: () => number;
  readonly #limits: PartitionLimits;
  #journal: Journal | null = null;
  #keyless = 0;

  constructor(now: () => number, limits: PartitionLimits) {
    this.#now = now;
    this.#limits = limits;
  }

  specOf(topic: string): TopicSpec | undefined {
    return this.#topics.get(topic)?.spec;
  }

  partitionsOf(topic: string): readonly Partition[] {
    const found = this.#topics.get(topic);
    if (found !== undefined) return found.partitions;
    throw new PresenceError('LOG_MISMATCH', `There is no topic ${topic}.`, {
      at: topic,
      retriable: false,
      help: 'Make it with ensureTopics.',
    });
  }

  partition(topic: string, index: number): Partition {
    const found = this.partitionsOf(topic)[index];
    if (found !== undefined) return found;
    throw new PresenceError('LOG_MISMATCH', `Topic ${topic} has no partition ${index}.`, { at: topic, retriable: false });
  }

  offsetOf(group: string, topic: string, partition: number): number | undefined {
    return this.#offsets.get(group)?.get(`${topic}/${partition}`);
  }

  /** Chooses partitions, gives offsets and stamps. What is reserved must be published or skipped over. */
  reserve(batches: readonly TopicRecords[], marker: boolean): Append[] {
    const grouped = new Map<Partition, OutRecord[]>();
    for (const { topic, records } of batches) {
      const partitions = this.partitionsOf(topic);
      const compacted = this.specOf(topic)?.cleanup === 'compact';
      for (const record of records) {
        if (compacted && record.key === null) {
          throw new PresenceError('BAD_INPUT', `A record without a key cannot be kept in the compacted topic ${topic}.`, {
            at: topic,
            retriable: false,
          });
        }
        const partition = this.partition(topic, record.partition ?? this.#choose(record.key, partitions.length));
        const others = grouped.get(partition);
        if (others === undefined) grouped.set(partition, [record]);
        else others.push(record);
      }
    }
    const timestamp = this.#now();
    return [...grouped].map(([partition, records]) => {
      const base = partition.reserve(records.length, marker);
      const next = base + records.length + (marker ? 1 : 0);
      const own = this.specOf(partition.topic)?.stamps === 'writer';
      const stamped = records.map((record, index) =>
        keep(record, base + index, own ? (record.timestamp ?? timestamp) : timestamp),
      );
      return { topic: partition.topic, partition: partition.index, base, next, records: stamped };
    });
  }

  #choose(key: OutRecord['key'], partitions: number): number {
    if (key !== null) return partitionOf(key, partitions);
    this.#keyless += 1;
    return this.#keyless % partitions;
  }

  /** Resolves once it is on disk (if there is one) and readable. */
  async write(frame: Frame): Promise<void> {
    const apply = (): void => {
      this.#apply(frame);
      this.#trim(frame.appends ?? []);
    };
    if (this.#journal === null) apply();
    else await this.#journal.append(frame, apply);
  }

  /** From now on every change goes to disk first. */
  attach(journal: Journal): void {
    this.#journal = journal;
    for (const { partitions } of this.#topics.values()) for (const partition of partitions) partition.compact(this.#now());
  }

  /** One frame read back from disk. */
  load(frame: Frame): void {
    for (const append of frame.appends ?? []) this.partition(append.topic, append.partition).startAt(append.base);
    this.#apply(frame);
  }

  #apply(frame: Frame): void {
    for (const spec of frame.topics ?? []) {
      const partitions = Array.from({ length: spec.partitions }, (_, index) => new Partition(spec, index, this.#limits));
      if (!this.#topics.has(spec.name)) this.#topics.set(spec.name, { spec, partitions });
    }
    for (const append of frame.appends ?? []) this.partition(append.topic, append.partition).publish(append.records, append.next);
    for (const { group, topic, partition, offset } of frame.offsets ?? []) {
      const positions = this.#offsets.get(group) ?? new Map<string, number>();
      this.#offsets.set(group, positions.set(`${topic}/${partition}`, offset));
    }
  }

  #trim(appends: readonly Append[]): void {
    for (const { topic, partition } of appends) {
      const trimmed = this.partition(topic, partition);
      const before = trimmed.dropped;
      trimmed.trim(this.#now());
      if (trimmed.dropped > before) dropped.inc({ topic }, trimmed.dropped - before);
    }
  }

  /** Everything as it is at the call; the frames are cut later, as they are asked for. */
  snapshot(): Iterable<Frame> {
    const specs = [...this.#topics.values()].map(({ spec }) => spec);
    const offsets = [...this.#offsets].flatMap(([group, positions]) =>
      [...positions].map(([place, offset]) => {
        const slash = place.lastIndexOf('/');
        return { group, topic: place.slice(0, slash), partition: Number(place.slice(slash + 1)), offset };
      }),
    );
    const held = [...this.#topics.values()].flatMap(({ partitions }) =>
      partitions.map(({ topic, index, start, end, records }) => ({
        topic,
        partition: index,
        base: start,
        end,
        records: [...records],
      })),
    );
    return (function* frames() {
      yield { topics: specs, offsets };
      for (const { topic, partition, base, end, records } of held) {
        yield { appends: [{ topic, partition, base, next: base, records: [] }] };
        for (let at = 0; at < records.length; at += SNAPSHOT_RECORDS) {
          yield { appends: [{ topic, partition, base, next: base, records: records.slice(at, at + SNAPSHOT_RECORDS) }] };
        }
        yield { appends: [{ topic, partition, base, next: end, records: [] }] };
      }
    })();
  }
}

export const answerOf = ({ topic, partition, base, records }: Append): Appended => ({
  topic,
  partition,
  baseOffset: base,
  timestamp: records[0]?.timestamp ?? 0,
});

/** A copy: callers may encode the next record into the same buffer. */
function keep(record: OutRecord, offset: number, timestamp: number): LogRecord {
  return {
    offset,
    timestamp,
    key: record.key === null ? null : Buffer.from(record.key as Buffer),
    value: record.value === null ? null : Buffer.from(record.value),
    headers: Object.fromEntries(
      Object.entries(record.headers ?? {}).map(([name, value]) => [name, Buffer.from(value as Buffer)]),
    ),
  };
}
