import type { UserRecords } from '../schemas/user-outline.ts';
import type { Millis } from './time.ts';

/**
 * A partition's state records as bytes, by key: the image of its compacted topic as last emitted.
 *
 * **Bytes are the state, objects are a cache of it.** A million users as objects are over a gigabyte and a minute of restore; as
 * bytes they are a table that is read back in one piece. The processor makes an object of a record when something happens to its
 * user, and may drop the object again whenever the record says the same: nothing is touched, and no beat is unwritten. Whoever
 * runs the processor puts each record here in the moment in which it is encoded for the log (runtime/image.ts). A restore, a
 * warm standby and a local snapshot are all the same image, brought forward by the records of the state topic.
 */
export interface StoredRecords {
  /** Records held. */
  readonly size: number;
  /**
   * The slot of this key's record; -1 where there is none. A slot is the key's until the record is removed, also when it is
   * put anew. Slots are small whole numbers from 0 on, used again after a removal: they may index arrays.
   */
  find(key: string): number;
  keyOf(slot: number): string;
  /** The record as it stands in the topic. A view: valid until the next record is put. */
  valueOf(slot: number): Buffer;
  /** Every slot in use, in no order that may be relied on. */
  each(visit: (slot: number) => void): void;
}

/**
 * How a processor keeps its users as bytes (topology/kit/processor.ts, "On an image"):
 * `presence.processor(partition, { stored, records: userRecords(codecs.userState) })`.
 */
export interface UserImage {
  readonly stored: StoredRecords;
  /** Reads them. */
  readonly records: UserRecords;
  /**
   * Users in memory as objects, at most. A user who is touched or has an unwritten beat stays beyond it (a beat is written
   * after 30 s at the latest). Default 5,000. Metric: `presence_users_hot_count`.
   */
  readonly hotUsers?: number;
  /** A user to whom nothing happened for so long (lease clock) falls out of memory. Default 1 min. */
  readonly idle?: Millis;
}
