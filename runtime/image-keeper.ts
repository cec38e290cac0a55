/**
 * Where a partition's image comes from when the partition is taken, and where it goes: standbys in memory (standby.ts), snapshots
 * on disk (snapshots.ts), each where it is asked for.
 */

import { StateImage } from './image-state.ts';
import type { Snapshots } from './snapshots.ts';
import type { Standbys } from './standby.ts';

export interface ImageKeeper {
  /** What is held here of the partition's state topic; an empty image where nothing is. It is the caller's from then on. */
  take(partition: number): Promise<StateImage>;
  /** The owner has committed, and nothing that it emitted is uncommitted: the moment for a snapshot. Returns at once. */
  committed(partition: number, image: StateImage): void;
  /** The owner is done with it; all that is in it is committed. */
  give(partition: number, image: StateImage): void;
}

export class Images implements ImageKeeper {
  private readonly keyOf: (partition: number) => string;
  private readonly standbys: Standbys;
  private readonly snapshots: Snapshots | null;

  constructor(options: {
    readonly keyOf: (partition: number) => string;
    readonly standbys: Standbys;
    readonly snapshots: Snapshots | null;
  }) {
    this.keyOf = options.keyOf;
    this.standbys = options.standbys;
    this.snapshots = options.snapshots;
  }

  async take(partition: number): Promise<StateImage> {
    return this.standbys.release(partition) ?? (await this.snapshots?.read(partition)) ?? new StateImage(this.keyOf(partition));
  }

  committed(partition: number, image: StateImage): void {
    this.snapshots?.offer(partition, image);
  }

  give(partition: number, image: StateImage): void {
    this.standbys.keep(partition, image);
  }

  /** Follows no more, and writes what is held to disk. After the group has been left: others need not wait for it. */
  async close(): Promise<void> {
    await this.standbys.close();
    for (const [partition, image] of this.standbys.entries()) await this.snapshots?.write(partition, image);
    await this.snapshots?.settled();
    this.standbys.clear();
  }
}
