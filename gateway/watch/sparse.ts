/** A map that is nothing until something is in it: of very many, nearly all of which stay empty. */
export class Sparse<K, V> {
  #map: Map<K, V> | null = null;

  get size(): number {
    return this.#map === null ? 0 : this.#map.size;
  }

  has(key: K): boolean {
    return this.#map?.has(key) ?? false;
  }

  get(key: K): V | undefined {
    return this.#map?.get(key);
  }

  set(key: K, value: V): void {
    this.#map ??= new Map();
    this.#map.set(key, value);
  }

  delete(key: K): void {
    if (this.#map?.delete(key) === true && this.#map.size === 0) this.#map = null;
  }

  clear(): void {
    this.#map = null;
  }

  *keys(): Generator<K> {
    if (this.#map !== null) yield* this.#map.keys();
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    if (this.#map !== null) yield* this.#map;
  }
}
