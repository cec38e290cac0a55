/**
 * Reading presence: the cache first, then the database for what the cache lacks (all of it while the cache is down),
 * and the cache filled with that for 5 s.
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
import type { PresenceCache, StateWrite } from '../ports/presence-cache.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { OverrideView } from '../schemas/presence.ts';
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

  const find = async (keys: readonly string[]): Promise<ReadonlyMap<string, Found>> => {
    const found = new Map<string, Found>();
    const cached = await fromCache(options, keys);
    cached?.blobs.forEach((blob, i) => {
      const key = keys[i] as string;
      const partition = blob?.partition ?? options.partitionOf(key);
      if (blob !== null || absent.has(key, now())) found.set(key, { blob, progress: cached.progress.get(partition) });
    });
    users.inc({ from: 'cache' }, found.size);
    const missing = keys.filter((key) => !found.has(key));
    if (missing.length === 0) return found;
    const stored = await options.store.read(missing);
    users.inc({ from: 'database' }, missing.length);
    const fills: StateWrite[] = [];
    missing.forEach((key, i) => {
      const blob = stored.blobs[i] ?? null;
      const progress = stored.progress.get(blob?.partition ?? options.partitionOf(key));
      found.set(key, { blob, progress });
      if (blob === null) absent.add(key, now());
      else
        fills.push({
          key,
          blob: freshened(blob, progress),
          last_seen_ms: blob.last_seen === null ? 0 : Date.parse(blob.last_seen),
        });
    });
    if (cached !== undefined && fills.length > 0) {
      // Nobody waits for it, and nobody misses it.
      options.cache
        .fill(fills, FILL_MS)
        .catch((error: unknown) => options.logger.debug({ err: error }, 'The cache could not be filled.'));
    }
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
async function fromCache({ cache, logger }: ReadsOptions, keys: readonly string[]) {
  try {
    return await cache.read(keys);
  } catch (error) {
    if (!hasCode(error, 'STORE_UNAVAILABLE')) throw error;
    logger.debug({ err: error }, 'The cache cannot be read; the database is.');
    return undefined;
  }
}

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
