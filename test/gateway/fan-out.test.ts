import { describe, expect, test } from 'vitest';
import { partitionOf } from '../../base/murmur2.ts';
import { encodeCursor } from '../../gateway/cursor.ts';
import { cursorOf, diffsOf, lines, modes, stage } from './fan-out-kit.ts';
import { FakeConnection, until } from './parts-kit.ts';

describe.each(modes)('%s', (mode) => {
  const on = stage(mode);
  const { gateway, connect } = on;

  describe('fan-out', () => {
    test('everyone is told of themself unasked; a subscription is a snapshot, then diffs', async () => {
      const g = await gateway();
      await on.diffs([on.world.change('bob', 'busy')]);
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob', 'cyd', 'bob']);
      await on.diffs([on.world.change('bob', 'away'), on.world.change('dan', 'online'), on.world.change('ada', 'online')]);
      await until(() => diffsOf(ada).length === 2);
      expect(lines(ada).slice(0, 2)).toEqual(['snapshot: ada offline 0', 'snapshot: bob busy 1, cyd offline 0']);
      expect(diffsOf(ada).sort()).toEqual(['ada offline>online 1', 'bob busy>away 2']);
      expect(ada.frames.every(({ cursor }) => typeof cursor === 'string')).toBe(true);
    });

    test('each sees their own view: the user the truth, others what is public, with its own version', async () => {
      const g = await gateway();
      const [ada, bob] = [await connect(g, 'ada'), await connect(g, 'bob')];
      await g.subscribe(bob, ['ada']);
      await on.diffs([
        on.world.change('ada', 'online'),
        on.world.change('ada', 'invisible', 'self'),
        on.world.change('ada', 'offline', 'others'),
      ]);
      await on.diffs([on.world.change('ada', 'busy', 'self')]);
      await until(() => diffsOf(ada).length === 3 && diffsOf(bob).length === 2);
      expect(diffsOf(ada)).toEqual(['ada offline>online 1', 'ada online>invisible 2', 'ada invisible>busy 3']);
      expect(diffsOf(bob)).toEqual(['ada offline>online 1', 'ada online>offline 2']);
    });

    test('diffs newer than what the cache says are laid on top, and then not told again', async () => {
      const g = await gateway();
      await on.diffs([on.world.change('bob', 'online'), on.world.change('bob', 'busy'), on.world.change('bob', 'away', 'self')]);
      on.world.lag.set('bob', 3);
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      const bob = await connect(g, 'bob');
      expect(lines(ada)[1]).toBe('snapshot: bob busy 2');
      expect(lines(bob)[0]).toBe('snapshot: bob away 3');
      on.world.lag.set('bob', 0);
      await on.diffs([on.world.change('bob', 'dnd')]);
      await until(() => diffsOf(ada).length > 0);
      expect(diffsOf(ada)).toEqual(['bob busy>dnd 3']);
    });

    test('a cache ahead of the diffs read here: what the snapshot said already is not told again', async () => {
      const g = await gateway();
      const first = on.world.change('bob', 'online');
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      await on.diffs([first, on.world.change('bob', 'busy')]);
      await until(() => diffsOf(ada).length > 0);
      expect(lines(ada).slice(1)).toEqual(['snapshot: bob online 1', 'diffs: bob online>busy 2']);
    });

    test('a repeated diff in the log is told once', async () => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      const diff = on.world.change('bob', 'online');
      await on.diffs([diff, diff]);
      await on.diffs([diff, on.world.change('bob', 'away')]);
      await on.diffs([diff]);
      await on.diffs([on.world.change('ada', 'away')]);
      await until(() => diffsOf(ada).length >= 3);
      await until(() => diffsOf(ada).includes('ada offline>away 1'));
      expect(diffsOf(ada).filter((text) => text.startsWith('bob'))).toEqual(['bob offline>online 1', 'bob online>away 2']);
    });

    test('a snapshot never goes back behind what was told, though the cache lags and the diff is held no more', async () => {
      const g = await gateway({ recentDiffsMax: 1 });
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      await on.diffs([on.world.change('bob', 'online')]);
      const near = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'].find(
        (user) => partitionOf(user, 3) === partitionOf('bob', 3),
      ) as string;
      await until(() => diffsOf(ada).length === 1);
      await g.subscribe(ada, [near]);
      await on.diffs([on.world.change(near, 'online')]);
      await until(() => diffsOf(ada).length === 2);
      on.world.lag.set('bob', 1);
      await g.subscribe(ada, ['bob']);
      expect(lines(ada).at(-1)).toBe('snapshot: bob online 1');
    });

    test('a slow reader gets the newest of each user once it has room, and nothing of who is back where they were', async () => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob', 'cyd']);
      ada.slow = true;
      for (const to of ['online', 'busy', 'away'] as const) await on.diffs([on.world.change('bob', to)]);
      await on.diffs([on.world.change('cyd', 'online')]);
      await on.diffs([on.world.change('cyd', 'offline')]);
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(diffsOf(ada)).toEqual([]);
      ada.slow = false;
      await until(() => diffsOf(ada).length > 0);
      await on.diffs([on.world.change('cyd', 'dnd')]);
      await until(() => diffsOf(ada).length === 2);
      expect(diffsOf(ada)).toEqual(['bob offline>away 3', 'cyd offline>dnd 3']);
    });

    test('unsubscribe and detach end it', async () => {
      const g = await gateway();
      const [ada, eve] = [await connect(g, 'ada'), await connect(g, 'eve')];
      await g.subscribe(ada, ['bob', 'cyd']);
      await g.subscribe(eve, ['bob']);
      g.unsubscribe(ada, ['bob', 'zed']);
      g.detach(eve);
      await on.diffs([on.world.change('bob', 'online')]);
      await on.diffs([on.world.change('cyd', 'online')]);
      await until(() => diffsOf(ada).length > 0);
      expect(diffsOf(ada)).toEqual(['cyd offline>online 1']);
      expect(diffsOf(eve)).toEqual([]);
    });

    test('beyond 10,000 users a subscription is refused and changes nothing', async () => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      await g.subscribe(
        ada,
        Array.from({ length: 9_999 }, (_, i) => `u${i}`),
      );
      await expect(g.subscribe(ada, ['x1', 'x2'])).rejects.toMatchObject({ code: 'BAD_INPUT' });
      await g.subscribe(ada, ['u1', 'x1']);
      await expect(g.subscribe(ada, ['x2'])).rejects.toMatchObject({ code: 'BAD_INPUT' });
    });

    test('a read that fails is repeated; diffs that came meanwhile are in the snapshot', async () => {
      let down = true;
      const readPresences: typeof on.world.read = (keys, viewer) =>
        down ? Promise.reject(new Error('down')) : on.world.read(keys, viewer);
      const g = await gateway({ readPresences });
      const ada = new FakeConnection('ada', 'c-ada');
      const attaching = g.attach(ada);
      await on.diffs([on.world.change('ada', 'online')]);
      on.world.lag.set('ada', 1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      down = false;
      await attaching;
      expect(lines(ada)).toEqual(['snapshot: ada online 1']);
    });

    // In routed mode no entry is: there the topology says what the cache lacks.
    if (mode === 'broadcast')
      test('where the cache lags beyond the diffs held, an entry is stale, and corrected later', async () => {
        let now = Date.now() + 3_600_000;
        await on.diffs([on.world.change('bob', 'online'), on.world.change('cyd', 'online')]);
        const g = await gateway({ now: () => now, recentDiffsMax: 10 });
        now += 1_000;
        on.world.lag.set('bob', 1);
        on.world.freshAt = () => Date.now() - 7_200_000;
        const ada = await connect(g, 'ada');
        await g.subscribe(ada, ['bob']);
        expect(lines(ada)[1]).toBe('snapshot: bob offline 0');
        expect(ada.frames[1].presences[0].stale).toBe(true);
        on.world.lag.set('bob', 0);
        on.world.freshAt = () => now;
        await until(() => lines(ada).includes('snapshot: bob online 1'));
        expect(ada.frames.at(-1).presences[0].stale).toBe(false);
      });
  });

  describe('kept lists', () => {
    test('every connection of the user follows the list: added users come as a snapshot, removed ones fall silent', async () => {
      const [g, other] = [await gateway(), await gateway()];
      const tabs = [await connect(g, 'ada', 'tab1'), await connect(other, 'ada', 'tab2')];
      expect(await g.keep('ada', { set: ['bob', 'cyd', 'bob'] })).toEqual(['bob', 'cyd']);
      expect(await g.keep('ada', { add: ['dan'], remove: ['bob'] })).toEqual(['cyd', 'dan']);
      // Each change has its snapshot, in whatever order they are read.
      for (const user of ['cyd', 'dan'])
        for (const tab of tabs) await until(() => lines(tab).some((line) => line.includes(`${user} offline 0`)));
      expect(other.interest('ada')).toEqual(['cyd', 'dan']);
      await on.diffs([on.world.change('bob', 'online')]);
      await on.diffs([on.world.change('cyd', 'online')]);
      for (const tab of tabs) await until(() => diffsOf(tab).length > 0);
      for (const tab of tabs) expect(diffsOf(tab)).toEqual(['cyd offline>online 1']);
      const late = await connect(g, 'ada', 'tab3');
      expect(lines(late)).toEqual(['snapshot: ada offline 0, cyd online 1, dan offline 0']);
    });

    test('changes of one list at once all count; a list outlives the gateway; too long a list is refused', async () => {
      const g = await gateway();
      await Promise.all(['bob', 'cyd', 'dan'].map((user) => g.keep('ada', { add: [user] })));
      expect([...g.interest('ada')].sort()).toEqual(['bob', 'cyd', 'dan']);
      await expect(g.keep('ada', { add: Array.from({ length: 9_998 }, (_, i) => `u${i}`) })).rejects.toMatchObject({
        code: 'BAD_INPUT',
      });
      expect((await gateway()).interest('ada').length).toBe(3);
    });

    test('a user on the list and asked for is watched until neither holds', async () => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      await g.keep('ada', { set: ['bob'] });
      await g.subscribe(ada, ['bob']);
      await g.keep('ada', { set: [] });
      await on.diffs([on.world.change('bob', 'online')]);
      await until(() => diffsOf(ada).length === 1);
      g.unsubscribe(ada, ['bob']);
      await on.diffs([on.world.change('bob', 'away'), on.world.change('ada', 'away')]);
      await until(() => diffsOf(ada).length === 2);
      expect(diffsOf(ada)).toEqual(['bob offline>online 1', 'ada offline>away 1']);
    });
  });

  describe('resume', () => {
    test('on another gateway each user that changed comes once, from what was last sent to the newest', async () => {
      const [g, other] = [await gateway(), await gateway()];
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob', 'cyd', 'dan']);
      await on.diffs([on.world.change('bob', 'online'), on.world.change('dan', 'online')]);
      await until(() => diffsOf(ada).length === 2);
      const cursor = cursorOf(ada);
      g.detach(ada);
      await on.diffs([on.world.change('bob', 'busy'), on.world.change('dan', 'away')]);
      await on.diffs([on.world.change('bob', 'away'), on.world.change('dan', 'online'), on.world.change('bob', 'dnd', 'self')]);
      const again = await connect(other, 'ada', 'c2');
      await until(async () => {
        const reads = on.world.reads;
        await other.resume(again, cursor, ['bob', 'cyd', 'dan']);
        expect(on.world.reads).toBe(reads);
        return true;
      });
      await until(() => diffsOf(again).length > 0);
      await on.diffs([on.world.change('cyd', 'busy'), on.world.change('dan', 'dnd')]);
      await until(() => diffsOf(again).length === 3);
      expect(diffsOf(again).sort()).toEqual(['bob online>away 3', 'cyd offline>busy 1', 'dan online>dnd 4']);
    });

    test('a snapshot ahead of the diffs read here is not told again by a resume from its cursor', async () => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      const [first, other] = [on.world.change('bob', 'online'), on.world.change('cyd', 'online')];
      await g.subscribe(ada, ['bob', 'cyd']);
      const early = cursorOf(ada);
      await on.diffs([first]);
      await on.diffs([other]);
      await on.diffs([on.world.change('cyd', 'away')]);
      await until(() => diffsOf(ada).length > 0);
      const c2 = await connect(g, 'ada', 'c2');
      await g.resume(c2, early, ['bob', 'cyd']);
      await g.resume(await connect(g, 'ada', 'c3'), cursorOf(ada), ['bob', 'cyd']);
      expect(lines(ada).slice(1)).toEqual(['snapshot: bob online 1, cyd online 1', 'diffs: cyd online>away 2']);
      expect(lines(c2).at(-1)).toBe('diffs: cyd online>away 2');
    });

    test('who unsubscribes before the answer, and asks again, gets a snapshot first', async () => {
      const g = await gateway();
      await on.diffs([on.world.change('bob', 'online')]);
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      const cursor = cursorOf(ada);
      await on.diffs([on.world.change('bob', 'away')]);
      await until(() => diffsOf(ada).length === 1);
      const c2 = await connect(g, 'ada', 'c2');
      const resumed = g.resume(c2, cursor, ['bob']);
      g.unsubscribe(c2, ['bob']);
      await Promise.all([resumed, g.subscribe(c2, ['bob'])]);
      expect(lines(c2).find((line) => line.includes('bob'))).toBe('snapshot: bob away 2');
      expect(diffsOf(c2)).toEqual([]);
    });

    test('right after a start of the gateway, over a quiet log, too', async () => {
      const g = await gateway();
      await on.diffs([on.world.change('bob', 'online')]);
      const ada = await connect(g, 'ada');
      await g.subscribe(ada, ['bob']);
      const cursor = cursorOf(ada);
      await on.diffs([on.world.change('bob', 'away')]);
      const again = await gateway();
      const c2 = await connect(again, 'ada', 'c2');
      await again.resume(c2, cursor, ['bob']);
      expect(lines(c2)).toEqual(['snapshot: ada offline 0', 'diffs: bob online>away 2']);
    });

    test('later than five minutes, of another log, or from before everything was told: a fresh snapshot', async () => {
      let now = Date.now();
      const g = await gateway({ now: () => now });
      const ada = await connect(g, 'ada');
      await on.diffs([on.world.change('bob', 'online')]);
      const cursor = cursorOf(ada);
      now += 400_000;
      const c2 = await connect(g, 'ada', 'c2');
      await g.resume(c2, cursor, ['bob']);
      expect(lines(c2).at(-1)).toBe('snapshot: bob online 1');
      const told = { at: now, epoch: 0, positions: [0, 0, 0], withheld: new Map(), incomplete: false };
      const other = encodeCursor({ ...told, positions: [0, 0] });
      const ahead = encodeCursor({ ...told, positions: [46_655, 46_655, 46_655] });
      const incomplete = encodeCursor({ ...told, incomplete: true });
      const ofBefore = Buffer.from(JSON.stringify({ v: 1, t: now, e: 0, p: '0.0.0' })).toString('base64url');
      for (const text of [other, ahead, incomplete, ofBefore]) {
        const c3 = await connect(g, 'ada', `c-${text}`);
        await g.resume(c3, text, ['bob']);
        expect(lines(c3)).toEqual(['snapshot: ada offline 0', 'snapshot: bob online 1']);
      }
    });

    test.each([
      '',
      '!',
      'e30',
      'bm90IGpzb24',
      Buffer.from('{"v":1,"t":-1,"e":0,"p":"0"}').toString('base64url'),
      `${'A'.repeat(60)}.1`,
      'A'.repeat(20_000),
    ])('a garbled cursor is refused: %.20s', async (text) => {
      const g = await gateway();
      const ada = await connect(g, 'ada');
      await expect(g.resume(ada, text, ['bob'])).rejects.toMatchObject({ code: 'BAD_INPUT' });
      await on.diffs([on.world.change('bob', 'online'), on.world.change('ada', 'online')]);
      await until(() => diffsOf(ada).length > 0);
      expect(diffsOf(ada)).toEqual(['ada offline>online 1']);
    });
  });
});
