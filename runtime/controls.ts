/**
 * Control records on their way out: after the commit that they came with, by a plain producer, never in its
 * transaction. At most once here: what cannot be held or written is dropped and counted, because the
 * topology says it again as long as it is needed (a gateway's next marker shows the same mismatch).
 *
 * One send is under way; what comes meanwhile waits, up to `limit` records. Gauge of both: presence_controls_held.
 */
import type { Logger } from '../base/logger.ts';
import type { LogProducer, OutRecord } from '../ports/log.ts';
import { metrics } from './metrics.ts';

export interface ControlSenderOptions {
  readonly producer: Pick<LogProducer, 'send'>;
  /** null: nobody is to be told (a replay, a shadow). */
  readonly topic: string | null;
  readonly limit: number;
  readonly logger: Logger;
}

export class ControlSender {
  private readonly options: ControlSenderOptions;
  private waiting: OutRecord[] = [];
  private underWay = 0;
  private sending: Promise<void> | null = null;

  constructor(options: ControlSenderOptions) {
    this.options = options;
  }

  send(records: readonly OutRecord[]): void {
    if (records.length === 0 || this.options.topic === null) return;
    const room = Math.max(0, this.options.limit - this.waiting.length);
    this.waiting.push(...records.slice(0, room));
    if (records.length > room) metrics.controls.inc({ outcome: 'dropped' }, records.length - room);
    this.show();
    this.sending ??= this.drain();
  }

  private show(): void {
    metrics.controlsHeld.set(this.waiting.length + this.underWay);
  }

  private async drain(): Promise<void> {
    const { producer, topic, logger } = this.options;
    if (topic === null) return;
    while (this.waiting.length > 0) {
      const records = this.waiting;
      this.waiting = [];
      this.underWay = records.length;
      try {
        await producer.send([{ topic, records }]);
        metrics.controls.inc({ outcome: 'sent' }, records.length);
      } catch (error) {
        metrics.controls.inc({ outcome: 'dropped' }, records.length);
        logger.warn({ err: error, records: records.length }, 'Control records could not be written; they will be said again.');
      }
      this.underWay = 0;
      this.show();
    }
    this.sending = null;
  }

  /** Resolves when nothing waits. */
  async close(): Promise<void> {
    await this.sending;
  }
}
