/** What every cache of present states must do (ports/presence-cache.ts), whatever it is made of. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isNewer } from '../../connectors/blob.ts';
import type { PresenceCache } from '../../ports/presence-cache.ts';
import { progress, T0, userState, write } from './states.ts';

export interface CacheFactory {
  /** A cache with a clock that the suite moves. */
  readonly make: (now: () => number) => PresenceCache;
}

let users = 0;
/** A user that no other test has. */
const someone = (): string => `cache-${process.pid}-${users++}`;
let partitions = 1_000;

export function presenceCacheContract(name: string, factory: CacheFactory): void {
  describe(name, () => {
    let clock = T0;
    let cache: PresenceCache;
    beforeAll(() => {
      cache = factory.make(() => clock);
    });
    afterAll(() => cache.close());

    const held = async (key: string) => (await cache.read([key])).blobs[0];

    test('what was written is read back as it was, in the order asked, with null for who is not there', async () => {
      const [ada, bob] = [someone(), `acme/${someone()}`];
      const writes = [
        write(userState(ada), 1),
        write(
          userState(bob, { override: { override_id: 'o', state: 'dnd', until: null, reason: 'é "q"', set_at: T0, actor: null } }),
          2,
        ),
      ];
      expect(await cache.apply(writes, [])).toEqual([]);
      const { blobs } = await cache.read([bob, someone(), ada, bob]);
      expect(blobs).toEqual([writes[1]!.blob, null, writes[0]!.blob, writes[1]!.blob]);
      expect((await cache.read([])).blobs).toEqual([]);
    });

    test('an older or repeated write changes nothing; a newer epoch wins over any offset', async () => {
      const ada = someone();
      const table: readonly [epoch: number, offset: number, wins: boolean][] = [
        [1, 5, true],
        [1, 4, false],
        [1, 6, true],
        [2, 1, true],
        [1, 900, false],
        [2, 0, false],
        [2, 10, true],
        [2, 9, false],
        [10, 1, true],
        [9, 99, false],
      ];
      let expected = await held(ada);
      for (const [epoch, offset, wins] of table) {
        const one = write(userState(ada, { epoch, version: epoch * 1_000 + offset }), offset);
        await cache.apply([one], []);
        if (wins) expected = one.blob;
        expect(await held(ada), `epoch ${epoch}, offset ${offset}`).toEqual(expected);
      }
      await cache.apply([write(userState(ada, { epoch: 10, version: 77 }), 1)], []);
      expect((await held(ada))?.version, 'the same place again').toBe(expected?.version);
    });

    test('any order, repetition and lateness of writes ends in the newest', async () => {
      const place = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), offset: fc.integer({ min: 0, max: 12 }) });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(place, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
          async (batches) => {
            const names = [someone(), someone(), someone()];
            const newest = new Map<string, { epoch: number; offset: number }>();
            for (const batch of batches) {
              const writes = batch.map(({ epoch, offset }, i) =>
                write(userState(names[i]!, { epoch, version: epoch * 100 + offset }), offset),
              );
              await cache.apply(writes, []);
              for (const { key, blob } of writes) {
                const known = newest.get(key);
                if (known === undefined || isNewer(blob, known)) newest.set(key, blob);
              }
            }
            const { blobs } = await cache.read(names);
            for (const [i, key] of names.entries()) {
              const known = newest.get(key);
              expect(blobs[i]?.version).toBe(known === undefined ? undefined : known.epoch * 100 + known.offset);
            }
          },
        ),
        { numRuns: 60 },
      );
    });

    test('a fill lives for its time, gives way to what the sink writes, and never covers something newer', async () => {
      const [ada, bob, cy] = [someone(), someone(), someone()];
      const at = (key: string, offset: number, version: number) => write(userState(key, { version }), offset);
      await cache.fill([at(ada, 5, 1)], 5_000);
      expect(await held(ada)).toMatchObject({ version: 1, offset: 5, expires_at: clock + 5_000 });
      clock += 4_999;
      expect(await held(ada)).not.toBeNull();
      clock += 1;
      expect(await held(ada), 'its time is over').toBeNull();
      await cache.fill([at(ada, 5, 2)], 5_000);
      expect(await held(ada), 'filled anew').toMatchObject({ version: 2 });

      await cache.apply([at(ada, 5, 3)], []);
      expect(await held(ada), "the sink's own write of the same record").toEqual(at(ada, 5, 3).blob);
      await cache.fill([at(ada, 5, 4), at(ada, 4, 4)].slice(0, 1), 5_000);
      expect(await held(ada), 'a fill of the same record').toEqual(at(ada, 5, 3).blob);

      await cache.apply([at(bob, 7, 1)], []);
      await cache.fill([at(bob, 6, 2)], 5_000);
      expect(await held(bob), 'a fill from behind').toEqual(at(bob, 7, 1).blob);

      const dan = someone();
      await cache.fill([at(dan, 1, 1)], 5_000);
      clock += 3_000;
      await cache.fill([at(dan, 1, 2)], 5_000);
      expect((await held(dan))?.version, 'a fill of the same record does not prolong the first').toBe(1);
      clock += 2_000;
      expect(await held(dan)).toBeNull();

      await cache.fill([at(cy, 9, 1)], 5_000);
      clock += 10_000;
      await cache.fill([at(cy, 8, 2)], 5_000);
      expect(await held(cy), 'an expired fill is still not covered by an older one').toBeNull();
      await cache.apply([at(cy, 8, 2)], []);
      expect(await held(cy)).toBeNull();
      await cache.apply([at(cy, 9, 3)], []);
      expect(await held(cy)).toMatchObject({ version: 3 });
    });

    test('a tombstone forgets the user, unless what is there is newer', async () => {
      const [ada, bob] = [someone(), someone()];
      await cache.apply([write(userState(ada), 5), write(userState(bob), 5)], []);
      await cache.apply(
        [],
        [],
        [
          { key: ada, epoch: 1, offset: 6 },
          { key: bob, epoch: 1, offset: 4 },
          { key: someone(), epoch: 1, offset: 1 },
        ],
      );
      const { blobs } = await cache.read([ada, bob]);
      expect(blobs[0]).toBeNull();
      expect(blobs[1]).not.toBeNull();
    });

    test('progress comes back by partition, never goes back, and never jumps over what was not applied', async () => {
      const partition = partitions++;
      const known = async () => {
        const found = (await cache.read([])).progress.get(partition);
        return found === undefined ? null : [found.epoch, found.offset];
      };
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
        ['an earlier one', 1, 3, 9, [1, 12], null],
        ['over a hole', 1, 15, 20, [1, 12], 12],
        ['overlapping', 1, 10, 14, [1, 14], null],
        ['another epoch of the same topic', 2, 14, 15, [2, 15], null],
        ['an older epoch', 1, 15, 99, [2, 15], null],
        ['a longer number', 2, 15, 1_000, [2, 1_000], null],
        ['again from the start, behind', 2, 0, 999, [2, 1_000], null],
      ];
      for (const [what, epoch, from, offset, then, gap] of table) {
        const gaps = await cache.apply([], [progress(from, offset, { partition, epoch })]);
        expect(gaps, what).toEqual(gap === null ? [] : [{ partition, offset: gap }]);
        expect(await known(), what).toEqual(then);
      }
      const { from: _, ...expected } = progress(1_000, 1_001, { partition, epoch: 2 });
      await cache.apply([], [progress(1_000, 1_001, { partition, epoch: 2 })]);
      expect((await cache.read([])).progress.get(partition)).toEqual(expected);
    });

    test('states are written even where their progress is refused', async () => {
      const [ada, partition] = [someone(), partitions++];
      expect(await cache.apply([write(userState(ada), 7)], [progress(7, 8, { partition })])).toEqual([{ partition, offset: 0 }]);
      expect(await held(ada)).not.toBeNull();
    });

    test('a thousand and more users in one batch', async () => {
      const writes = Array.from({ length: 2_500 }, () => write(userState(someone()), 3));
      await cache.apply(writes, []);
      const { blobs } = await cache.read(writes.map(({ key }) => key));
      expect(blobs).toEqual(writes.map(({ blob }) => blob));
    });

    test('it answers a ping', async () => {
      await expect(cache.ping()).resolves.toBeUndefined();
    });
  });
}
