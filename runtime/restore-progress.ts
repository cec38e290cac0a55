/**
 * How far a restore is: counted, shown in a gauge, logged at most each two seconds, and said in words for readyz.
 * What remains is told by offsets, so compaction and markers make it an upper bound, and the time that is left too.
 */
import { clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { gauge } from '../base/metrics.ts';
import type { LogBatch } from '../ports/log.ts';

const remaining = gauge(
  'presence_restore_records_remaining',
  'Offsets of the state topic, then of the input, that a restore has still to read; 0 when there is none.',
  ['partition'],
);

const LOG_EVERY_MS = 2_000;

export class RestoreProgress {
  /** Read so far. */
  records = 0;
  private readonly partition: number;
  private readonly logger: Logger;
  private readonly onProgress: (text: string) => void;
  private topic = '';
  private from = 0;
  private to = 0;
  private began = 0;
  private loggedAt = clock.monotonic();

  constructor(options: {
    readonly partition: number;
    readonly logger: Logger;
    readonly onProgress?: (text: string) => void;
  }) {
    this.partition = options.partition;
    this.logger = options.logger;
    this.onProgress = options.onProgress ?? (() => {});
  }

  /** A stretch of a topic: offsets [from, to). */
  begin(topic: string, from: number, to: number): void {
    [this.topic, this.from, this.to, this.began] = [topic, from, to, clock.monotonic()];
    this.show(from);
  }

  read(batch: LogBatch): void {
    this.records += batch.records.length;
    this.show(batch.nextOffset);
  }

  end(): void {
    remaining.set({ partition: String(this.partition) }, 0);
  }

  private show(next: number): void {
    const left = Math.max(0, this.to - next);
    remaining.set({ partition: String(this.partition) }, left);
    const now = clock.monotonic();
    const seconds = (now - this.began) / 1_000;
    const done = next - this.from;
    const rate = seconds > 0 ? Math.round(done / seconds) : 0;
    const share = this.to > this.from ? done / (this.to - this.from) : 1;
    const left_s = rate > 0 ? Math.ceil(left / rate) : null;
    const percent = Math.floor(share * 100);
    this.onProgress(`${percent}% of ${this.topic} read, ${left} offsets left${left_s === null ? '' : `, about ${left_s} s`}`);
    if (now - this.loggedAt < LOG_EVERY_MS) return;
    this.loggedAt = now;
    const { partition, topic, records } = this;
    this.logger.info(
      { partition, topic, records, percent, remaining: left, records_per_s: rate, remaining_s: left_s },
      'A restore is under way.',
    );
  }
}
