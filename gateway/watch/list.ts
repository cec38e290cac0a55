/** A list of numbers in an arena: who watches a user. Not in order: what is taken out is replaced by the last. */
import { type Arena, blockWords } from './arena.ts';

export class NumberList {
  readonly #arena: Arena;
  #address = 0;
  #room = 0;
  size = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  at(place: number): number {
    return this.#arena.wordsOf(this.#address)[this.#arena.offsetOf(this.#address) + place] as number;
  }

  /** Where it lies from now on. */
  push(value: number): number {
    if (this.size === this.#room) this.#grow();
    const place = this.size;
    this.#arena.wordsOf(this.#address)[this.#arena.offsetOf(this.#address) + place] = value;
    this.size += 1;
    return place;
  }

  /** The value that lies there now, where another has been moved there; else -1. */
  take(place: number): number {
    this.size -= 1;
    const last = this.at(this.size);
    if (this.size === 0) this.#end();
    if (place === this.size) return -1;
    this.#arena.wordsOf(this.#address)[this.#arena.offsetOf(this.#address) + place] = last;
    return last;
  }

  #grow(): void {
    const arena = this.#arena;
    const room = blockWords(this.size + 1);
    const address = arena.take(this.size + 1);
    if (this.size > 0) {
      const from = arena.offsetOf(this.#address);
      arena.wordsOf(address).set(arena.wordsOf(this.#address).subarray(from, from + this.size), arena.offsetOf(address));
      arena.giveBack(this.#address, this.#room);
    }
    this.#address = address;
    this.#room = room;
  }

  #end(): void {
    this.#arena.giveBack(this.#address, this.#room);
    this.#address = 0;
    this.#room = 0;
  }
}
