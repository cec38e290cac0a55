/**
 * Reading presence: the cache first, then the database for what the cache lacks (all of it while the cache is down),
 * and the cache filled with that for 5 s. What many ask for at a time is read together (gathered.ts), of the cache and of
 * the database each: who is in the cache does not wait for who is not.
 *
 * **fresh_at.** A state is confirmed up to where the sinks have come in its partition: the partition's time there
 * (`progress.stamp`), read before the state. An entry that was filled from the database is confirmed only up to
 * when it was read there, which it carries itself: the cache's progress says nothing of it.
 *
 * **Never seen.** A user whom neither knows is offline, version 0. That the database doesn't know them is
 * remembered for up to 10 s (two generations of at most ABSENT_KEYS_MAX keys each), so that a list of friends who never
 * came is not a query each time. That is safe: whoever comes is written to the cache, which is asked first; so it
 * is used only while the cache answers.
 */
import { clock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { PresenceCache, Progress, StateWrite } from '../ports/presence-cache.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { OverrideView, PresenceBlob } from '../schemas/presence.ts';
import { Gathered, USERS_A_READ_MAX } from './gathered.ts';
import type { Reads } from './parts.ts';
import { type Found, freshened, presenceOf } from './presence-of.ts';

export interface ReadsOptions {
  readonly cache: Pick<PresenceCache, 'read' | 'fill'>;
  readonly store: Pick<PresenceStore, 'read'>;
  /** The partition of a user's key: a user never seen has no blob that says it. */
  readonly partitionOf: (key: string) => number;
  readonly logger: Logger;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
}

const FILL_MS = 5_000;
const ABSENT_MS = 5_000;
const ABSENT_KEYS_MAX = 100_000;

const absentUsers = gauge('presence_gateway_absent_users_count', 'Users remembered as unknown to the database.');
const users = counter('presence_gateway_reads_total', 'Users read, by where they were found.', ['from']);

export function createReads(options: ReadsOptions): Reads {
  const now = options.now ?? clock.now;
  const absent = new Absent();

  const cached = new Gathered('cache', (keys) => fromCache(options, keys));
  const stored = new Gathered('database', (keys) => fromStore(options, keys));
  /** Of up to USERS_A_READ_MAX, each once. What it returns may hold more. */
  const findSome = async (keys: readonly string[]): Promise<ReadonlyMap<string, Found>> => {
    const found = new Map<string, Found>();
    const cache = await cached.ask(keys);
    const at = now();
    for (const key of keys) {
      const one = cache?.get(key);
      if (one !== undefined && (one.blob !== null || absent.has(key, at))) found.set(key, one);
    }
    users.inc({ from: 'cache' }, found.size);
    const missing = keys.filter((key) => !found.has(key));
    if (missing.length === 0) return found;
    const store = await stored.ask(missing);
    users.inc({ from: 'database' }, missing.length);
    const fills: StateWrite[] = [];
    for (const key of missing) {
      const one = store.get(key) as Found;
      found.set(key, one);
      if (one.blob === null) absent.add(key, now());
      else fills.push(fillOf(key, one.blob, one.progress));
    }
    if (cache !== undefined && fills.length > 0) {
      // Nobody waits for it, and nobody misses it.
      options.cache
        .fill(fills, FILL_MS)
        .catch((error: unknown) => options.logger.debug({ err: error }, 'The cache could not be filled.'));
    }
    return found;
  };
  const find = async (keys: readonly string[]): Promise<ReadonlyMap<string, Found>> => {
    if (keys.length <= USERS_A_READ_MAX) return findSome(keys);
    const found = new Map<string, Found>();
    for (let from = 0; from < keys.length; from += USERS_A_READ_MAX)
      for (const [key, one] of await findSome(keys.slice(from, from + USERS_A_READ_MAX))) found.set(key, one);
    return found;
  };

  return {
    async presences(keys, viewer) {
      const found = await find([...new Set(keys)]);
      const at = now();
      return keys.map((key) => presenceOf(key, found.get(key) as Found, viewer, at));
    },
    async override(key): Promise<OverrideView | null> {
      return (await find([key])).get(key)?.blob?.override ?? null;
    },
  };
}

/** undefined while the cache is down. */
async function fromCache(
  { cache, logger, partitionOf }: ReadsOptions,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Found> | undefined> {
  try {
    const { blobs, progress } = await cache.read(keys);
    return foundOf(keys, blobs, progress, partitionOf);
  } catch (error) {
    if (!hasCode(error, 'STORE_UNAVAILABLE')) throw error;
    logger.debug({ err: error }, 'The cache cannot be read; the database is.');
    return undefined;
  }
}

async function fromStore({ store, partitionOf }: ReadsOptions, keys: readonly string[]): Promise<ReadonlyMap<string, Found>> {
  const { blobs, progress } = await store.read(keys);
  return foundOf(keys, blobs, progress, partitionOf);
}

const foundOf = (
  keys: readonly string[],
  blobs: readonly (PresenceBlob | null)[],
  progress: ReadonlyMap<number, Progress>,
  partitionOf: ReadsOptions['partitionOf'],
): ReadonlyMap<string, Found> =>
  new Map(
    keys.map((key, i) => {
      const blob = blobs[i] ?? null;
      return [key, { blob, progress: progress.get(blob?.partition ?? partitionOf(key)) }];
    }),
  );

const fillOf = (key: string, blob: PresenceBlob, progress: Progress | undefined): StateWrite => ({
  key,
  blob: freshened(blob, progress),
  last_seen_ms: blob.last_seen === null ? 0 : Date.parse(blob.last_seen),
});

/** Keys that the database did not know lately. */
class Absent {
  #young = new Set<string>();
  #old = new Set<string>();
  #turned = 0;

  has(key: string, now: number): boolean {
    this.#turn(now);
    return this.#young.has(key) || this.#old.has(key);
  }

  add(key: string, now: number): void {
    this.#turn(now);
    if (this.#young.size < ABSENT_KEYS_MAX) this.#young.add(key);
    absentUsers.set(this.#young.size + this.#old.size);
  }

  #turn(now: number): void {
    if (now - this.#turned < ABSENT_MS) return;
    this.#old = now - this.#turned < 2 * ABSENT_MS ? this.#young : new Set();
    this.#young = new Set();
    this.#turned = now;
  }
}
