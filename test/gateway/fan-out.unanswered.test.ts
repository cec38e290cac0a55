/** Routed mode while the fan-out topology does not answer: what is told is marked, and nothing is read over and over for it. */
import { expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createFanOut } from '../../gateway/fan-out.ts';
import { bench, FakeConnection, runFanOut, until } from './parts-kit.ts';
import { World } from './truth.ts';

test('snapshots are stale, the cache is left alone until the topology answers, and then they are corrected', async () => {
  const on = await bench();
  const world = new World();
  const options = { log: on.log, codecs: on.codecs, logger: silentLogger, readPresences: world.read, mode: 'routed' as const };
  const fanOut = await createFanOut(options);
  await fanOut.ready;
  const ada = new FakeConnection('ada', 'c1');
  await fanOut.attach(ada);
  await fanOut.subscribe(ada, ['bob', 'cyd']);
  const last = (): readonly { readonly user_id: string; readonly stale: boolean }[] => ada.frames.at(-1).presences;
  expect(last().map(({ user_id, stale }) => [user_id, stale])).toEqual([
    ['bob', true],
    ['cyd', true],
  ]);
  const { reads } = world;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(world.reads).toBe(reads);

  const runner = await runFanOut(on);
  const right = new Set<string>();
  await until(() => {
    for (const { presences = [] } of ada.frames) for (const { user_id, stale } of presences) if (!stale) right.add(user_id);
    return right.size === 3;
  });
  expect(world.reads).toBeGreaterThan(reads);
  await fanOut.close();
  await runner.close();
});
