/** What every durable store must do (ports/presence-store.ts). One there is so far, on two databases. */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { blobOf, isNewer } from '../../connectors/blob.ts';
import { createPresenceStore } from '../../connectors/cockroach/index.ts';
import type { HistoryQuery, PresenceStore } from '../../ports/presence-store.ts';
import type { Override, PublicView } from '../../schemas/generated.ts';
import { device, diff, iso, progress, row, T0, userState } from './states.ts';

let users = 0;
const someone = (): string => `store-${users++}`;
let partitions = 1_000;

const dnd: Override = { override_id: 'o1', state: 'dnd', until: T0 + 60_000, reason: 'focus', set_at: T0 + 5, actor: null };
const ghostly: PublicView = {
  version: 4,
  state: 'offline',
  source: 'inferred',
  since: T0 - 9,
  last_seen: T0 - 10,
  devices_live: 0,
  streaming: false,
  ghosts: [],
};

/** `url`: an empty database. */
export function presenceStoreContract(name: string, url: string): void {
  describe(name, () => {
    const store: PresenceStore = createPresenceStore({ url, logger: silentLogger });
    const sql = new pg.Pool({ connectionString: url, max: 2 });
    const rowsOf = async (user: string) =>
      (
        await sql.query(
          'SELECT device_id, state, session_id, precedence, live FROM presence WHERE user_id = $1 ORDER BY device_id, override',
          [user],
        )
      ).rows;

    beforeAll(async () => {
      // Four processes that start at once.
      const others = [1, 2, 3].map(() => createPresenceStore({ url, logger: silentLogger }));
      await Promise.all([store, ...others].map((one) => one.migrate()));
      await store.migrate();
      await Promise.all(others.map((one) => one.close()));
    });
    afterAll(async () => {
      await sql.end();
      await store.close();
    });

    test('a user is read back as the cache would have it, with the time of their partition', async () => {
      const partition = partitions++;
      const key = `acme/${someone()}`;
      const table = [
        userState(key, {
          override: dnd,
          state: 'dnd',
          source: 'manual',
          devices: [device('web'), device('phone')],
          devices_live: 2,
          public: ghostly,
        }),
        userState(key, { since: 0, last_seen: null, devices: [], devices_live: 0, state: 'offline' }),
        userState(key, { streaming: true, last_seen: T0 - 60_000, override: { ...dnd, until: null, reason: null } }),
      ];
      let offset = 10;
      for (const state of table) {
        await store.applyStates([row(state, offset, partition)], [progress(0, offset + 1, { partition, stamp: T0 + offset })]);
        const read = await store.read([key, 'nobody-of-that-name']);
        expect(read.blobs).toEqual([blobOf(state, { partition, offset, stamp: T0 + offset }), null]);
        expect(read.progress.get(partition)).toEqual({
          partition,
          epoch: 1,
          offset: offset + 1,
          stamp: T0 + offset,
          input_offset: (offset + 1) * 10,
        });
        offset += 10;
      }
    });

    test('devices have a row each, the override is the row `manual`, forgotten devices go with the next record', async () => {
      const key = someone();
      const away = device('phone', { state: 'away', source: 'app', forget_lease: 600_000 });
      await store.applyStates(
        [
          row(
            userState(key, { devices: [device('web'), away, device('manual', { source: 'app', state: 'busy' })], override: dnd }),
            1,
          ),
        ],
        [],
      );
      expect(await rowsOf(key)).toEqual([
        { device_id: 'manual', state: 'busy', session_id: 'manual-1', precedence: '2', live: true },
        { device_id: 'manual', state: 'dnd', session_id: 'o1', precedence: '3', live: true },
        { device_id: 'phone', state: 'offline', session_id: 'phone-1', precedence: '2', live: false },
        { device_id: 'web', state: 'online', session_id: 'web-1', precedence: '1', live: true },
      ]);
      await store.applyStates([row(userState(key, { devices: [device('web', { session_id: 'web-2' })] }), 2)], []);
      const one = [{ device_id: 'web', state: 'online', session_id: 'web-2', precedence: '1', live: true }];
      expect(await rowsOf(key)).toEqual(one);
      await store.applyStates([row(userState(key, { devices: [device('late')], override: dnd }), 1)], []);
      expect(await rowsOf(key), 'an older record moves neither the user nor devices').toEqual(one);
    });

    test('any order, repetition and lateness of writes, by several writers at once, ends in the newest', async () => {
      const other = createPresenceStore({ url, logger: silentLogger });
      const place = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), offset: fc.integer({ min: 0, max: 12 }) });
      const batch = fc.array(place, { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(batch, fc.boolean()), { minLength: 1, maxLength: 6 }), async (batches) => {
          const names = [someone(), someone(), someone()];
          const newest = new Map<string, { epoch: number; offset: number }>();
          const writing = batches.map(([places, turned], n) => {
            const rows = places.map(({ epoch, offset }, i) =>
              row(
                userState(names[i]!, { epoch, version: epoch * 100 + offset, devices: [device(`d${epoch}-${offset}`)] }),
                offset,
              ),
            );
            for (const { state, offset } of rows) {
              const known = newest.get(state.user_id);
              const at = { epoch: state.epoch, offset };
              if (known === undefined || isNewer(at, known)) newest.set(state.user_id, at);
            }
            return (n % 2 === 0 ? store : other).applyStates(turned ? rows.reverse() : rows, []);
          });
          await Promise.all(writing);
          const { blobs } = await store.read(names);
          for (const [i, key] of names.entries()) {
            const at = newest.get(key);
            expect(blobs[i]?.version).toBe(at === undefined ? undefined : at.epoch * 100 + at.offset);
            expect((await rowsOf(key)).map(({ device_id }) => device_id)).toEqual(
              at === undefined ? [] : [`d${at.epoch}-${at.offset}`],
            );
          }
        }),
        { numRuns: 40 },
      );
      await other.close();
    });

    test('progress never goes back, and never jumps over what was not applied', async () => {
      const partition = partitions++;
      const table: readonly [
        what: string,
        epoch: number,
        from: number,
        offset: number,
        then: readonly [number, number] | null,
        gap: number | null,
      ][] = [
        ['nothing is there: not from the middle', 1, 5, 9, null, 0],
        ['from the start', 1, 0, 9, [1, 9], null],
        ['the next stretch', 1, 9, 12, [1, 12], null],
        ['the same again', 1, 9, 12, [1, 12], null],
        ['over a hole', 1, 15, 20, [1, 12], 12],
        ['another epoch', 2, 12, 13, [2, 13], null],
        ['an older epoch', 1, 13, 99, [2, 13], null],
      ];
      for (const [what, epoch, from, offset, then, gap] of table) {
        const { gaps } = await store.applyStates([], [progress(from, offset, { partition, epoch })]);
        expect(gaps, what).toEqual(gap === null ? [] : [{ partition, offset: gap }]);
        const known = (await store.read([])).progress.get(partition);
        expect(known === undefined ? null : [known.epoch, known.offset], what).toEqual(then);
      }
    });

    test('rows that the database refuses are named, the others and the progress are written', async () => {
      const partition = partitions++;
      const names = Array.from({ length: 20 }, someone);
      const rows = names.map((key, i) => {
        const reason = i === 3 ? 'a zero byte: \0' : null;
        const since = i === 11 ? Number.MAX_SAFE_INTEGER : T0; // no Date holds it
        return row(userState(key, { since, override: { ...dnd, reason } }), i + 1, partition);
      });
      const { refused, gaps } = await store.applyStates(rows, [progress(0, 21, { partition })]);
      expect(refused.map((one) => one.row)).toEqual([rows[3], rows[11]]);
      expect(refused.map(({ reason }) => reason).join()).toMatch(/refused it: .*0x00.*refused it: .*time/);
      expect(gaps).toEqual([]);
      const read = await store.read(names);
      expect(read.blobs.flatMap((blob, i) => (blob === null ? [i] : []))).toEqual([3, 11]);
      expect(read.progress.get(partition)?.offset).toBe(21);

      const ada = someone();
      const diffs = [
        diff(ada, 1),
        diff(ada, 2, { device_id: '\0' }),
        diff(ada, 3),
        diff(ada, 4, { audience: 'others', trace_id: '\0' }),
      ];
      expect((await store.applyDiffs(diffs)).map((one) => one.row)).toEqual([diffs[1], diffs[3]]);
      expect((await page(ada)).entries.map(({ version }) => version)).toEqual([3, 1]);
    });

    test('a tombstone forgets the user and their devices, unless what is there is newer', async () => {
      const [ada, bob] = [someone(), someone()];
      await store.applyStates([row(userState(ada), 5), row(userState(bob), 5)], []);
      await store.applyStates(
        [],
        [],
        [
          { key: ada, epoch: 1, offset: 6 },
          { key: bob, epoch: 1, offset: 4 },
        ],
      );
      expect((await store.read([ada, bob])).blobs.map((blob) => blob === null)).toEqual([true, false]);
      expect([await rowsOf(ada), (await rowsOf(bob)).length]).toEqual([[], 1]);
    });

    test("clean-up removes what is over by the partition's time, and never what is live", async () => {
      const partition = partitions++;
      const key = someone();
      const hour = 60 * 60_000;
      const gone = device('gone', { forget_lease: 1, last_seen: T0 });
      await store.applyStates(
        [row(userState(key, { devices: [gone, device('live', { last_seen: T0 - 99 * hour })], override: dnd }), 1, partition)],
        [progress(0, 2, { partition, stamp: T0 + hour })],
      );
      expect(await store.cleanUp()).toBe(0);
      await store.applyStates([], [progress(2, 3, { partition, stamp: T0 + hour + 1 })]);
      expect(await store.cleanUp()).toBe(1);
      expect((await rowsOf(key)).map(({ device_id }) => device_id)).toEqual(['live', 'manual']);
    });

    const page = (key: string, over: Partial<HistoryQuery> = {}) =>
      store.history({ key, from: 0, to: T0 * 2, limit: 100, view: 'self', ...over });
    const versions = async (key: string, over: Partial<HistoryQuery> = {}) =>
      (await page(key, over)).entries.map(({ epoch, version }) => `${epoch}.${version}`);

    test('history is newest first, from inclusive and to exclusive, and a transition is written once', async () => {
      const key = someone();
      const diffs = [
        diff(key, 1),
        diff(key, 2),
        diff(key, 3, { cause: 'override', source: 'manual', to: 'invisible', trace_id: 'ab'.repeat(16) }),
        diff(key, 1, { epoch: 2, at: T0 + 2_500 }),
      ];
      await store.applyDiffs(diffs);
      await store.applyDiffs([diff(key, 2, { to: 'busy' }), ...diffs, ...diffs]);
      expect(await versions(key)).toEqual(['2.1', '1.3', '1.2', '1.1']);
      expect((await page(key)).entries[1]).toEqual({
        epoch: 1,
        version: 3,
        from: 'offline',
        to: 'invisible',
        at: iso(T0 + 3_000),
        cause: 'override',
        source: 'manual',
        trace_id: 'ab'.repeat(16),
      });
      expect(await versions(key, { from: T0 + 2_000, to: T0 + 3_000 })).toEqual(['2.1', '1.2']);
      expect(await versions(key, { from: T0 + 2_001, to: T0 + 3_001 })).toEqual(['2.1', '1.3']);
      expect(await versions(key, { from: -8.64e15, to: 8.64e15 })).toEqual(['2.1', '1.3', '1.2', '1.1']);
      expect(await versions(someone())).toEqual([]);
      await expect(page('a zero byte: \0')).rejects.toMatchObject({ code: 'BAD_INPUT' });
    });

    test('pages hold every transition once, also while new ones are written', async () => {
      const key = someone();
      await store.applyDiffs(Array.from({ length: 23 }, (_, i) => diff(key, i + 1)));
      const seen: number[] = [];
      let cursor: string | undefined;
      let next = 24;
      do {
        const one = await page(key, { limit: 5, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...one.entries.map(({ version }) => version));
        cursor = one.next ?? undefined;
        await store.applyDiffs([diff(key, next++)]);
      } while (cursor !== undefined);
      expect(seen).toEqual(Array.from({ length: 23 }, (_, i) => 23 - i));
      expect((await page(key, { limit: next - 1 })).next, 'a page that is just full is the last').toBeNull();
    });

    test('others see what they saw: their own versions, nothing of what only the user saw', async () => {
      const key = someone();
      await store.applyDiffs([
        diff(key, 1, { public_version: 1 }),
        diff(key, 2, { audience: 'self', public_version: 1, from: 'online', to: 'invisible', cause: 'override' }),
        diff(key, 2, { audience: 'others', public_version: 2, from: 'online', to: 'offline', cause: 'goodbye' }),
        diff(key, 3, { audience: 'self', public_version: 2, from: 'invisible', to: 'dnd' }),
        diff(key, 3, { audience: 'others', public_version: 3, from: 'offline', to: 'dnd' }),
        diff(key, 4, { public_version: 4, from: 'dnd', to: 'online' }),
      ]);
      expect(await versions(key)).toEqual(['1.4', '1.3', '1.2', '1.1']);
      expect(await versions(key, { view: 'others' })).toEqual(['1.4', '1.3', '1.2', '1.1']);
      const seen = (await page(key, { view: 'others' })).entries;
      expect(seen.map(({ from, to }) => `${from}>${to}`)).toEqual([
        'dnd>online',
        'offline>dnd',
        'online>offline',
        'offline>online',
      ]);
      const first = await page(key, { view: 'others', limit: 2 });
      expect((await page(key, { view: 'others', limit: 2, cursor: first.next! })).entries.map(({ version }) => version)).toEqual([
        2, 1,
      ]);
    });

    test('a cursor that is not one is BAD_INPUT', async () => {
      const key = someone();
      await store.applyDiffs([diff(key, 1), diff(key, 2)]);
      const good = (await page(key, { limit: 1 })).next!;
      const garbled = [
        '',
        'x',
        '!!!',
        `${good}A`,
        good.slice(1),
        Buffer.from('s.1').toString('base64url'),
        Buffer.from('s.9999999999999999.1').toString('base64url'),
        `${good} `,
      ];
      for (const cursor of garbled)
        await expect(page(key, { cursor }), JSON.stringify(cursor)).rejects.toMatchObject({ code: 'BAD_INPUT' });
      await expect(page(key, { cursor: good, view: 'others' }), 'of another view').rejects.toMatchObject({ code: 'BAD_INPUT' });
    });
  });
}
