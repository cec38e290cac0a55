/** Where a partition's image comes from when the partition is taken, and where it goes. */
import { StateImage } from './image-state.ts';

export interface ImageKeeper {
  /** What is held here of the partition's state topic; an empty image where nothing is. It is the caller's from then on. */
  take(partition: number): Promise<StateImage>;
  /** The owner has committed, and nothing that it emitted is uncommitted: the moment for a snapshot. Returns at once. */
  committed(partition: number, image: StateImage): void;
  /** The owner is done with it; all that is in it is committed. Resolves when what is to be kept of it is kept. */
  give(partition: number, image: StateImage): Promise<void>;
}

/** Keeps nothing: every restore reads the whole state topic. */
export const noImages = (keyOf: (partition: number) => string): ImageKeeper => ({
  take: async (partition) => new StateImage(keyOf(partition)),
  committed: () => {},
  give: async () => {},
});
