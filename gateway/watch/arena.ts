/**
 * Memory for very many short lists of numbers, without an object for each.
 *
 * **Model.** Blocks of 32-bit words, cut from segments of 1 MiB. A block has one of a few sizes (4, 6, 8, 12, 16 … words); one
 * that is given back waits for the next that wants its size. A block larger than a quarter of a segment has a segment of
 * its own, which goes when it is given back. Nothing is ever copied to make room, so nothing is in memory twice.
 *
 * A block is named by its address: the segment's number and the first word in it. 0 is no block.
 */
const SEGMENT_BITS = 18;
const SEGMENT_WORDS = 1 << SEGMENT_BITS;
const LARGE_WORDS = SEGMENT_WORDS / 4;
const LEAST = 4;

/** Sizes of blocks in words: doubling, with one between. */
const sizes: readonly number[] = (() => {
  const all: number[] = [];
  for (let size = LEAST; size <= LARGE_WORDS; size *= 2) all.push(size, size * 1.5);
  return all.filter((size) => size <= LARGE_WORDS);
})();

/** How many words a block has that is asked for so many: what is beyond them is room to grow. */
export function blockWords(words: number): number {
  if (words > LARGE_WORDS) return Math.ceil(words * 1.25);
  return sizes[classOf(words)] as number;
}

function classOf(words: number): number {
  let at = 0;
  while ((sizes[at] as number) < words) at += 1;
  return at;
}

export class Arena {
  readonly #segments: Uint32Array[] = [];
  /** Numbers of segments that are gone. */
  readonly #gone: number[] = [];
  /** Addresses of blocks given back, by size. */
  readonly #free: number[][] = sizes.map(() => []);
  /** Of the segment that is being cut up. */
  #segment = 0;
  #used = SEGMENT_WORDS;
  #bytes = 0;

  /** Of all segments. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A block of `blockWords(words)` words, with anything in them. */
  take(words: number): number {
    if (words > LARGE_WORDS) return this.#open(blockWords(words)) * SEGMENT_WORDS + 1;
    const at = classOf(words);
    const free = this.#free[at]?.pop();
    if (free !== undefined) return free;
    const size = sizes[at] as number;
    if (this.#used + size > SEGMENT_WORDS) {
      this.#segment = this.#open(SEGMENT_WORDS);
      this.#used = 0;
    }
    const address = this.#segment * SEGMENT_WORDS + this.#used + 1;
    this.#used += size;
    return address;
  }

  /** `words`: as it was asked for, or as `blockWords` said. */
  giveBack(address: number, words: number): void {
    if (words <= LARGE_WORDS) {
      this.#free[classOf(words)]?.push(address);
      return;
    }
    const number = this.segmentOf(address);
    this.#bytes -= (this.#segments[number] as Uint32Array).byteLength;
    this.#segments[number] = new Uint32Array(0);
    this.#gone.push(number);
  }

  /** The words that the block lies in: at `offsetOf(address)` and after it. */
  wordsOf(address: number): Uint32Array {
    return this.#segments[this.segmentOf(address)] as Uint32Array;
  }

  segmentOf(address: number): number {
    return Math.floor((address - 1) / SEGMENT_WORDS);
  }

  offsetOf(address: number): number {
    return (address - 1) % SEGMENT_WORDS;
  }

  #open(words: number): number {
    const segment = new Uint32Array(words);
    this.#bytes += segment.byteLength;
    const number = this.#gone.pop() ?? this.#segments.length;
    this.#segments[number] = segment;
    return number;
  }
}
