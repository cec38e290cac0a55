/**
 * Deadlines of users who are not in memory, by their records' slots, to the second.
 *
 * **Model.** A wheel of buckets a second wide; in each the slots of whoever may fall due within it. It only says whom to bring
 * into memory: there the exact heap (timers.ts) decides, so that order, `at` and ties are the same for everyone. Like the heap
 * it is lazy: a slot has one entry that counts, in a bucket at or before its deadline's; what has moved later is moved
 * on when its bucket comes up, and an entry that was overtaken by an earlier one is dropped there. Deadlines beyond
 * the horizon wait in the horizon's bucket.
 *
 * An entry is 4 bytes, and each slot has 4 more to say which entry counts.
 */
import { NEVER } from './timers.ts';

const WIDTH_MS = 1_000;
/** A day, in buckets. */
const HORIZON = 86_400;
const NONE = 0xffff_ffff;

const bucketOf = (at: number): number => Math.floor(at / WIDTH_MS);

interface Bucket {
  slots: Int32Array;
  length: number;
}

export class SlotWheel {
  private readonly buckets = new Map<number, Bucket>();
  /** By slot: the bucket of the entry that counts. */
  private armed = new Uint32Array(0);
  /** Buckets up to this one have been emptied. */
  private past = -1;
  /** The first bucket that is not empty, or one before it. */
  private earliest = NEVER;

  /** Slots that wait, about. */
  get size(): number {
    let entries = 0;
    for (const { length } of this.buckets.values()) entries += length;
    return entries;
  }

  /** Time begins here: what is due already comes up first of all. */
  start(now: number): void {
    this.past = bucketOf(now) - 1;
  }

  /** Whether its bucket has come up already: the slot's user must be in memory. */
  isPast(at: number): boolean {
    return bucketOf(at) <= this.past;
  }

  /** This slot's user falls due then, and not before. */
  arm(slot: number, at: number): void {
    if (at === NEVER) return;
    const bucket = Math.max(Math.min(bucketOf(at), this.past + HORIZON), this.past + 1);
    if (slot >= this.armed.length) this.grow(slot);
    if ((this.armed[slot] as number) <= bucket) return;
    this.armed[slot] = bucket;
    this.push(bucket, slot);
    if (bucket < this.earliest) this.earliest = bucket;
  }

  /** Whether time at `now` empties any bucket. */
  turns(now: number): boolean {
    return bucketOf(now) >= this.earliest;
  }

  /** Empties the buckets up to `now`'s. `visit` may arm slots anew. */
  turn(now: number, visit: (slot: number) => void): void {
    const last = bucketOf(now);
    this.past = Math.max(this.past, last);
    const due: number[] = [];
    for (const bucket of this.buckets.keys()) if (bucket <= last) due.push(bucket);
    for (const at of due) {
      const { slots, length } = this.buckets.get(at) as Bucket;
      this.buckets.delete(at);
      for (let i = 0; i < length; i += 1) {
        const slot = slots[i] as number;
        if (this.armed[slot] !== at) continue;
        this.armed[slot] = NONE;
        visit(slot);
      }
    }
    this.earliest = Math.min(...this.buckets.keys(), NEVER);
  }

  /** From when on somebody may fall due: the beginning of the first bucket. Infinity: nobody waits. */
  next(): number {
    return this.earliest === NEVER ? NEVER : this.earliest * WIDTH_MS;
  }

  private push(bucket: number, slot: number): void {
    let entries = this.buckets.get(bucket);
    if (entries === undefined) this.buckets.set(bucket, (entries = { slots: new Int32Array(4), length: 0 }));
    if (entries.length === entries.slots.length) {
      const wider = new Int32Array(entries.length * 2);
      wider.set(entries.slots);
      entries.slots = wider;
    }
    entries.slots[entries.length] = slot;
    entries.length += 1;
  }

  private grow(slot: number): void {
    const wider = new Uint32Array(Math.max(1_024, 2 ** Math.ceil(Math.log2(slot + 1))));
    wider.fill(NONE);
    wider.set(this.armed);
    this.armed = wider;
  }
}
