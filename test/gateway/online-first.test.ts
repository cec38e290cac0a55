/** When very much changes at once, who went offline is told last; nothing else is told otherwise than it was. */
import { describe, expect, test } from 'vitest';
import { partitionOf } from '../../base/murmur2.ts';
import { decodeCursor } from '../../gateway/cursor.ts';
import { diffsOf, lines, modes, stage } from './fan-out-kit.ts';
import { FakeConnection, until } from './parts-kit.ts';

/** Of one partition, so that what is said of them comes in one turn. */
const [bob, cyd, dan, eve, fay] = Array.from({ length: 100 }, (_, i) => `u${i}`).filter((user) => partitionOf(user, 3) === 0) as [
  string,
  string,
  string,
  string,
  string,
];

describe.each(modes)('%s', (mode) => {
  const on = stage(mode);
  const { gateway, connect } = on;

  /** Everybody online, and told so, one after the other. */
  async function begun(onlineFirstFrom: number) {
    const g = await gateway({ onlineFirstFrom });
    const ada = await connect(g, 'ada');
    await g.subscribe(ada, [bob, cyd, dan, eve, fay]);
    for (const user of [bob, cyd, dan]) {
      await on.diffs([on.world.change(user, 'online')]);
      await until(() => diffsOf(ada).some((line) => line.startsWith(`${user} `)));
    }
    const first = ada.frames.length;
    const since = () => lines({ ...ada, frames: ada.frames.slice(first) } as FakeConnection);
    return { g, ada, since, first };
  }
  const storm = () =>
    on.diffs([
      on.world.change(bob, 'offline'),
      on.world.change(eve, 'online'),
      on.world.change(cyd, 'busy'),
      on.world.change(dan, 'offline'),
      on.world.change(dan, 'away'),
      on.world.change(fay, 'dnd'),
    ]);

  test('who is there comes first, who went offline last, and each user in order', async () => {
    const { since } = await begun(5);
    await storm();
    await until(() => since().length === 2);
    expect(since()).toEqual([
      `diffs: ${eve} offline>online 1, ${cyd} online>busy 2, ${fay} offline>dnd 1`,
      `diffs: ${bob} online>offline 2, ${dan} online>offline 2, ${dan} offline>away 3`,
    ]);
  });

  test('up to the limit everything is told as it came, in one frame', async () => {
    const { since } = await begun(6);
    await storm();
    await until(() => since().length > 0);
    expect(since()).toEqual([
      `diffs: ${bob} online>offline 2, ${eve} offline>online 1, ${cyd} online>busy 2, ${dan} online>offline 2, ` +
        `${dan} offline>away 3, ${fay} offline>dnd 1`,
    ]);
  });

  test('until all is told the cursor is incomplete, for whom something waits; then it is whole again', async () => {
    const { g, ada, first } = await begun(5);
    const zoe = await connect(g, 'zoe');
    await g.subscribe(zoe, [eve, fay]);
    const cursors: boolean[] = [];
    zoe.onFrame = (frame) => cursors.push(decodeCursor((frame as { cursor: string }).cursor).incomplete);
    await storm();
    await until(() => ada.frames.length === first + 2 && cursors.length > 0);
    expect(ada.frames.slice(first).map(({ cursor }) => decodeCursor(cursor).incomplete)).toEqual([true, false]);
    // She watches nobody who waits.
    expect(cursors).toEqual([false]);
  });

  test('who no longer watches any who wait gets a whole cursor all the same', async () => {
    const { g } = await begun(5);
    const zoe = await connect(g, 'zoe');
    await g.subscribe(zoe, [bob, eve]);
    const first = zoe.frames.length;
    zoe.onFrame = () => g.unsubscribe(zoe, [bob]);
    await storm();
    await until(() => zoe.frames.length === first + 2);
    const incomplete = zoe.frames.slice(first).map(({ cursor }) => decodeCursor(cursor).incomplete);
    expect(incomplete).toEqual([true, false]);
    expect(lines(zoe).slice(first)).toEqual([`diffs: ${eve} offline>online 1`, 'diffs: ']);
  });

  test('a cursor from between the goes does not leap over who went offline', async () => {
    const { g, ada, since } = await begun(5);
    await storm();
    await until(() => since().length === 2);
    const between = ada.frames.at(-2).cursor as string;
    g.detach(ada);
    const again = new FakeConnection('ada', 'c-2');
    await g.attach(again);
    await g.resume(again, between, [bob, cyd, dan, eve, fay]);
    const last = lines(again).at(-1);
    expect(last).toBe(`snapshot: ${bob} offline 2, ${cyd} busy 2, ${dan} away 3, ${eve} online 1, ${fay} dnd 1`);
  });

  test('a snapshot between the goes says all, and nothing of it is told again', async () => {
    const { g, ada, since } = await begun(5);
    // It is asked for with the first go, and read at once.
    let asked: Promise<void> | undefined;
    ada.onFrame = (frame) => {
      if ((frame as { type: string }).type === 'diffs') asked ??= g.subscribe(ada, [bob, dan]);
    };
    await storm();
    await until(() => asked !== undefined);
    await asked;
    await on.diffs([on.world.change(bob, 'busy')]);
    await until(() => since().some((line) => line.includes(`${bob} offline>busy 3`)));
    const told = since().join('; ');
    expect(told.split(`${bob} online>offline 2`).length).toBeLessThanOrEqual(2);
    expect(told.indexOf(`${bob} offline 2`)).toBeGreaterThan(0);
  });
});
