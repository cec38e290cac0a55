/**
 * Chance from a seed. Whoever draws has a stream of their own, named after them: a client that is taken out of a
 * story, or a fault, changes nothing of what chance brings the others.
 */
export class Random {
  #state: number;

  /** The same words give the same stream. */
  constructor(...words: readonly (string | number)[]) {
    let hash = 0x811c9dc5;
    const text = words.join('/');
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    this.#state = hash >>> 0;
    this.next();
  }

  /** In [0, 1). (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number, both ends included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(among: readonly T[]): T {
    return among[Math.floor(this.next() * among.length)] as T;
  }

  /** Around `mean`, often short, seldom long. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  hex(bytes: number): string {
    let text = '';
    while (text.length < bytes * 2)
      text += Math.floor(this.next() * 4_294_967_296)
        .toString(16)
        .padStart(8, '0');
    return text.slice(0, bytes * 2);
  }
}
