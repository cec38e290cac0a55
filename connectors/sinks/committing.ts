/**
 * A group's positions, committed now and then rather than with every batch: what is read again after a crash changes
 * nothing in the targets, and a batch need not wait for the broker's answer.
 *
 * **Limit.** One position a partition is kept; at most one commit is under way; a failed one is made again with the next.
 */
import type { Logger } from '../../base/logger.ts';
import type { GroupConsumer } from '../../ports/log.ts';

export class Committing {
  private readonly pending = new Map<number, number>();
  private readonly timer: ReturnType<typeof setInterval>;
  private underWay: Promise<void> = Promise.resolve();
  private readonly options: {
    readonly consumer: GroupConsumer;
    readonly topic: string;
    readonly every_ms: number;
    readonly logger: Logger;
  };

  constructor(options: {
    readonly consumer: GroupConsumer;
    readonly topic: string;
    readonly every_ms: number;
    readonly logger: Logger;
  }) {
    this.options = options;
    this.timer = setInterval(() => void this.flush(), options.every_ms);
  }

  /** Everything before `offset` is written. */
  reached(partition: number, offset: number): void {
    this.pending.set(partition, offset);
  }

  /** Somebody else's now. */
  forget(partition: number): void {
    this.pending.delete(partition);
  }

  /** Commits what is pending, after the commit under way. Never rejects. */
  flush(): Promise<void> {
    this.underWay = this.underWay.then(() => this.commit());
    return this.underWay;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  private async commit(): Promise<void> {
    if (this.pending.size === 0) return;
    const { consumer, topic, logger } = this.options;
    const offsets = [...this.pending].map(([partition, offset]) => ({ topic, partition, offset }));
    this.pending.clear();
    try {
      await consumer.commit(offsets);
    } catch (error) {
      for (const { partition, offset } of offsets) {
        if (!this.pending.has(partition) && consumer.assignment.some((one) => one.partition === partition))
          this.pending.set(partition, offset);
      }
      logger.debug(
        { error: error instanceof Error ? error.message : String(error) },
        'A sink could not commit its position; it will with the next.',
      );
    }
  }
}
