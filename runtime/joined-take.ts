/**
 * Taking a partition of a joined topology: everything that its processor holds is made anew out of the log.
 *
 * In order: the positions of the group; the table (presence.state), which is at least as new as those; the first input from
 * some minutes before its position; the routes that the log still has, up to their position. Of the latter two nothing is said:
 * whoever took these positions had it written. Where the group has none yet, the first input begins at its end.
 */
import { clock } from '../base/clock.ts';
import type { Log, LogBatch, LogRecord } from '../ports/log.ts';
import type { Batch, Input } from '../processors/stage.ts';
import type { Codecs, ValueCodec } from '../schemas/codec.ts';
import type { Diff, Route } from '../schemas/generated.ts';
import type { Joined } from '../topology/kit/joined.ts';
import type { JoinedPartition } from '../topology/kit/joined-partition.ts';

export interface JoinedTopics {
  readonly diffs: string;
  readonly routes: string;
  readonly state: string;
}

export interface TakeJoinedOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly joined: Joined;
  readonly topics: JoinedTopics;
  readonly group: string;
  readonly partition: number;
  /** What cannot be read is left out; said here. */
  readonly onUndecodable: (topic: string, offset: number, error: unknown) => void;
}

export interface TakenJoined {
  readonly processor: JoinedPartition;
  /** By topic: the next offset to process. */
  readonly positions: Map<string, number>;
}

/** Rejects with LOG_UNAVAILABLE (retriable). */
export async function takeJoined(options: TakeJoinedOptions): Promise<TakenJoined> {
  const { log, joined, topics, group, partition } = options;
  const committed = async (topic: string): Promise<number | null> => (await log.committed(group, topic))[partition] ?? null;
  const [diffsAt, routesAt] = await Promise.all([committed(topics.diffs), committed(topics.routes)]);
  const [start, end] = await bounds(log, topics.diffs, partition);
  const [routesStart] = await bounds(log, topics.routes, partition);
  const position = Math.max(start, Math.min(diffsAt ?? end, end));
  const processor = joined.processor(partition);
  await readTable(options, processor);
  // A state is committed with its diffs: those that the table tells of lie before this.
  const [, known] = await bounds(log, topics.diffs, partition);
  const from = await offsetAt(log, { topic: topics.diffs, partition, start, end: position }, clock.now() - joined.remember_ms);
  processor.restore({ from, position, known });
  const read = { partition, to: position, from };
  const { codecs } = options;
  await log.read({
    ...read,
    topic: topics.diffs,
    onBatch: async (batch) => void processor.diffs(await decode(options, codecs.diff, batch)),
  });
  if (routesAt !== null)
    await log.read({
      ...{ partition, topic: topics.routes, from: 0, to: routesAt },
      onBatch: async (batch) => void processor.routes(await decode(options, codecs.route, batch)),
    });
  processor.restored();
  const positions = new Map([
    [topics.diffs, position],
    [topics.routes, Math.max(routesStart, routesAt ?? 0)],
  ]);
  return { processor, positions };
}

type Bounds = { readonly topic: string; readonly partition: number; readonly start: number; readonly end: number };

async function bounds(log: Log, topic: string, partition: number): Promise<readonly [number, number]> {
  const found = (await log.offsets(topic)).find((one) => one.partition === partition);
  return [found?.start ?? 0, found?.end ?? 0];
}

async function readTable({ log, codecs, topics, partition, onUndecodable }: TakeJoinedOptions, processor: JoinedPartition) {
  const onBatch = async ({ records }: LogBatch): Promise<void> => {
    await codecs.prepare(records.map(({ value }) => value));
    for (const { key, value, offset } of records) {
      if (key === null || value === null) continue;
      try {
        // The partition's own record knows the epoch, users may not have changed in it.
        if (key[0] === OWN_KEY) processor.known(codecs.partitionState.decode(value).epoch);
        else processor.load(codecs.userState.decode(value));
      } catch (error) {
        onUndecodable(topics.state, offset, error);
      }
    }
  };
  await log.read({ topic: topics.state, partition, from: 0, onBatch });
}

const OWN_KEY = '#'.charCodeAt(0);

/** The first offset in [start, end) whose record is stamped `since` or later; `end` where there is none. */
export async function offsetAt(log: Log, { topic, partition, start, end }: Bounds, since: number): Promise<number> {
  let [low, high] = [start, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found: LogRecord[] = [];
    await log.read({
      ...{ topic, partition, from: middle, to: high },
      onBatch: ({ records }) => {
        found.push(...records.slice(0, 1));
        return 'enough';
      },
    });
    const [first] = found;
    // Nothing there but gaps, or the first one there is late enough: it lies at or below `middle`.
    if (first === undefined || first.timestamp >= since) high = middle;
    else low = first.offset + 1;
  }
  return low;
}

/** Those that can be read, in order. */
export async function decode<V extends Diff | Route>(
  { codecs, onUndecodable }: Pick<TakeJoinedOptions, 'codecs' | 'onUndecodable'>,
  codec: ValueCodec<V>,
  { topic, partition, records, nextOffset }: Pick<LogBatch, 'topic' | 'partition' | 'records' | 'nextOffset'>,
): Promise<Batch<V>> {
  await codecs.prepare(records.map(({ value }) => value));
  const inputs: Input<V>[] = [];
  for (const { value, offset, timestamp } of records) {
    if (value === null) continue;
    try {
      inputs.push({ offset, stamp: timestamp, value: codec.decode(value) });
    } catch (error) {
      onUndecodable(topic, offset, error);
    }
  }
  return { partition, records: inputs, nextOffset };
}
