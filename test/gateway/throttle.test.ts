/** A connection that is told faster than it may be: the newest of each user, at the rate, and nobody else notices. */
import { describe, expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import type { State } from '../../schemas/generated.ts';
import { cursorOf, diffsOf, lines, modes, stage } from './fan-out-kit.ts';
import type { FakeConnection } from './parts-kit.ts';
import { until } from './parts-kit.ts';

const users = Array.from({ length: 30 }, (_, i) => `u${String(i).padStart(2, '0')}`);

/** The last that was said of each user, and whether each diff began where the one before ended. */
function picture(connection: FakeConnection): { readonly states: Map<string, State>; readonly broken: readonly string[] } {
  const states = new Map<string, State>();
  const broken: string[] = [];
  for (const frame of connection.frames) {
    for (const { user_id, state } of frame.presences ?? []) states.set(user_id, state);
    for (const { user_id, from, to } of frame.diffs ?? []) {
      if (states.get(user_id) !== from) broken.push(`${user_id} from ${from}, it was ${states.get(user_id)}`);
      states.set(user_id, to);
    }
  }
  return { states, broken };
}

const isAt = (connection: FakeConnection, those: readonly string[], state: State): boolean => {
  const { states } = picture(connection);
  return those.every((user) => states.get(user) === state);
};

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));

async function sum(metric: string, reason: string): Promise<number> {
  const found = (await registry.getSingleMetric(metric)?.get())?.values ?? [];
  return found.filter(({ labels }) => labels.reason === reason).reduce((total, { value }) => total + value, 0);
}

describe.each(modes)('%s', (mode) => {
  const on = stage(mode);
  const { gateway, connect } = on;
  const all = (to: State) => users.map((user) => on.world.change(user, to));

  test('a watcher over its rate gets its burst at once, then the newest of each user, no faster than the rate', async () => {
    const before = await sum('presence_gateway_diffs_suppressed_total', 'throttled');
    const g = await gateway({ pushRate: { rate: 20, burst: 10 } });
    const ada = await connect(g, 'ada');
    await g.subscribe(ada, users);
    const began = performance.now();
    await on.diffs([...all('online'), ...all('busy'), ...all('away')]);
    await until(() => isAt(ada, users, 'away'));
    const seconds = (performance.now() - began) / 1_000;
    expect(diffsOf(ada).length).toBeLessThanOrEqual(10 + 20 * seconds + 1);
    expect(picture(ada).broken).toEqual([]);
    expect(await sum('presence_gateway_diffs_suppressed_total', 'throttled')).toBeGreaterThan(before);
  });

  test('what ends where the reader is takes no token', async () => {
    const g = await gateway({ pushRate: { rate: 0.01, burst: 2 } });
    const [ada, eve] = [await connect(g, 'ada'), await connect(g, 'eve')];
    await g.subscribe(ada, ['bob', 'cyd']);
    await on.diffs([on.world.change('bob', 'online')]);
    await until(() => diffsOf(ada).length === 1);
    ada.slow = true;
    for (const to of ['offline', 'online', 'offline', 'online'] as const) await on.diffs([on.world.change('bob', to)]);
    // Whoever begins to watch now is told what all have read.
    await until(async () => {
      await g.subscribe(eve, ['bob']);
      return lines(eve).at(-1) === 'snapshot: bob online 5';
    });
    await soon();
    ada.slow = false;
    await on.diffs([on.world.change('cyd', 'dnd')]);
    await until(() => diffsOf(ada).length >= 2);
    expect(diffsOf(ada)).toEqual(['bob offline>online 1', 'cyd offline>dnd 1']);
  });

  test('snapshots come at once, and what they say is not held any more', async () => {
    const g = await gateway({ pushRate: { rate: 1, burst: 1 } });
    const ada = await connect(g, 'ada');
    await g.subscribe(ada, users);
    await on.diffs(all('busy'));
    await until(() => diffsOf(ada).length > 0);
    const told = diffsOf(ada).length;
    await g.subscribe(ada, [...users, 'zoe']);
    const last = lines(ada)
      .filter((line) => line.startsWith('snapshot'))
      .at(-1) as string;
    expect(last.split(', ').length).toBe(31);
    expect(isAt(ada, users, 'busy')).toBe(true);
    await on.diffs([on.world.change('zoe', 'away')]);
    await until(() => isAt(ada, ['zoe'], 'away'));
    // One a second: nothing but zoe was left to tell.
    expect(diffsOf(ada).length).toBeLessThanOrEqual(told + 2);
    expect(picture(ada).broken).toEqual([]);
  });

  test('others do not notice', async () => {
    const g = await gateway({ pushRate: { rate: 1, burst: 5 } });
    const [ada, bob] = [await connect(g, 'ada'), await connect(g, 'bob')];
    await g.subscribe(ada, users);
    await g.subscribe(bob, users.slice(0, 5));
    await on.diffs(all('online'));
    await until(() => diffsOf(bob).length === 5);
    expect(diffsOf(ada).length).toBe(5);
  });

  test.each([5, 29])('a resume from the cursor of one who waits for %i users loses nothing and repeats nothing', async (n) => {
    // 20 users are named in a cursor; with more, it takes a snapshot.
    const those = users.slice(0, n + 1);
    const slowly = await gateway({ pushRate: { rate: 1, burst: 1 } });
    const ada = await connect(slowly, 'ada');
    await slowly.subscribe(ada, those);
    const held = await sum('presence_gateway_diffs_held_total', 'throttled');
    for (const to of ['online', 'busy'] as const) await on.diffs(those.map((user) => on.world.change(user, to)));
    await until(async () => (await sum('presence_gateway_diffs_held_total', 'throttled')) >= held + 2 * n);
    await slowly.subscribe(ada, ['zoe']); // a cursor of now
    const { states } = picture(ada);
    expect([...states.values()].filter((state) => state === 'offline').length).toBeGreaterThan(1);
    slowly.detach(ada);
    const other = await gateway();
    const again = await connect(other, 'ada', 'c-2');
    const first = again.frames.length;
    // What it holds is what it was told before.
    again.frames.unshift({ presences: those.map((user_id) => ({ user_id, state: states.get(user_id) })) });
    await other.resume(again, cursorOf(ada), those);
    await until(() => isAt(again, those, 'busy'));
    await on.diffs([on.world.change('u00', 'dnd')]);
    await until(() => isAt(again, ['u00'], 'dnd'));
    expect(picture(again).broken).toEqual([]);
    const snapshots = lines({ ...again, frames: again.frames.slice(first + 1) } as FakeConnection).filter((line) =>
      line.startsWith('snapshot'),
    );
    expect(snapshots.length).toBe(n > 20 ? 1 : 0);
    expect(diffsOf(again).length).toBeLessThanOrEqual(those.length + 1);
  });
});
