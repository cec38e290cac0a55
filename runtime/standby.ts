/**
 * Images of partitions that are not ours, kept fresh, so that we can take one over by reading its end alone.
 *
 * **Model.** The group says which partitions this instance is the standby of (`assign`). Each one's state topic is followed into
 * an image; it begins with what is here already: the image of a partition that we have just given up (`keep`), else a snapshot.
 * When we become its owner the image is handed over (`release`) and followed no more. An image kept that is no standby is dropped
 * at the next assignment.
 *
 * It follows committed records only, applies them as they come, and has no opinion on what they say: no schema is needed, nothing
 * is decoded. A standby is *warm* while what it has not read yet is less than `WARM_RECORDS`.
 *
 * **Bounds.** As many images as the group assigns (replicas x partitions / members), each as large as its owner's; one batch in
 * hand and one fetched a partition. Gauges: presence_standby_records, _bytes, _lag_records, by partition.
 */
import type { Logger } from '../base/logger.ts';
import { gauge } from '../base/metrics.ts';
import type { Follower, Log, LogBatch } from '../ports/log.ts';
import { WARM_RECORDS } from './assign.ts';
import { StateImage } from './image-state.ts';

export interface StandbysOptions {
  readonly log: Pick<Log, 'follow'>;
  /** The state topic. */
  readonly topic: string;
  readonly keyOf: (partition: number) => string;
  /** What is on disk; null if nothing. */
  readonly read: (partition: number) => Promise<StateImage | null>;
  readonly logger: Logger;
  /** This one has become warm. */
  readonly onWarm: (partition: number) => void;
}

const metrics = {
  records: gauge('presence_standby_records', 'Records in the image of a partition that this instance is a standby of.', [
    'partition',
  ]),
  bytes: gauge('presence_standby_bytes', 'Memory of that image.', ['partition']),
  lag: gauge('presence_standby_lag_records', 'Offsets of the state topic that are not in that image yet.', ['partition']),
};

interface Standby {
  image: StateImage;
  /** Offsets not read yet; null: not known. */
  lag: number | null;
}

export class Standbys {
  private readonly options: StandbysOptions;
  private readonly held = new Map<number, Standby>();
  private wanted: ReadonlySet<number> = new Set();
  private follower: Follower | null = null;
  /** What a follower brings once there is to be another one is not heard: the next one begins where the images then end. */
  private generation = 0;
  /** One change after the other. */
  private turn: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(options: StandbysOptions) {
    this.options = options;
  }

  /** By partition: offsets not read yet, of those that are held. */
  get lags(): ReadonlyMap<number, number> {
    const lags = new Map<number, number>();
    for (const [partition, { lag }] of this.held) if (lag !== null) lags.set(partition, lag);
    return lags;
  }

  isWarm(partition: number): boolean {
    const lag = this.held.get(partition)?.lag ?? null;
    return lag !== null && lag < WARM_RECORDS;
  }

  /** The image of a partition that was ours; it stays until the next assignment, or for as long as we are its standby. */
  keep(partition: number, image: StateImage): void {
    if (this.closed) return;
    this.held.set(partition, { image, lag: 0 });
    this.show(partition);
    if (this.wanted.has(partition)) this.change();
  }

  /** What is held of a partition, if anything: the caller's from now on. */
  release(partition: number): StateImage | null {
    const standby = this.held.get(partition);
    if (standby === undefined) return null;
    this.drop(partition);
    return standby.image;
  }

  /** From now on we are the standby of these, and of no others. What is our own now stays until it is released. */
  assign(partitions: readonly number[], owned: readonly number[]): void {
    this.wanted = new Set(partitions);
    for (const partition of [...this.held.keys()])
      if (!this.wanted.has(partition) && !owned.includes(partition)) this.drop(partition);
    this.change();
  }

  /** Follows no more. What is held can still be released. */
  async close(): Promise<void> {
    this.closed = true;
    this.change();
    await this.turn;
  }

  /** Holds nothing any more. */
  clear(): void {
    for (const partition of [...this.held.keys()]) this.drop(partition);
  }

  /** Those held, with their images. */
  entries(): readonly (readonly [number, StateImage])[] {
    return [...this.held].map(([partition, { image }]) => [partition, image] as const);
  }

  private change(): void {
    this.generation += 1;
    this.turn = this.turn.then(() => this.followAnew());
  }

  private async followAnew(): Promise<void> {
    const { log, topic, read, keyOf, logger } = this.options;
    this.generation += 1;
    await this.follower?.close().catch(() => {});
    this.follower = null;
    if (this.closed) return;
    for (const partition of this.wanted) {
      if (this.held.has(partition)) continue;
      const image = (await read(partition)) ?? new StateImage(keyOf(partition));
      if (this.wanted.has(partition) && !this.held.has(partition)) this.held.set(partition, { image, lag: null });
    }
    const next = new Map(
      [...this.held].filter(([partition]) => this.wanted.has(partition)).map(([p, { image }]) => [p, image.next]),
    );
    if (next.size === 0 || this.closed) return;
    const { generation } = this;
    const onBatch = async (batch: LogBatch): Promise<void> => {
      if (generation === this.generation) this.apply(batch);
    };
    try {
      const follower = await log.follow({ topics: [topic], from: { next }, onBatch });
      this.follower = follower;
      void follower.caughtUp.then(
        () => {
          if (generation === this.generation) this.caughtUp(next.keys());
        },
        () => {}, // It goes on all the same: how far it is, its batches tell.
      );
    } catch (error) {
      // Nobody tells how far behind they fall: none of them is warm.
      for (const partition of next.keys()) this.forgetLag(partition);
      logger.warn({ topic, err: error }, 'Standbys cannot be followed; they stay as they are until the next assignment.');
    }
  }

  private apply(batch: LogBatch): void {
    const standby = this.held.get(batch.partition);
    const first = batch.records[0]?.offset ?? batch.nextOffset;
    if (standby === undefined || first >= batch.nextOffset) return;
    if (first < standby.image.next) {
      // The log goes on from its start: it is not the one that we know. All of it is read, or the image would lack what came
      // before.
      this.held.set(batch.partition, { image: new StateImage(this.options.keyOf(batch.partition)), lag: null });
      this.change();
      return;
    }
    standby.image.apply(batch);
    this.setLag(batch.partition, standby, Math.max(0, batch.endOffset - batch.nextOffset));
  }

  private caughtUp(partitions: Iterable<number>): void {
    for (const partition of partitions) {
      const standby = this.held.get(partition);
      if (standby?.lag === null) this.setLag(partition, standby, 0);
    }
  }

  private setLag(partition: number, standby: Standby, lag: number): void {
    const wasWarm = this.isWarm(partition);
    standby.lag = lag;
    this.show(partition);
    if (!wasWarm && this.isWarm(partition)) this.options.onWarm(partition);
  }

  private forgetLag(partition: number): void {
    const standby = this.held.get(partition);
    if (standby !== undefined) standby.lag = null;
    metrics.lag.remove({ partition: String(partition) });
  }

  private drop(partition: number): void {
    this.held.delete(partition);
    for (const one of Object.values(metrics)) one.remove({ partition: String(partition) });
  }

  private show(partition: number): void {
    const standby = this.held.get(partition);
    if (standby === undefined) return;
    const labels = { partition: String(partition) };
    metrics.records.set(labels, standby.image.records.size);
    metrics.bytes.set(labels, standby.image.records.bytes);
    if (standby.lag !== null) metrics.lag.set(labels, standby.lag);
  }
}
