/**
 * What the log says, read as anyone may read it (committed records only), and judged twice, as it grows:
 *
 * - by the rules alone: each user's versions and public versions rise by one, each diff begins where the one before ended,
 *   the state record says what the last diff said, nothing was put aside, and no gateway's ordinal was missed;
 * - by the input alone: a processor that nothing disturbs is fed the same input up to the position that the partition record
 *   states. It must have said the same diffs, keys and values byte for byte, in the same order, and left the same state records,
 *   where they are of the same position.
 *
 * Exactly once, the diffs read are those expected. At least once, some may come again, from any earlier one on: the same bytes.
 */
import type { Log, LogRecord } from '../../ports/log.ts';
import { type PresenceWiring, presenceWiring } from '../../replay/wiring.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { decodeInputs } from '../../runtime/decoding.ts';
import { encodeEmission } from '../../runtime/encoding.ts';
import type { Codecs } from '../../schemas/codec.ts';
import type { Diff, PartitionState } from '../../schemas/generated.ts';
import { partitionKey, topicNames } from '../../schemas/topics.ts';

export interface EvidenceOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly guarantee: ProcessingGuarantee;
}

/** What one look found. */
export interface Found {
  readonly faults: readonly string[];
  /** Diffs that were new. */
  readonly diffs: number;
  /** At least once: diffs that had been there before. */
  readonly repeats: number;
}

/** Key, value and trace of a record: what a replay must say again. */
export function bytesOf({ key, value, headers }: { key: unknown; value: Buffer | null; headers?: object }): string {
  const { traceparent = '' } = (headers ?? {}) as { readonly traceparent?: unknown };
  return `${String(key)}\n${value?.toString('base64')}\n${String(traceparent)}`;
}

interface View {
  readonly state: string;
  readonly version: number;
}

/** One partition, from the leg's beginning on. */
class PartitionEvidence {
  readonly #options: EvidenceOptions;
  readonly #wiring: PresenceWiring;
  readonly #processor: ReturnType<PresenceWiring['processor']>;
  readonly partition: number;
  /** The next offset to read, by topic. */
  readonly #next = new Map<string, number>();
  /** What the undisturbed processor said, and at which position; `#seen` of them have been found. */
  readonly #expected: { readonly bytes: string; readonly position: number }[] = [];
  /** Where in `#expected`. */
  readonly #places = new Map<string, number>();
  #seen = 0;
  readonly #expectedStates = new Map<string, { readonly value: Buffer | null; readonly position: number }>();
  readonly #states = new Map<string, Buffer | null>();
  readonly #views = new Map<string, View>();
  record: PartitionState | null = null;
  /** The broker's stamps of the partition records: when something was committed. */
  readonly commits: number[] = [];
  #faults: string[] = [];

  constructor(partition: number, wiring: PresenceWiring, options: EvidenceOptions) {
    this.partition = partition;
    this.#wiring = wiring;
    this.#options = options;
    this.#processor = wiring.processor(partition);
    this.#processor.restore();
    this.#processor.emissions.subscribe((emission) => {
      const { states, output } = encodeEmission(wiring, partition, emission);
      for (const one of output) {
        const bytes = bytesOf(one as { key: unknown; value: Buffer | null });
        this.#places.set(bytes, this.#expected.length);
        this.#expected.push({ bytes, position: emission.position });
      }
      for (const { key, value } of states) this.#expectedStates.set(String(key), { value, position: emission.position });
    });
  }

  /** Reads what is new. `exact`: nothing runs any more, so nothing may be beyond the position. */
  async look(exact: boolean): Promise<Found> {
    this.#faults = [];
    await this.#read(topicNames.state, (record) => this.#state(record));
    await this.#expect();
    const before = this.#seen;
    const position = this.record?.offset ?? 0;
    /** Users of whom there is a diff that their state record, as read, may not know yet. */
    const ahead = new Set<string>();
    let repeats = 0;
    await this.#read(topicNames.diffs, (record) => {
      const place = this.#places.get(bytesOf(record));
      if (place === this.#seen) {
        if ((this.#expected[place]?.position ?? 0) >= position) ahead.add(String(record.key));
        this.#seen += 1;
        this.#chain(record);
        return true;
      }
      if (place !== undefined && place < this.#seen && this.#options.guarantee === 'at_least_once') {
        repeats += 1;
        return true;
      }
      // Committed after the position was read: it is looked at again, when the undisturbed one has come so far.
      if (place === undefined && !exact) return false;
      this.#fault(
        `diff ${this.#show(record)} ${place === undefined ? 'is not expected' : `is number ${place}, not ${this.#seen}`}`,
      );
      return true;
    });
    const missing = this.#expected.slice(this.#seen).filter((diff) => diff.position < position);
    if (missing.length > 0) this.#fault(`${missing.length} diffs are missing, the first of ${missing[0]?.bytes.split('\n')[0]}`);
    this.#compareStates(ahead);
    return { faults: this.#faults, diffs: this.#seen - before, repeats };
  }

  #fault(what: string): void {
    if (this.#faults.length < 20) this.#faults.push(`partition ${this.partition}: ${what}`);
  }

  #show({ key, offset, value }: LogRecord): string {
    const { version, from, to, at, cause } = this.#options.codecs.diff.decode(value as Buffer);
    return `${String(key)} version ${version} ${from}>${to} ${cause} at ${new Date(at).toISOString()} (${offset})`;
  }

  /** From where the last look ended; `take` says false where a record, and what is behind it, is to be read again. */
  async #read(topic: string, take: (record: LogRecord) => boolean): Promise<void> {
    const { log, codecs } = this.#options;
    let next = this.#next.get(topic) ?? 0;
    let going = true;
    await log.read({
      topic,
      partition: this.partition,
      from: next,
      onBatch: async ({ records, nextOffset }) => {
        if (!going) return;
        await codecs.prepare(records.map(({ value }) => value));
        for (const record of records) {
          going = take(record);
          if (!going) return;
          next = record.offset + 1;
        }
        next = Math.max(next, nextOffset);
      },
    });
    this.#next.set(topic, next);
  }

  /** A transaction's states count once its partition record, the last of it, has come. */
  readonly #waiting = new Map<string, Buffer | null>();
  #state({ key, value, timestamp }: LogRecord): boolean {
    const name = String(key);
    if (name !== partitionKey(this.partition)) {
      this.#waiting.set(name, value);
      return true;
    }
    if (value === null) return true;
    const record = this.#options.codecs.partitionState.decode(value);
    if (record.offset < (this.record?.offset ?? 0) && this.#options.guarantee === 'exactly_once')
      this.#fault(`the position went back from ${this.record?.offset} to ${record.offset}`);
    this.record = record;
    this.commits.push(timestamp);
    for (const [user, state] of this.#waiting) this.#states.set(user, state);
    this.#waiting.clear();
    return true;
  }

  /**
   * Feeds the undisturbed processor up to the position, and one record beyond: what is said at a position is said when the
   * record there moves time on. Whether the live one has said that already is seen when the diffs are read.
   */
  async #expect(): Promise<void> {
    const position = this.record?.offset ?? 0;
    const from = this.#processor.position;
    await this.#options.log.read({
      topic: topicNames.signals,
      partition: this.partition,
      from,
      onBatch: async ({ records, nextOffset }) => {
        if (this.#processor.position > position) return;
        const { inputs, dead } = await decodeInputs(this.#wiring.codecs, records, { from, poisoned: new Map() });
        if (dead.length > 0) this.#fault(`${dead.length} signals cannot be read`);
        const over = inputs.findIndex(({ offset }) => offset >= position);
        const fed = over < 0 ? inputs : inputs.slice(0, over + 1);
        const next = over < 0 ? nextOffset : (inputs[over]?.offset ?? 0) + 1;
        this.#processor.process({ partition: this.partition, records: fed, nextOffset: next });
      },
    });
  }

  #chain(record: LogRecord): void {
    const diff = this.#options.codecs.diff.decode(record.value as Buffer);
    if (diff.audience !== 'others') this.#step(`${diff.user_id} self`, diff, diff.version, record);
    if (diff.audience !== 'self') this.#step(`${diff.user_id} others`, diff, diff.public_version, record);
  }

  #step(view: string, diff: Diff, version: number, record: LogRecord): void {
    const before = this.#views.get(view) ?? { state: 'offline', version: 0 };
    if (version !== before.version + 1) this.#fault(`${view}: version ${version} after ${before.version}: ${this.#show(record)}`);
    if (diff.from !== before.state) this.#fault(`${view}: from ${diff.from}, but was ${before.state}: ${this.#show(record)}`);
    this.#views.set(view, { state: diff.to, version });
  }

  #compareStates(ahead: ReadonlySet<string>): void {
    for (const [user, { value: expected, position }] of this.#expectedStates) {
      if (ahead.has(user) || position >= (this.record?.offset ?? 0)) continue;
      const found = this.#states.get(user);
      if (found === undefined || found === null || expected === null) {
        this.#fault(`${user} has no state record`);
        continue;
      }
      const state = this.#options.codecs.userState.decode(found);
      // A beat is written with a checkpoint, or later with what happens next: when, is no part of what is promised.
      if (state.offset === this.#options.codecs.userState.decode(expected).offset && !found.equals(expected))
        this.#fault(`the state record of ${user} is not what the input says`);
      const own = this.#views.get(`${user} self`) ?? { state: 'offline', version: 0 };
      const others = this.#views.get(`${user} others`) ?? { state: 'offline', version: 0 };
      if (state.version !== own.version || state.state !== own.state)
        this.#fault(`${user}: state ${state.state} ${state.version}, the last diff says ${own.state} ${own.version}`);
      if (state.public.version !== others.version || state.public.state !== others.state)
        this.#fault(`${user}: public ${state.public.state} ${state.public.version}, not ${others.state} ${others.version}`);
    }
  }
}

export class LegEvidence {
  readonly #options: EvidenceOptions;
  readonly partitions: readonly PartitionEvidence[];

  private constructor(options: EvidenceOptions, partitions: readonly PartitionEvidence[]) {
    this.#options = options;
    this.partitions = partitions;
  }

  static async open(options: EvidenceOptions): Promise<LegEvidence> {
    const wiring = presenceWiring(options.codecs);
    const count = await options.log.partitions(topicNames.signals);
    const partitions = Array.from({ length: count }, (_, partition) => new PartitionEvidence(partition, wiring, options));
    return new LegEvidence(options, partitions);
  }

  /** Judges what has come since the last look. `ordinals`: the last one that each gateway gave, by partition. */
  async look(ordinals: ReadonlyMap<string, readonly number[]>, exact = false): Promise<Found> {
    const faults: string[] = [];
    let diffs = 0;
    let repeats = 0;
    for (const partition of this.partitions) {
      const found = await partition.look(exact);
      faults.push(...found.faults);
      diffs += found.diffs;
      repeats += found.repeats;
      const { record } = partition;
      if (record !== null && record.missing > 0)
        faults.push(`partition ${partition.partition}: ${record.missing} ordinals missing`);
      for (const [gateway, given] of ordinals) {
        const last = given[partition.partition] as number;
        const heard = record?.gateways.find(({ gateway_id }) => gateway_id === gateway)?.ordinal ?? 0;
        if (heard !== last) faults.push(`partition ${partition.partition}: ${gateway} gave ordinal ${last}, ${heard} was heard`);
      }
    }
    for (const { end } of await this.#options.log.offsets(topicNames.deadLetters))
      if (end > 0) faults.push(`${end} dead letters`);
    return { faults, diffs, repeats };
  }
}
