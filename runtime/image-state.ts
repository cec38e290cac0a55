/**
 * A partition's state topic as this instance has it: the image of its records, its partition record, and up to which offset they
 * hold. Restores fill it, standbys keep it fresh, the owner's emissions go into it, snapshots are dumps of it.
 */
import type { LogBatch } from '../ports/log.ts';
import { PartitionImage } from './image.ts';

export class StateImage {
  readonly records: PartitionImage;
  /** The partition record as last read or committed; null where there is none yet. */
  partitionRecord: Buffer | null;
  /** The partition record lies at or above this offset of the state topic. */
  partitionRecordOffset: number;
  /** Everything below this offset of the state topic is in here; of what lies above, perhaps some. */
  next: number;
  /** The partition record's key. */
  private readonly ownKey: Buffer;

  constructor(
    ownKey: string,
    from: Pick<StateImage, 'records' | 'partitionRecord' | 'partitionRecordOffset' | 'next'> = {
      records: new PartitionImage(),
      partitionRecord: null,
      partitionRecordOffset: 0,
      next: 0,
    },
  ) {
    this.ownKey = Buffer.from(ownKey);
    ({
      records: this.records,
      partitionRecord: this.partitionRecord,
      partitionRecordOffset: this.partitionRecordOffset,
      next: this.next,
    } = from);
  }

  /** Records of the state topic, in order. A compacted topic may hold several of a key: the last one stays. */
  apply(batch: LogBatch): void {
    for (const { key, value, offset } of batch.records) {
      if (key === null) continue;
      if (key.length === this.ownKey.length && key.equals(this.ownKey)) {
        if (value === null) continue;
        // A copy: what was fetched with it must not be held by it.
        this.partitionRecord = Buffer.from(value);
        this.partitionRecordOffset = offset;
      } else if (value === null) this.records.remove(key);
      else this.records.put(key, value);
    }
    this.next = batch.nextOffset;
  }

  /** Every value, the partition record's too. */
  *values(): Iterable<Buffer | null> {
    yield this.partitionRecord;
    for (let slot = 0; slot < this.records.slotsEnd; slot += 1) if (this.records.holds(slot)) yield this.records.valueOf(slot);
  }
}
