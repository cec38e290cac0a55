/** One changed setting, and what the edit does to what is stored. */

/**
 * - compatible: can be rolled out instance by instance; the state stays, and so does the way back.
 * - migration: the state stays, but something must be done, or be done in an order: a topic altered, readers before writers.
 * - rebuild: what is stored is not what the new topology would have stored: it must be replayed.
 */
export type Verdict = 'compatible' | 'migration' | 'rebuild';

export interface Change {
  readonly verdict: Verdict;
  /** topology.stage.setting, topics.name.setting, schemas.name */
  readonly at: string;
  /** As a reader says it; null for what was not there, or is gone. */
  readonly before: string | null;
  readonly after: string | null;
  /** What happens to records, timers, instances beside each other. */
  readonly reason: string;
  /** What to do, in order. */
  readonly steps: readonly string[];
  readonly stores: readonly string[];
  readonly topics: readonly string[];
  /** false: the same signals give other diffs after the edit than before, so a replay across it does too. */
  readonly sameDiffs: boolean;
}

export interface Draft {
  readonly at: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly reason: string;
  readonly steps?: readonly string[];
  readonly stores?: readonly string[];
  readonly topics?: readonly string[];
  /** Default true. */
  readonly sameDiffs?: boolean;
}

const change =
  (verdict: Verdict) =>
  ({ steps = [], stores = [], topics = [], sameDiffs = true, ...draft }: Draft): Change => ({
    verdict,
    ...draft,
    steps,
    stores,
    topics,
    sameDiffs,
  });

export const compatible = change('compatible');
export const migration = change('migration');
export const rebuild = change('rebuild');

export const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Pairs of what has the same key on both sides; null where one side has none. In the order of `after`, what is gone last. */
export function pairs<T>(
  before: readonly T[],
  after: readonly T[],
  key: (one: T) => string,
): readonly (readonly [T | null, T | null])[] {
  const old = new Map(before.map((one) => [key(one), one]));
  const kept = new Set(after.map(key));
  return [
    ...after.map((one) => [old.get(key(one)) ?? null, one] as const),
    ...before.filter((one) => !kept.has(key(one))).map((one) => [one, null] as const),
  ];
}

const severity: readonly Verdict[] = ['compatible', 'migration', 'rebuild'];

/** What changes come to: the worst verdict (compatible if there is none), and all stores and topics touched, each once. */
export const summaryOf = (changes: readonly Change[]) => ({
  verdict: severity[Math.max(0, ...changes.map((change) => severity.indexOf(change.verdict)))] as Verdict,
  changes,
  stores: unique(changes.flatMap((change) => change.stores)),
  topics: unique(changes.flatMap((change) => change.topics)),
});

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];
