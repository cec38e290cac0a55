import { expect, test } from 'vitest';
import { silentLogger } from '../base/logger.ts';
import { createInProcessCache } from '../connectors/in-process/index.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import type { PresenceStore, StoreRead } from '../ports/presence-store.ts';
import { userState, write } from '../test/contract/states.ts';
import { createReads } from './reads.ts';

const viewer = { userKey: 'ada', admin: false };

/** An in-process cache with these users in it, and a database that has others; both count what is asked of them. */
async function parts(cached: readonly string[], stored: readonly string[]) {
  const cache = createInProcessCache();
  await cache.apply(
    cached.map((key, n) => write(userState(key), n)),
    [],
  );
  const asked = { cache: [] as (readonly string[])[], database: [] as (readonly string[])[] };
  let wait: Promise<void> = Promise.resolve();
  const counted: Pick<PresenceCache, 'read' | 'fill'> = {
    read: (keys) => {
      asked.cache.push(keys);
      return cache.read(keys);
    },
    fill: (writes, ttl_ms) => cache.fill(writes, ttl_ms),
  };
  const store: Pick<PresenceStore, 'read'> = {
    read: async (keys): Promise<StoreRead> => {
      asked.database.push(keys);
      await wait;
      const blobs = keys.map((key, n) => (stored.includes(key) ? write(userState(key), n).blob : null));
      return { blobs, progress: new Map() };
    },
  };
  const reads = createReads({ cache: counted, store, partitionOf: () => 0, logger: silentLogger });
  /** Until what it returns is called, the database does not answer. */
  const hang = (): (() => void) => {
    let go = (): void => {};
    wait = new Promise((resolve) => {
      go = resolve;
    });
    return () => go();
  };
  return { reads, asked, hang };
}

test('a thousand who ask in one turn are one read of the cache, and each is answered what they asked', async () => {
  const users = Array.from({ length: 100 }, (_, n) => `u${n}`);
  const { reads, asked } = await parts(users, []);
  const asks = Array.from({ length: 1_000 }, (_, n) => [`u${n % 100}`, `u${(n * 7) % 100}`, `u${n % 100}`]);
  const answers = await Promise.all(asks.map((keys) => reads.presences(keys, viewer)));
  expect(asked.cache.map((keys) => keys.length)).toEqual([100]);
  expect(asked.database).toEqual([]);
  expect(answers.map((presences) => presences.map(({ user_id }) => user_id))).toEqual(asks);
});

test('who is in the cache does not wait for a database that hangs', async () => {
  const { reads, asked, hang } = await parts(['bob'], ['cyd']);
  const go = hang();
  const both = reads.presences(['bob', 'cyd', 'dan'], viewer);
  const [bob] = await reads.presences(['bob'], viewer);
  expect(bob?.state).toBe('online');
  go();
  expect((await both).map(({ user_id, state }) => `${user_id} ${state}`)).toEqual(['bob online', 'cyd online', 'dan offline']);
  expect(asked.database).toEqual([['cyd', 'dan']]);
});

test('what is found in the database is in the cache then, and who is unknown to it is not asked for again at once', async () => {
  const { reads, asked } = await parts([], ['cyd']);
  await reads.presences(['cyd', 'dan'], viewer);
  await reads.presences(['cyd', 'dan'], viewer);
  expect(asked.database).toEqual([['cyd', 'dan']]);
});

test('more than a round trip takes are read in several', async () => {
  const { reads, asked } = await parts([], []);
  const many = Array.from({ length: 10_001 }, (_, n) => `u${n}`);
  expect(await reads.presences(many, viewer)).toHaveLength(10_001);
  expect(asked.cache.map((keys) => keys.length)).toEqual([10_000, 1]);
});
