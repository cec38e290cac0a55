/**
 * The outbox: the one way from a gateway into presence.signals.
 *
 * **Model.** A signal is queued in its user's partition and leaves in that order. One batch is under way at
 * a time; everything that comes meanwhile goes in the next one, so load makes batches, not waiting. When a
 * batch is made, each signal is asked whether it is cancelled, then gets the next ordinal of its
 * partition; from then on it is sent again, with a back-off of 50 to 300 ms, for as long as it takes, and nothing of it
 * changes but for how long it was held (`held_ms`): the attempt that reaches the log says how old it is. A resend after a lost
 * answer may write them twice: readers drop the second by its ordinal. A resend has markers behind it, for the same reason.
 * `send` resolves only when the log has the signal.
 *
 * **A partition without a leader** holds up itself alone: the part of a batch that the log has acknowledged is done with, what is
 * left goes again with the next batch, and nothing else of its partition before it. (Markers must reach the others: three
 * seconds without one, and all that this gateway holds there is taken for gone.)
 *
 * Once a second a marker goes into every partition, behind everything queued before it; the first ones go
 * before the first signals, so that the gateway's lease exists. A restatement is a place in the queue too.
 *
 * **At the limit.** What is held (waiting and under way) is bounded by `heldSignalsMax` and `heldBytesMax`; `send`
 * then rejects with OUTBOX_FULL, and nothing was queued. Ends of holds (`sendAlways`) are taken nevertheless: a hold
 * that is never ended would be a ghost, and there is at most one end a hold.
 */
import { clock, sleep, type Timer, turn } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge, histogram } from '../base/metrics.ts';
import { partitionOf } from '../base/murmur2.ts';
import type { Log, LogProducer, OutRecord } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { checkSignal, signal as wholeSignal } from '../schemas/signal.ts';
import { topicNames } from '../schemas/topics.ts';
import { PartitionMarks } from './markers.ts';
import { estimateBytes, OutboxQueue, type SignalEntry } from './outbox-queue.ts';
import type { Outbox, SendOptions, SignalDraft } from './parts.ts';

export interface OutboxOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** Most signals held, waiting or under way. Default 200,000. */
  readonly heldSignalsMax?: number;
  /** Most bytes held, as estimated. Default 128 MiB. */
  readonly heldBytesMax?: number;
  /** How often a marker goes into every partition, ms. Default 1,000. A gateway silent for 3 s of lease time is dead. */
  readonly markerEvery_ms?: number;
}

/** What the gateway's own parts may do beside `send`. */
export interface GatewayOutbox extends Outbox {
  readonly partitions: number;
  /** For ends of holds and what repairs a picture: as `send`, but never refused by the bound. */
  sendAlways(draft: SignalDraft, options?: SendOptions): Promise<'sent' | 'cancelled'>;
  /**
   * Queues these hellos, all of this partition, then a marker that says from which ordinal on every device was stated
   * anew. Resolves when the log has the hellos.
   */
  restate(partition: number, hellos: readonly { readonly draft: SignalDraft; readonly options?: SendOptions }[]): Promise<void>;
}

const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 300;

const held = gauge('presence_outbox_held_signals', 'Signals that the outbox holds, waiting or under way.');
const heldBytes = gauge('presence_outbox_held_bytes', 'Bytes that the outbox holds, as estimated.');
const oldest = gauge('presence_outbox_oldest_seconds', 'How long the oldest signal has been held.');
const sent = counter('presence_outbox_signals_total', 'Signals acknowledged by the log, by kind.', ['kind']);
const cancelled = counter(
  'presence_outbox_cancelled_total',
  'Signals dropped before their first attempt: their socket had closed.',
);
const refused = counter('presence_outbox_refused_total', 'Signals refused: the outbox was full or closing.');
const failed = counter('presence_outbox_failed_attempts_total', 'Attempts to send a batch that failed and were repeated.');
const batchRecords = histogram(
  'presence_outbox_batch_records',
  'Records of a batch.',
  [],
  [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000],
);
const batchSeconds = histogram(
  'presence_outbox_batch_seconds',
  "From a partition's part of a batch made to acknowledged, with resends.",
);

/** One partition's part of a batch: sent as it is until the log has it. */
interface Part {
  /** Of each entry, in order; then perhaps a marker. */
  readonly records: readonly OutRecord[];
  readonly entries: readonly SignalEntry[];
  /** The ordinal of the first entry. */
  readonly ordinal: number;
  readonly bytes: number;
  /** Monotonic ms. */
  readonly madeAt: number;
}

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start. */
export async function createOutbox(options: OutboxOptions): Promise<GatewayOutbox> {
  const partitions = await options.log.partitions(topicNames.signals);
  return new LogOutbox(options, partitions, await options.log.producer());
}

class LogOutbox implements GatewayOutbox {
  readonly gatewayId = `gw-${clock.randomHex(6)}`;
  readonly partitions: number;
  readonly #codecs: Codecs;
  readonly #logger: Logger;
  readonly #producer: LogProducer;
  readonly #limits: { readonly signals: number; readonly bytes: number };
  readonly #marks: readonly PartitionMarks[];
  readonly #queue: OutboxQueue;
  readonly #markerTimer: Timer;
  /** By partition. */
  readonly #underWay = new Map<number, Part>();
  /** Of all that is under way. */
  readonly #sending = { signals: 0, bytes: 0 };
  #pumping: Promise<void> | null = null;
  #connected = true;
  #closing = false;
  #abandoned = false;

  constructor(options: OutboxOptions, partitions: number, producer: LogProducer) {
    this.partitions = partitions;
    this.#codecs = options.codecs;
    this.#logger = options.logger;
    this.#producer = producer;
    this.#limits = { signals: options.heldSignalsMax ?? 200_000, bytes: options.heldBytesMax ?? 128 << 20 };
    this.#marks = Array.from({ length: partitions }, () => new PartitionMarks());
    this.#queue = new OutboxQueue(partitions);
    this.#markEveryPartition();
    this.#markerTimer = clock.setInterval(() => this.#markEveryPartition(), options.markerEvery_ms ?? 1_000);
  }

  get full(): boolean {
    if (this.#closing) return true;
    return this.#signals >= this.#limits.signals || this.#bytes >= this.#limits.bytes;
  }

  /** Waiting and under way. */
  get #signals(): number {
    return this.#queue.signals + this.#sending.signals;
  }

  get #bytes(): number {
    return this.#queue.bytes + this.#sending.bytes;
  }

  get connected(): boolean {
    return this.#connected;
  }

  partitionOf(userKey: string): number {
    return partitionOf(userKey, this.partitions);
  }

  async send(draft: SignalDraft, options: SendOptions = {}): Promise<'sent' | 'cancelled'> {
    if (this.full) {
      refused.inc();
      throw outboxFull(this.#closing ? 'The gateway is closing.' : undefined);
    }
    return this.#enqueue(draft, options);
  }

  async sendAlways(draft: SignalDraft, options: SendOptions = {}): Promise<'sent' | 'cancelled'> {
    if (this.#abandoned) throw outboxFull('The gateway is closed.');
    return this.#enqueue(draft, options);
  }

  async restate(
    partition: number,
    hellos: readonly { readonly draft: SignalDraft; readonly options?: SendOptions }[],
  ): Promise<void> {
    if (this.#closing) return;
    this.#queue.pushRestatement(partition);
    const sending = hellos.map(({ draft, options }) => this.#enqueue(draft, options ?? {}));
    this.#queue.pushMarker(partition);
    this.#pump();
    // What fails (only at the end) is of no interest: the next mismatch would say it again.
    await Promise.allSettled(sending);
  }

  async close(within_ms: number): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      clock.clearInterval(this.#markerTimer);
      let late: Timer | undefined;
      const patience = new Promise<void>((resolve) => {
        late = clock.setTimeout(resolve, Math.max(1, within_ms));
      });
      await Promise.race([this.#whenIdle(), patience]);
      clock.clearTimeout(late);
    }
    this.#abandoned = true;
    const abandoned = [...this.#underWay.values()].flatMap(({ entries }) => entries);
    this.#queue.drain((entry) => entry.type === 'signal' && abandoned.push(entry));
    if (abandoned.length > 0)
      this.#logger.error({ signals: abandoned.length }, 'The outbox was closed before the log took everything.');
    for (const entry of abandoned) entry.fail(outboxFull('The gateway closed before the log took it.'));
    await this.#producer.close().catch(() => {});
  }

  #enqueue(draft: SignalDraft, options: SendOptions): Promise<'sent' | 'cancelled'> {
    const signal = { ...wholeSignal(draft), gateway_id: this.gatewayId };
    if (signal.received_at === 0) signal.received_at = clock.now();
    const fault = checkSignal(signal);
    if (fault !== null) return Promise.reject(new PresenceError('BAD_INPUT', fault, { at: 'outbox', retriable: false }));
    return new Promise((settle, fail) => {
      const { traceparent, cancelled } = options;
      const bytes = estimateBytes(signal, traceparent);
      const entry = { type: 'signal', signal, traceparent, cancelled, bytes, queuedAt: clock.monotonic(), settle, fail } as const;
      this.#queue.push(this.partitionOf(signal.user_id), entry);
      this.#pump();
    });
  }

  #markEveryPartition(): void {
    for (let partition = 0; partition < this.partitions; partition++) this.#queue.pushMarker(partition);
    const now = clock.monotonic();
    const underWay = [...this.#underWay.values()].map(({ entries }) => entries[0]?.queuedAt ?? now);
    oldest.set((now - Math.min(now, this.#queue.oldest() ?? now, ...underWay)) / 1_000);
    this.#measureHeld();
    this.#pump();
  }

  #measureHeld(): void {
    held.set(this.#signals);
    heldBytes.set(this.#bytes);
  }

  /** Begins at the end of this turn, so that all that a turn says is one batch. */
  #pump(): void {
    if (this.#pumping !== null) return;
    this.#pumping = turn()
      .then(() => this.#sendAll())
      .finally(() => {
        this.#pumping = null;
        if (!this.#abandoned && !this.#idle) this.#pump();
      });
  }

  async #whenIdle(): Promise<void> {
    while (this.#pumping !== null) await this.#pumping;
  }

  async #sendAll(): Promise<void> {
    for (let failures = 0; !this.#abandoned && !this.#idle; ) {
      const resent = [...this.#underWay.values()].flatMap((part) => this.#again(part));
      const records = [...resent, ...this.#takeParts()];
      if (this.#underWay.size === 0) continue;
      if (await this.#offer(resent.length > 0 ? [...records, ...this.#signsOfLife()] : records)) failures = 0;
      else {
        failures += 1;
        await sleep(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (failures - 1)) * (0.75 + clock.random() / 4));
      }
    }
  }

  get #idle(): boolean {
    return this.#underWay.size === 0 && this.#queue.empty;
  }

  /** Of each partition that has nothing under way, what is next: it is under way from now on. */
  #takeParts(): readonly OutRecord[] {
    const records: OutRecord[] = [];
    for (let partition = 0; partition < this.partitions; partition++) {
      if (this.#underWay.has(partition)) continue;
      const part = this.#takePart(partition);
      if (part.records.length === 0) continue;
      this.#underWay.set(partition, part);
      this.#sending.signals += part.entries.length;
      this.#sending.bytes += part.bytes;
      records.push(...part.records);
    }
    if (records.length > 0) batchRecords.observe(records.length);
    return records;
  }

  #takePart(partition: number): Part {
    const marks = this.#marks[partition] as PartitionMarks;
    const ordinal = marks.ordinal + 1;
    const records: OutRecord[] = [];
    const entries: SignalEntry[] = [];
    let bytes = 0;
    this.#queue.take(partition, (entry) => {
      if (entry.type !== 'signal') {
        if (entry.type === 'restatement') marks.restateFromHere();
        else records.push(this.#markerRecord(partition, marks.marker()));
        return;
      }
      if (entry.cancelled?.()) {
        cancelled.inc();
        return entry.settle('cancelled');
      }
      const record = this.#signalRecord(partition, marks, entry);
      if (record === null) return;
      records.push(record);
      entries.push(entry);
      bytes += entry.bytes;
    });
    return { records, entries, ordinal, bytes, madeAt: clock.monotonic() };
  }

  #markerRecord(partition: number, draft: SignalDraft): OutRecord {
    const marker = { ...wholeSignal(draft), gateway_id: this.gatewayId, received_at: clock.now() };
    return { key: null, partition, value: this.#codecs.signal.encode(marker) };
  }

  /**
   * What goes with a batch that is sent again: if only its answer was lost, its signals are repeats, which say nothing, and
   * no marker comes while it is under way. A gateway whose answers are lost for 3 s would be taken for dead.
   */
  #signsOfLife(): OutRecord[] {
    return this.#marks.map((marks, partition) => this.#markerRecord(partition, marks.signOfLife()));
  }

  /** null: it cannot be encoded; its sender was told, and no ordinal was spent. */
  #signalRecord(partition: number, marks: PartitionMarks, entry: SignalEntry): OutRecord | null {
    let value: Buffer;
    try {
      value = this.#encode(entry, marks.ordinal + 1);
    } catch (error) {
      entry.fail(error);
      return null;
    }
    marks.given(entry.signal);
    const record = { key: entry.signal.user_id, value, partition };
    return entry.traceparent === undefined ? record : { ...record, headers: { traceparent: entry.traceparent } };
  }

  #encode(entry: SignalEntry, ordinal: number): Buffer {
    const held_ms = Math.round(clock.monotonic() - entry.queuedAt);
    return this.#codecs.signal.encode({ ...entry.signal, ordinal, held_ms });
  }

  /** What was made before, for another attempt. */
  #again({ records, entries, ordinal }: Part): readonly OutRecord[] {
    return records.map((record, i) => {
      const entry = entries[i];
      return entry === undefined ? record : { ...record, value: this.#encode(entry, ordinal + i) };
    });
  }

  /** Whether the log has all of it now. */
  async #offer(records: readonly OutRecord[]): Promise<boolean> {
    let problem: unknown = 'Some of its partitions do not answer.';
    const appended = await this.#producer.offer([{ topic: topicNames.signals, records }]).catch((error: unknown) => {
      problem = error;
      return [];
    });
    if (this.#abandoned) return false;
    for (const { partition } of appended) this.#taken(partition);
    const all = this.#underWay.size === 0;
    if (!all) {
      failed.inc();
      if (this.#connected) {
        const fields = { err: problem, held: this.#queue.signals, partitions: [...this.#underWay.keys()] };
        this.#logger.warn(fields, 'The log does not take signals; they are held and sent again.');
      }
    } else if (!this.#connected) this.#logger.info({ records: records.length }, 'The log takes signals again.');
    this.#connected = all;
    this.#measureHeld();
    return all;
  }

  /** The log has what is under way of this partition. */
  #taken(partition: number): void {
    const part = this.#underWay.get(partition);
    if (part === undefined) return;
    this.#underWay.delete(partition);
    this.#sending.signals -= part.entries.length;
    this.#sending.bytes -= part.bytes;
    batchSeconds.observe((clock.monotonic() - part.madeAt) / 1_000);
    for (const entry of part.entries) entry.settle('sent');
    for (const [kind, count] of countKinds(part.entries)) sent.inc({ kind }, count);
  }
}

function countKinds(entries: readonly SignalEntry[]): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const { signal } of entries) kinds.set(signal.kind, (kinds.get(signal.kind) ?? 0) + 1);
  return kinds;
}

/** What `send` rejects with; for parts that must know before they change anything. */
export function outboxFull(message = 'The outbox holds as much as it may: the log has not taken it yet.'): PresenceError {
  return new PresenceError('OUTBOX_FULL', message, { at: 'outbox', retriable: true, help: 'Try again in a second.' });
}
