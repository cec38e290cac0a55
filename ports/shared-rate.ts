/** A count of what a user asked for, shared by all gateways: Redis. Nobody's answer waits for it. */

export interface SharedRate {
  /**
   * Counts `n` more of this key. Resolves to how many ms the key is above its limit for yet, 0 where it is within it; rejects
   * (STORE_UNAVAILABLE, retriable) where nobody can be asked.
   */
  count(key: string, n: number): Promise<number>;
  close(): Promise<void>;
}

/** So many in so long; `name` keeps the counts of one limit apart from another's. */
export interface SharedLimit {
  readonly name: string;
  readonly points: number;
  /** Whole seconds. */
  readonly period_s: number;
}
