/**
 * What every user was last known to be, in each view: numbers, not objects, since everybody who was ever seen is here.
 *
 * **Model.** A user's key has a slot, given once; a slot is 6 numbers and 4 bytes in columns (epoch, version and since of each
 * view; its state and source). Columns are in chunks, so that nothing is copied to make room. With the key and its place in the
 * table a user costs about 115 bytes (bench/RESULTS.md); that every user of the partition is here is what a snapshot needs, and
 * no limit of its own: a presence topology that holds so many users holds more of each.
 */
import { type Source, type State, sourceSymbols, stateSymbols } from '../../schemas/generated.ts';
import { type View, views } from './flow.ts';

export interface Standing {
  readonly epoch: number;
  readonly version: number;
  readonly state: State;
  readonly source: Source;
  /** When it began, ms. */
  readonly since: number;
}

const CHUNK_BITS = 12;
const CHUNK = 1 << CHUNK_BITS;
/** Of one view: epoch, version, since. */
const NUMBERS = 3;
/** Of one view: 0 where it is not known, else the state's number from 1; the source's. */
const BYTES = 2;

export class Standings {
  readonly #slots = new Map<string, number>();
  readonly #numbers: Float64Array[] = [];
  readonly #bytes: Uint8Array[] = [];

  get size(): number {
    return this.#slots.size;
  }

  has(user_id: string): boolean {
    return this.#slots.has(user_id);
  }

  /** null: nothing is known. */
  of(user_id: string, view: View): Standing | null {
    const slot = this.#slots.get(user_id);
    if (slot === undefined) return null;
    const at = placeOf(slot, view);
    const bytes = this.#bytes[slot >>> CHUNK_BITS] as Uint8Array;
    const state = stateSymbols[(bytes[at * BYTES] as number) - 1];
    if (state === undefined) return null;
    const numbers = this.#numbers[slot >>> CHUNK_BITS] as Float64Array;
    return {
      epoch: numbers[at * NUMBERS] as number,
      version: numbers[at * NUMBERS + 1] as number,
      since: numbers[at * NUMBERS + 2] as number,
      state,
      source: sourceSymbols[bytes[at * BYTES + 1] as number] as Source,
    };
  }

  set(user_id: string, view: View, { epoch, version, state, source, since }: Standing): void {
    const slot = this.#slotOf(user_id);
    const at = placeOf(slot, view);
    const numbers = this.#numbers[slot >>> CHUNK_BITS] as Float64Array;
    numbers[at * NUMBERS] = epoch;
    numbers[at * NUMBERS + 1] = version;
    numbers[at * NUMBERS + 2] = since;
    const bytes = this.#bytes[slot >>> CHUNK_BITS] as Uint8Array;
    bytes[at * BYTES] = stateSymbols.indexOf(state) + 1;
    bytes[at * BYTES + 1] = sourceSymbols.indexOf(source);
  }

  /** The user is known from now on, be it by nothing yet. */
  know(user_id: string): void {
    this.#slotOf(user_id);
  }

  #slotOf(user_id: string): number {
    let slot = this.#slots.get(user_id);
    if (slot !== undefined) return slot;
    slot = this.#slots.size;
    this.#slots.set(user_id, slot);
    if (slot >>> CHUNK_BITS === this.#numbers.length) {
      this.#numbers.push(new Float64Array(CHUNK * views.length * NUMBERS));
      this.#bytes.push(new Uint8Array(CHUNK * views.length * BYTES));
    }
    return slot;
  }
}

/** Of a slot's view in its chunk. */
const placeOf = (slot: number, view: View): number => (slot & (CHUNK - 1)) * views.length + (view === 'self' ? 0 : 1);
