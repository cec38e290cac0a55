/**
 * A topology that has nothing to do with presence: it counts per key, and says a count when it changed.
 *
 * `add` raises a key's count; a key that hears nothing (`add` or `touch`) for `quiet_ms` falls back to 0, at its
 * deadline. A partition's time is cut at multiples of `cell_ms`: a key's count is said there, at most once a cut.
 * A `touch` moves only the deadline and is not written at once, so that a restore must read the log's tail.
 *
 * It honours topology/kit/processor.ts to the letter (on an image: it reads all of it when it is restored), and is what the
 * runtime's laws are tried on.
 */
import { Subject } from 'rxjs';
import { PresenceError } from '../../base/errors.ts';
import type { Batch, Input } from '../../processors/stage.ts';
import type { StoredRecords } from '../../processors/stored.ts';
import type { Wiring } from '../../runtime/wiring.ts';
import type { ValueCodec } from '../../schemas/codec.ts';
import type { Emission, Output, PartitionProcessor, ProcessorCounts } from '../../topology/kit/processor.ts';

export interface Count {
  readonly kind: 'add' | 'touch' | 'tick' | 'bomb';
  readonly key: string;
  readonly amount: number;
}
export interface KeyState {
  readonly key: string;
  readonly count: number;
  readonly version: number;
  readonly deadline: number | null;
  /** The first input offset that this record does not hold. */
  readonly offset: number;
}
export interface CounterPartition {
  readonly offset: number;
  readonly stamp: number;
  readonly tail: number;
}
export interface Change {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly version: number;
  readonly at: number;
  readonly cause: 'add' | 'quiet';
}
/** Said when a key passes 10: the runtime's controls. */
export interface Notice {
  readonly key: string;
}

export interface CounterOptions {
  readonly cell_ms: number;
  readonly quiet_ms: number;
  readonly flush_ms: number;
}

interface Entry {
  count: number;
  emitted: number;
  version: number;
  deadline: number | null;
  offset: number;
  at: number;
  cause: Change['cause'];
  traceparent: string | undefined;
  /** The first touch not written yet: its offset and stamp. */
  dirty: { readonly offset: number; readonly stamp: number } | null;
}

type CounterEmission = Emission<KeyState, CounterPartition, Change, Notice>;

export class CounterProcessor implements PartitionProcessor<Count, KeyState, CounterPartition, Change, Notice> {
  readonly emissions = new Subject<CounterEmission>();
  position = 0;
  stamp = 0;
  private readonly options: CounterOptions;
  private readonly stored: StoredRecords | null;
  private readonly entries = new Map<string, Entry>();
  private readonly touched = new Set<string>();
  private said = -1;
  private tailFrom = 0;
  private cuts = 0;
  private fired = 0;

  constructor(options: CounterOptions, stored: StoredRecords | null = null) {
    this.options = options;
    this.stored = stored;
  }

  load(key: string, value: KeyState | null): void {
    if (value === null) this.entries.delete(key);
    else {
      const { count, version, deadline, offset } = value;
      this.entries.set(key, { ...fresh(), count, emitted: count, version, deadline, offset });
    }
  }
  loadPartition(value: CounterPartition): void {
    this.position = value.offset;
    this.stamp = value.stamp;
    this.tailFrom = value.tail;
    this.said = value.offset;
  }
  restore() {
    this.stored?.each((slot) => this.load(this.stored?.keyOf(slot) ?? '', decode(this.stored?.valueOf(slot) ?? Buffer.alloc(0))));
    return { tailFrom: this.tailFrom, position: this.position };
  }
  tail(batch: Batch<Count>): void {
    for (const { offset, stamp, value } of batch.records) {
      if (value.kind === 'bomb') throw new Error('boom');
      const entry = this.entries.get(value.key);
      if (value.kind === 'touch' && entry !== undefined && offset >= entry.offset) this.touch(entry, offset, stamp);
    }
  }

  process(batch: Batch<Count>): readonly CounterEmission[] {
    const out: CounterEmission[] = [];
    for (const input of batch.records) {
      if (input.offset < this.position) continue;
      const emission = this.moveTime(input.stamp, input.offset);
      if (emission !== null) {
        out.push(emission);
        this.emissions.next(emission);
      }
      this.apply(input);
      this.position = input.offset + 1;
    }
    this.position = Math.max(this.position, batch.nextOffset);
    return out;
  }

  checkpoint(): CounterEmission | null {
    if (this.touched.size > 0 || this.position === this.said) return null;
    const late = [...this.entries].filter(([, { dirty }]) => dirty !== null && this.stamp - dirty.stamp >= this.options.flush_ms);
    return this.say(
      this.position,
      [],
      late.map(([key, entry]) => this.write(key, entry, this.position)),
    );
  }
  due(): number | null {
    const deadlines = [...this.entries.values()].map(({ deadline }) => deadline).filter((deadline) => deadline !== null);
    if (this.touched.size > 0) deadlines.push(this.cellEnd());
    return deadlines.length === 0 ? null : Math.min(...deadlines);
  }
  get sizes() {
    return { users: this.entries.size, hot: this.entries.size, devices: 0, timers: 0, stores: [] };
  }
  takeCounts(): ProcessorCounts {
    const counts = { signals: {}, duplicates: 0, ignored: 0, ordinalsMissing: 0, ordinalsRepeated: 0, holes: 0, leapsBack: 0 };
    const { cuts, fired: timersFired } = this;
    this.cuts = 0;
    this.fired = 0;
    return { ...counts, cuts, timersFired, stages: [] };
  }
  /** Everything that it knows, to compare. */
  snapshot(): unknown {
    const entries = [...this.entries].map(([key, { count, version, deadline }]) => ({ key, count, version, deadline }));
    return { position: this.position, stamp: this.stamp, entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)) };
  }

  private apply({ offset, stamp, value, traceparent }: Input<Count>): void {
    if (value.kind === 'bomb') throw new Error('boom');
    if (value.kind === 'tick') return;
    let entry = this.entries.get(value.key);
    if (value.kind === 'touch') {
      if (entry !== undefined) this.touch(entry, offset, stamp);
      return;
    }
    if (entry === undefined) this.entries.set(value.key, (entry = fresh()));
    Object.assign(entry, {
      count: entry.count + value.amount,
      deadline: stamp + this.options.quiet_ms,
      at: stamp,
      cause: 'add',
      traceparent,
    });
    this.touched.add(value.key);
  }
  private touch(entry: Entry, offset: number, stamp: number): void {
    if (entry.deadline === null) return;
    entry.deadline = stamp + this.options.quiet_ms;
    entry.dirty ??= { offset, stamp };
  }
  private cellEnd(): number {
    return (Math.floor(this.stamp / this.options.cell_ms) + 1) * this.options.cell_ms;
  }

  /** Everything that lies between the partition's time and `stamp`, as one emission that holds up to `offset`. */
  private moveTime(stamp: number, offset: number): CounterEmission | null {
    const diffs: Output<Change>[] = [];
    const written = new Map<string, KeyState>();
    for (let next = this.due(); next !== null && next <= stamp; next = this.due()) {
      if (this.touched.size > 0 && next >= this.cellEnd()) this.cut(diffs, written, offset);
      this.stamp = Math.max(this.stamp, next);
      for (const [key, entry] of this.entries) {
        if (entry.deadline === null || entry.deadline > next) continue;
        Object.assign(entry, { count: 0, at: entry.deadline, cause: 'quiet', deadline: null, traceparent: undefined });
        this.touched.add(key);
        this.fired += 1;
      }
    }
    this.stamp = Math.max(this.stamp, stamp);
    return written.size === 0 ? null : this.say(offset, diffs, [...written.values()]);
  }
  /** States are taken as of the cut: a deadline that passes after it is judged again by a restore. */
  private cut(diffs: Output<Change>[], written: Map<string, KeyState>, position: number): void {
    this.cuts += 1;
    for (const key of [...this.touched].sort()) {
      const entry = this.entries.get(key) as Entry;
      if (entry.count !== entry.emitted) {
        entry.version += 1;
        const value: Change = {
          key,
          from: entry.emitted,
          to: entry.count,
          version: entry.version,
          at: entry.at,
          cause: entry.cause,
        };
        diffs.push(entry.traceparent === undefined ? { key, value } : { key, value, traceparent: entry.traceparent });
        entry.emitted = entry.count;
      }
      written.set(key, this.write(key, entry, position));
    }
    this.touched.clear();
  }
  private write(key: string, entry: Entry, position: number): KeyState {
    entry.dirty = null;
    entry.offset = position;
    const { count, version, deadline, offset } = entry;
    return { key, count, version, deadline, offset };
  }
  private say(position: number, diffs: readonly Output<Change>[], written: readonly KeyState[]): CounterEmission {
    const states = written.map((value) => ({ key: value.key, value }));
    const tail = Math.min(position, ...[...this.entries.values()].map(({ dirty }) => dirty?.offset ?? position));
    this.said = position;
    const controls = diffs.filter(({ value }) => value.to > 10).map(({ key }) => ({ key, value: { key } }));
    return { position, stamp: this.stamp, states, diffs, partition: { offset: position, stamp: this.stamp, tail }, controls };
  }
}

const fresh = (): Entry => ({
  count: 0,
  emitted: 0,
  version: 0,
  deadline: null,
  offset: 0,
  at: 0,
  cause: 'add',
  traceparent: undefined,
  dirty: null,
});

const decode = (bytes: Buffer): KeyState => json<KeyState>().decode(bytes);

/** JSON as bytes; what is no JSON is UNDECODABLE. */
function json<T>(): ValueCodec<T> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => {
      try {
        return JSON.parse(bytes.toString('utf8')) as T;
      } catch (cause) {
        throw new PresenceError('UNDECODABLE', 'The value is not JSON.', { at: 'counter', retriable: false, cause });
      }
    },
  };
}

/** The topics of a counter; a suite on a shared Kafka has a prefix of its own. */
export const topicsOf = (prefix: string) => ({
  input: `${prefix}.input`,
  state: `${prefix}.state`,
  output: `${prefix}.changes`,
  controls: `${prefix}.notices`,
  deadLetters: `${prefix}.dlq`,
});
export const counterTopics = topicsOf('counter');

export type CounterWiring = Wiring<Count, KeyState, CounterPartition, Change, Notice>;

export function counterWiring(options: Partial<CounterOptions> & { readonly prefix?: string } = {}): CounterWiring {
  const { cell_ms = 200, quiet_ms = 1_000, flush_ms = 500, prefix = 'counter' } = options;
  const input = json<Count>();
  return {
    name: 'counter@1',
    topics: topicsOf(prefix),
    codecs: { input, state: json(), partition: json(), output: json(), controls: json(), prepare: () => undefined },
    partitionKey: (partition) => `#${partition}`,
    tick: input.encode({ kind: 'tick', key: '', amount: 0 }),
    processor: (_, stored) => new CounterProcessor({ cell_ms, quiet_ms, flush_ms }, stored),
    restorePlanCommand: 'counter plan <partition>',
  };
}

/** The topics of a counter on `partitions` partitions. */
export const counterTopicSpecs = (partitions: number, topics = counterTopics) => [
  { name: topics.input, partitions, cleanup: 'delete' as const },
  { name: topics.state, partitions, cleanup: 'compact' as const },
  { name: topics.output, partitions, cleanup: 'delete' as const },
  { name: topics.controls, partitions: 1, cleanup: 'delete' as const },
  { name: topics.deadLetters, partitions: 1, cleanup: 'delete' as const },
];
