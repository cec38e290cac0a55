/**
 * When snapshots (snapshot.ts) are written and read: the owner's, now and then and at its end; anybody's, when a partition is
 * taken.
 *
 * One is written at a time, so that at most one image is frozen and the disk is left to others: whoever is due meanwhile is
 * asked again at their next commit. A snapshot is a help, never a condition: what fails is warned of and counted.
 */
import { clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge, histogram } from '../base/metrics.ts';
import type { Log } from '../ports/log.ts';
import type { StateImage } from './image-state.ts';
import { readSnapshot, Unusable, writeSnapshot } from './snapshot.ts';

export interface SnapshotsOptions {
  readonly log: Pick<Log, 'identity'>;
  /** STATE_DIR. */
  readonly folder: string;
  /** The state topic. */
  readonly topic: string;
  readonly keyOf: (partition: number) => string;
  readonly logger: Logger;
  /** After so long, if anything is new. Default 5 min. */
  readonly every_ms?: number;
  /** Or after so many records of the state topic, but not within `pause_ms` of the last one. Default 500,000. */
  readonly everyRecords?: number;
  /** Default 30 s. */
  readonly pause_ms?: number;
}

const metrics = {
  outcomes: counter(
    'presence_snapshots_total',
    'Snapshots of partitions, by what became of them: written, failed, used, ignored.',
    ['outcome'],
  ),
  seconds: histogram('presence_snapshot_seconds', 'From the beginning of a snapshot to its being on disk.'),
  bytes: gauge('presence_snapshot_bytes', "The size of a partition's last snapshot.", ['partition']),
};

interface Last {
  readonly at: number;
  readonly next: number;
}

export class Snapshots {
  private readonly options: SnapshotsOptions;
  /** By partition: the one on disk. */
  private readonly last = new Map<number, Last>();
  private writing: Promise<void> | null = null;
  private identity: Promise<string> | null = null;

  constructor(options: SnapshotsOptions) {
    this.options = options;
  }

  /** What is on disk of this partition; null if nothing that can be used. Never rejects. */
  async read(partition: number): Promise<StateImage | null> {
    const { logger, topic, keyOf } = this.options;
    try {
      const image = await readSnapshot(await this.placeOf(partition), keyOf(partition));
      if (image === null) return null;
      metrics.outcomes.inc({ outcome: 'used' });
      this.last.set(partition, { at: clock.monotonic(), next: image.next });
      return image;
    } catch (error) {
      metrics.outcomes.inc({ outcome: 'ignored' });
      const why = error instanceof Unusable ? error.message : `it cannot be read (${String(error)})`;
      logger.warn({ topic, partition, err: error }, `A snapshot is not used: ${why}. All of the state topic is read.`);
      return null;
    }
  }

  /** Nothing that the image holds is uncommitted now: if it is time, what it holds at this moment is written. Returns at once. */
  offer(partition: number, image: StateImage): void {
    if (this.writing !== null || !this.isDue(partition, image)) return;
    this.start(partition, image);
  }

  /** Written whatever the time, if anything is new; the image must not be put to other use meanwhile. Never rejects. */
  async write(partition: number, image: StateImage): Promise<void> {
    while (this.writing !== null) await this.writing;
    if (this.last.get(partition)?.next === image.next || image.next === 0) return;
    await this.start(partition, image);
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.writing !== null) await this.writing;
  }

  private isDue(partition: number, image: StateImage): boolean {
    const { every_ms = 300_000, everyRecords = 500_000, pause_ms = 30_000 } = this.options;
    const now = clock.monotonic();
    let last = this.last.get(partition);
    // Taken without a snapshot: one is due soon, but not in the midst of a start.
    if (last === undefined) this.last.set(partition, (last = { at: now - every_ms + pause_ms, next: 0 }));
    if (image.next === last.next) return false;
    const age = now - last.at;
    return age >= every_ms || (age >= pause_ms && last.next > 0 && image.next - last.next >= everyRecords);
  }

  /** The image is dumped before this returns. */
  private start(partition: number, image: StateImage): Promise<void> {
    const writing = this.writeNow(partition, image).finally(() => {
      this.writing = null;
    });
    this.writing = writing;
    return writing;
  }

  private async writeNow(partition: number, image: StateImage): Promise<void> {
    const { logger, topic } = this.options;
    const began = clock.monotonic();
    const { next } = image;
    try {
      const bytes = await writeSnapshot(this.placeOf(partition), image);
      this.last.set(partition, { at: began, next });
      const seconds = (clock.monotonic() - began) / 1_000;
      metrics.outcomes.inc({ outcome: 'written' });
      metrics.seconds.observe(seconds);
      metrics.bytes.set({ partition: String(partition) }, bytes);
      logger.debug({ topic, partition, next, bytes, seconds }, 'A snapshot has been written.');
    } catch (error) {
      // Not at once again: a full disk stays full.
      this.last.set(partition, { at: began, next: 0 });
      metrics.outcomes.inc({ outcome: 'failed' });
      logger.warn({ topic, partition, err: error }, 'A snapshot could not be written; a restart will read more.');
    }
  }

  private async placeOf(partition: number) {
    const { log, folder, topic } = this.options;
    this.identity ??= log.identity(topic);
    try {
      return { folder, topic, partition, identity: await this.identity };
    } catch (error) {
      this.identity = null;
      throw error;
    }
  }
}
