/**
 * Strings out of bytes, the same object for the same bytes as long as it is remembered: for ids of which there are few (gateways,
 * devices of a user), since making a string anew costs more than reading all the rest of a record.
 *
 * **Model.** A table of slots by hash; a slot holds the last string that fell into it, so it is never searched, never full and
 * never larger than it is. It is small on purpose: in one that could hold every user's id each look is a miss of the
 * processor's caches. Only ASCII up to `LENGTH_MAX` bytes is remembered. It cannot be wrong: what a slot holds is compared
 * byte for byte, and made anew where it is another.
 */
export const SLOTS = 1 << 12;
const LENGTH_MAX = 64;

export class Strings {
  readonly #slots: (string | undefined)[] = new Array<string | undefined>(SLOTS).fill(undefined);

  /** The UTF-8 in [at, at + length), remembered. The caller has made sure that the buffer has it. */
  read(buffer: Buffer, at: number, length: number): string {
    if (length > LENGTH_MAX) return buffer.toString('utf8', at, at + length);
    if (length === 0) return '';
    let hash = length;
    let all = 0;
    for (let i = at, end = at + length; i < end; i += 1) {
      const byte = buffer[i] as number;
      all |= byte;
      hash = Math.imul(hash ^ byte, 0x0100_0193);
    }
    if (all >= 0x80) return buffer.toString('utf8', at, at + length);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== undefined && known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === buffer[at + i]) i += 1;
      if (i === length) return known;
    }
    const made = buffer.toString('latin1', at, at + length);
    this.#slots[slot] = made;
    return made;
  }
}

/** The UTF-8 in [at, at + length), not remembered. */
export function readString(buffer: Buffer, at: number, length: number): string {
  for (let i = at, end = at + length; i < end; i += 1) {
    if ((buffer[i] as number) >= 0x80) return buffer.toString('utf8', at, end);
  }
  return buffer.toString('latin1', at, at + length);
}
