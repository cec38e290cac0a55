/**
 * Hands one partition to one reader, a batch at a time: the next is cut when the last one's promise
 * resolves, so a slow reader is never flooded and nothing is queued. A batch that rejects is handed over
 * again after a pause.
 */
import { sleep, turn } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { LogBatch } from '../../ports/log.ts';
import type { Partition } from './partition.ts';

const REDELIVERY_PAUSE_MS = 200;

export class PartitionReader {
  readonly partition: Partition;
  #position: number;
  #sought: number | null = null;
  #stopped = false;
  #done: Promise<void> = Promise.resolve();

  constructor(partition: Partition, position: number) {
    this.partition = partition;
    this.#position = position;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  seek(offset: number): void {
    this.#position = offset;
    this.#sought = offset;
    this.partition.wake();
  }

  /** `onPosition` is told how far everything was handed over. */
  start(onBatch: (batch: LogBatch) => Promise<void>, logger: Logger, onPosition: (position: number) => void = () => {}): void {
    this.#done = this.#run(onBatch, logger, onPosition);
  }

  /** Hands over no further batch; resolves when the one under way is done. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.partition.wake();
    return this.#done;
  }

  async #run(onBatch: (batch: LogBatch) => Promise<void>, logger: Logger, onPosition: (position: number) => void): Promise<void> {
    while (!this.#stopped) {
      onPosition(this.#position);
      const batch = this.partition.slice(this.#position);
      if (batch === null) {
        await this.partition.changed();
        continue;
      }
      this.#sought = null;
      if (batch.records.length > 0) {
        try {
          await onBatch(batch);
        } catch (error) {
          if (this.#stopped) return;
          const { topic, partition } = batch;
          logger.warn(
            { error, topic, partition, offset: batch.records[0]?.offset },
            'A batch was refused; it is handed over again.',
          );
          await sleep(REDELIVERY_PAUSE_MS);
          continue;
        }
        // A full log must not starve sockets and timers.
        await turn();
      }
      this.#position = this.#sought ?? batch.nextOffset;
    }
  }
}
