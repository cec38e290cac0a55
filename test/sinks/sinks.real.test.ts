/** Sinks into a real Redis and a real PostgreSQL that are killed, paused and emptied under them. */
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createPresenceStore } from '../../connectors/cockroach/index.ts';
import { createRedisCache } from '../../connectors/redis/index.ts';
import { sinkGroups } from '../../connectors/sinks/index.ts';
import type { PresenceCache } from '../../ports/presence-cache.ts';
import type { PresenceStore } from '../../ports/presence-store.ts';
import { topicNames } from '../../schemas/topics.ts';
import { diff, row, userState } from '../contract/states.ts';
import { isSkipped, type Part, postgres, redis } from '../stack/index.ts';
import { skipSuite } from '../stack/suite.ts';
import { shown } from '../stall/gate.ts';
import { createWorld, until, type World } from './harness.ts';

const parts = await Promise.all([redis(), postgres()]);
const missing = parts.flatMap((part) => (isSkipped(part) ? [part.skipped] : []));
if (missing.length > 0) skipSuite('Sinks into real parts', missing.join('; '));
else suite(parts[0] as Part, parts[1] as Part);

const names = Array.from({ length: 200 }, (_, i) => `user-${i}`);

function suite(cachePart: Part, storePart: Part): void {
  describe('Sinks into real parts', () => {
    let world: World;
    let cache: PresenceCache;
    let store: PresenceStore;
    beforeAll(async () => {
      world = await createWorld(4);
      cache = createRedisCache({ url: cachePart.url, logger: silentLogger });
      store = createPresenceStore({ url: storePart.url, logger: silentLogger });
      world.sinks({ cache, store });
    });
    afterAll(async () => {
      await world.close();
      await cache.close();
      await store.close();
      await Promise.all([cachePart.stop(), storePart.stop()]);
    });

    let version = 0;
    /** The next version of every user, 50 users a transaction and partition. */
    const writeAll = async (): Promise<void> => {
      version += 1;
      for (let partition = 0; partition < 4; partition += 1) {
        const some = names.filter((_, i) => i % 4 === partition);
        await world.commit(
          some.map((name) => userState(name, { version })),
          { partition },
        );
        await world.diffs(some.map((name) => diff(name, version)));
      }
    };
    const versionsIn = async (target: Pick<PresenceCache, 'read'>): Promise<string> => {
      const { blobs } = await target.read(names).catch(() => ({ blobs: [null] }));
      return [...new Set(blobs.map((blob) => blob?.version ?? 'none'))].join();
    };
    const allIn = (target: Pick<PresenceCache, 'read'>) => until(async () => (await versionsIn(target)) === String(version));

    test('database and cache come to the same', async () => {
      await writeAll();
      await allIn(cache);
      await allIn(store);
      const both = await Promise.all([cache.read(names), store.read(names)]);
      const settled = both.map(({ blobs }) =>
        blobs.map((blob) => ({ ...blob!, fresh_at: '', public: { ...blob!.public, fresh_at: '' } })),
      );
      expect(settled[0]).toEqual(settled[1]);
    });

    test('a Redis that is killed and comes back has all that was written meanwhile; the database did not wait', async () => {
      await cachePart.kill();
      await writeAll();
      await allIn(store);
      await expect(cache.read(names)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retriable: true });
      await cachePart.restart();
      await allIn(cache);
    });

    test('a Redis that hangs is away after a moment, for every caller at once, and is used again when it answers', async () => {
      await cachePart.pause();
      await expect(cache.read(names)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      const before = performance.now();
      await Promise.all(
        Array.from({ length: 50 }, () => expect(cache.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })),
      );
      const waited = performance.now() - before;
      await writeAll();
      await cachePart.resume();
      await allIn(cache);
      expect(waited, 'ms, against 50 time-outs one after another').toBeLessThan(50 * 1_000);
    });

    test('a Redis that lost everything, scripts included, is filled again from the log', async () => {
      const client = new Redis(cachePart.url);
      await client.flushall();
      await client.script('FLUSH');
      client.disconnect();
      expect(await versionsIn(cache)).toBe('none');
      for (let partition = 0; partition < 4; partition += 1) await world.commit([], { partition }); // a second passes
      await allIn(cache);
      await until(async () => (await cache.read([])).progress.size === 4);
    });

    test('a database that is killed under load comes back with every transition once', async () => {
      await writeAll();
      await storePart.kill();
      await writeAll();
      await allIn(cache);
      await storePart.restart();
      await writeAll();
      await allIn(store);
      await world.committed(sinkGroups.history, topicNames.diffs);
      for (const name of [names[0]!, names[77]!, names[199]!]) {
        const { entries } = await store.history({ key: name, from: 0, to: 8.64e15, limit: 100, view: 'self' });
        expect(entries.map((entry) => entry.version)).toEqual(Array.from({ length: version }, (_, i) => version - i));
      }
    });

    test('a database whose writers hang costs one batch a partition and sink, and has all once in the end', async () => {
      await allIn(store);
      // As an index being built, or a dump being put back, would: every write waits.
      const holder = new pg.Client(storePart.url);
      await holder.connect();
      await holder.query('BEGIN; LOCK TABLE presence_users, presence_history IN ACCESS EXCLUSIVE MODE');
      for (let round = 0; round < 10; round += 1) await writeAll();
      await allIn(cache);
      await until(async () => (await shown('presence_database_waiting_count')) > 0);
      expect(await shown('presence_database_waiting_count')).toBeLessThanOrEqual(2 * 4);
      await holder.query('ROLLBACK');
      await holder.end();
      await allIn(store);
      await world.committed(sinkGroups.history, topicNames.diffs);
      const { entries } = await store.history({ key: names[5]!, from: 0, to: 8.64e15, limit: 100, view: 'self' });
      expect(entries.map((entry) => entry.version)).toEqual(Array.from({ length: version }, (_, i) => version - i));
    });

    test('writers that meet in deadlocks do it again', async () => {
      const stores = [1, 2, 3].map(() => createPresenceStore({ url: storePart.url, logger: silentLogger }));
      // Somebody else who locks the same rows in the other order.
      const client = new pg.Client(storePart.url);
      client.on('error', () => {});
      await client.connect();
      let offset = 1_000_000;
      for (let round = 0; round < 2; round += 1) {
        offset += 10;
        const rows = (n: number) => names.map((name) => row(userState(name, { version: offset + n }), offset + n));
        const others = (async () => {
          await client.query('BEGIN');
          for (const name of [...names].sort().reverse().slice(0, 40)) {
            await client.query('SELECT 1 FROM presence_users WHERE user_id = $1 FOR UPDATE', [name]);
          }
          await client.query('COMMIT');
        })().catch(() => client.query('ROLLBACK'));
        await Promise.all([...stores.map((one, n) => one.applyStates(rows(n), [])), others]);
        expect(await versionsIn(store)).toBe(String(offset + 2));
      }
      await client.end();
      await Promise.all(stores.map((one) => one.close()));
    });
  });
}
