/**
 * Writes the ticks of the partitions that run here, so that time passes in a log that nobody else writes to.
 *
 * A tick is due when the broker's clock (broker-clock.ts) has surely reached the partition's next deadline
 * (a timer, or the end of a cut that touched somebody), or when nothing has moved the partition's time for
 * `idleTick_ms`, by the broker's clock or by ours: a broker whose clock was set forwards is found out by the second, or, where
 * others write, by the stamps of what they wrote.
 * It must not land before the deadline: that would cost another round; so it is sent at the latest local time at
 * which the broker's clock can reach it, which is a round trip's half late at worst.
 *
 * **One tick in flight per partition**: none is written until the last one has been read back, whatever lies
 * before it in the log. So a partition that is behind has one tick in its backlog, not a thousand. A tick
 * that has not come back after 5 s is given up (the log may have lost it); repeats are harmless.
 *
 * One send at a time, with everything that is due by then: partitions whose deadlines lie close together
 * share it. A partition that does not take its tick (it has no leader now) is tried again after a pause, which holds up no
 * other. The producer is the ticker's own, outside any transaction.
 *
 * Modes of a partition in here: *unknown* (no acknowledgement yet: a tick at once, which measures the clock),
 * *waiting* (the timer is armed for its deadline), *in flight* (sent, or read back not yet), *paused* (its runner is
 * not running, or has a batch in hand that may move time).
 */
import { clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Appended, LogProducer, OutRecord } from '../ports/log.ts';
import { BrokerClock } from './broker-clock.ts';
import { metrics } from './metrics.ts';

/** A partition as the ticker sees it. */
export interface TickTarget {
  readonly partition: number;
  /** Whether it processes input now and has none in hand. */
  readonly ticking: boolean;
  /** The stamp of its next deadline; null if nothing waits. */
  due(): number | null;
  /** The partition's time. */
  readonly stamp: number;
  /** The next input offset. */
  readonly position: number;
}

export interface TickerOptions {
  readonly producer: Pick<LogProducer, 'offer'>;
  readonly topic: string;
  /** The tick, encoded. */
  readonly tick: Buffer;
  readonly idleTick_ms: number;
  readonly backoff: { readonly first_ms: number; readonly max_ms: number };
  readonly logger: Logger;
  /** Monotonic milliseconds. Default performance.now. */
  readonly now?: () => number;
}

interface Entry {
  readonly target: TickTarget;
  readonly clock: BrokerClock;
  /** The offset of the tick in flight, and when it is given up. */
  inFlight: { readonly offset: number; readonly until: number } | null;
  /** After a tick that was not taken: not before then, by our clock. */
  notBefore: number;
  /** The partition's time as last seen, and since when (ours). */
  seen: { readonly stamp: number; readonly at: number };
}

type Reason = 'due' | 'idle';
interface Wake {
  readonly at: number;
  readonly reason: Reason;
}

const GIVE_UP_MS = 5_000;
/** setTimeout's own limit is 2^31 - 1; nothing here needs a longer nap. */
const LONGEST_NAP_MS = 60_000;

/** What a partition's runner asks of a ticker. */
export type PartitionTicker = Pick<Ticker, 'add' | 'remove' | 'changed' | 'brokerTime' | 'close'>;

/** For replays: time passes as the log says, and nothing is written into it. */
export const noTicker: PartitionTicker = {
  add: () => {},
  remove: () => {},
  changed: () => {},
  brokerTime: () => null,
  close: async () => {},
};

export class Ticker {
  private readonly options: TickerOptions;
  private readonly now: () => number;
  private readonly entries = new Map<number, Entry>();
  private timer: Timer | null = null;
  private armedFor = Number.POSITIVE_INFINITY;
  private sending: Promise<void> | null = null;
  private closed = false;

  constructor(options: TickerOptions) {
    this.options = options;
    this.now = options.now ?? (() => clock.monotonic());
  }

  add(target: TickTarget): void {
    const known = this.entries.get(target.partition);
    const seen = { stamp: target.stamp, at: this.now() };
    this.entries.set(target.partition, { target, clock: known?.clock ?? new BrokerClock(), inFlight: null, notBefore: 0, seen });
    this.changed(target.partition);
  }

  remove(partition: number): void {
    this.entries.delete(partition);
  }

  /** Call it when a target's deadline, time, position or `ticking` may have changed. */
  changed(partition: number): void {
    const entry = this.entries.get(partition);
    if (entry !== undefined) this.arm(this.wake(entry).at);
  }

  /** The broker's time as known from this partition's ticks; null before the first one. */
  brokerTime(partition: number): number | null {
    return this.entries.get(partition)?.clock.at(this.now()) ?? null;
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clock.clearTimeout(this.timer);
    await this.sending;
  }

  private wake(entry: Entry): Wake {
    const { at, reason } = this.wanted(entry);
    return { at: Math.max(at, entry.notBefore), reason };
  }

  /** When a tick for it is to be sent; Infinity for not before something changes. */
  private wanted(entry: Entry): Wake {
    const { target, clock, inFlight } = entry;
    const now = this.now();
    if (!target.ticking) return { at: Number.POSITIVE_INFINITY, reason: 'idle' };
    if (inFlight !== null && target.position <= inFlight.offset && now < inFlight.until)
      return { at: inFlight.until, reason: 'idle' };
    if (entry.seen.stamp !== target.stamp) {
      if (target.stamp > entry.seen.stamp) clock.read(target.stamp, now);
      entry.seen = { stamp: target.stamp, at: now };
    }
    const { idleTick_ms } = this.options;
    const idle = Math.min(clock.surelyReached(target.stamp + idleTick_ms, now), entry.seen.at + idleTick_ms);
    const due = target.due();
    if (due === null) return { at: idle, reason: 'idle' };
    const reached = clock.surelyReached(due, now);
    return reached <= idle ? { at: reached, reason: 'due' } : { at: idle, reason: 'idle' };
  }

  private arm(at: number): void {
    if (this.closed || this.sending !== null || at >= this.armedFor) return;
    if (this.timer !== null) clock.clearTimeout(this.timer);
    this.armedFor = at;
    // Rounded up: a timer that fires early would only be armed again.
    const nap = Math.min(Math.max(0, Math.ceil(at - this.now())), LONGEST_NAP_MS);
    this.timer = clock.setTimeout(() => this.fire(), nap);
  }

  private fire(): void {
    this.timer = null;
    this.armedFor = Number.POSITIVE_INFINITY;
    if (this.closed || this.sending !== null) return;
    const now = this.now();
    const ready: { readonly entry: Entry; readonly wake: Wake }[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.entries.values()) {
      const wake = this.wake(entry);
      if (wake.at <= now) ready.push({ entry, wake });
      else next = Math.min(next, wake.at);
    }
    if (ready.length === 0) {
      this.arm(next);
      return;
    }
    this.sending = this.send(ready).finally(() => {
      this.sending = null;
      for (const partition of this.entries.keys()) this.changed(partition);
    });
  }

  private async send(ready: readonly { readonly entry: Entry; readonly wake: Wake }[]): Promise<void> {
    const { producer, topic, tick, backoff, logger } = this.options;
    const records: OutRecord[] = ready.map(({ entry }) => ({ key: null, value: tick, partition: entry.target.partition }));
    const deadlines = ready.map(({ entry, wake }) => (wake.reason === 'due' ? entry.target.due() : null));
    const sent = this.now();
    let appended: readonly Appended[];
    try {
      appended = await producer.offer([{ topic, records }]);
    } catch (error) {
      logger.warn({ err: error, partitions: records.length }, 'Ticks could not be written; they are tried again.');
      appended = [];
    }
    const acked = this.now();
    if (appended.length < records.length) metrics.ticksFailed.inc();
    const byPartition = new Map(appended.map((one) => [one.partition, one]));
    ready.forEach(({ entry, wake }, index) => {
      const answer = byPartition.get(entry.target.partition);
      if (answer === undefined) {
        entry.notBefore = acked + (backoff.max_ms / 4) * (0.5 + clock.random() / 2);
        return;
      }
      metrics.ticks.inc({ partition: String(entry.target.partition), reason: wake.reason });
      entry.clock.acknowledged(sent, acked, answer.timestamp);
      entry.inFlight = { offset: answer.baseOffset, until: acked + GIVE_UP_MS };
      this.measure(entry, deadlines[index] ?? null, answer.timestamp);
    });
  }

  private measure(entry: Entry, deadline: number | null, stamp: number): void {
    const partition = String(entry.target.partition);
    if (deadline !== null && stamp >= deadline) metrics.tickLateness.observe((stamp - deadline) / 1_000);
    metrics.clockUncertainty.set({ partition }, entry.clock.uncertainty(this.now()) / 1_000);
  }
}
