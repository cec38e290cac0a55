/** A database and a cache that take nothing and say nothing: a sink has one batch a partition in hand, the rest is in the log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { sinkGroups } from '../../connectors/sinks/index.ts';
import type { PresenceCache } from '../../ports/presence-cache.ts';
import type { PresenceStore } from '../../ports/presence-store.ts';
import { topicNames } from '../../schemas/topics.ts';
import { diff, userState } from '../contract/states.ts';
import { createWorld, until, type World } from '../sinks/harness.ts';
import { Gate, shown } from './gate.ts';

let world: World;
afterEach(() => world.close());

test('a target that does not answer holds one batch a partition and sink; others go on; in the end all is written', async () => {
  const partitions = 3;
  world = await createWorld(partitions);
  const gate = new Gate();
  const rows = { inHand: 0, most: 0 };
  const history = new Map<string, number[]>();
  const versions = new Map<string, number>();
  const cache = createInProcessCache();
  const counted = <T>(count: number, call: () => Promise<T>): Promise<T> => {
    rows.most = Math.max(rows.most, (rows.inHand += count));
    return gate.pass(call).finally(() => (rows.inHand -= count));
  };
  const store = {
    migrate: async () => {},
    cleanUp: async () => 0,
    applyStates: (written) =>
      counted(written.length, async () => {
        for (const { state } of written) versions.set(state.user_id, state.version);
        return { refused: [], gaps: [] };
      }),
    applyDiffs: (diffs) =>
      counted(diffs.length, async () => {
        for (const { user_id, version } of diffs) history.set(user_id, [...(history.get(user_id) ?? []), version]);
        return [];
      }),
  } as Partial<PresenceStore> as PresenceStore;
  world.sinks({ store, cache });
  gate.close();
  const users = Array.from({ length: 30 }, (_, n) => `user-${n}`);
  const rounds = 150;
  for (let version = 1; version <= rounds; version += 1) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const own = users.filter((_, n) => n % partitions === partition);
      await world.commit(
        own.map((user) => userState(user, { version })),
        { partition },
      );
      await world.diffs(own.map((user) => diff(user, version)));
    }
    if (version % 20 === 0) await sleep(2);
  }
  const cached = async (from: Pick<PresenceCache, 'read'>) =>
    (await from.read(users)).blobs.every((blob) => blob?.version === rounds);
  await until(() => cached(cache));
  // States and history: a batch of at most 1,000 records of each partition.
  expect(gate.most).toBeLessThanOrEqual(2 * partitions);
  expect(rows.most).toBeLessThanOrEqual(2 * partitions * 1_000);
  expect(rows.inHand).toBeLessThan(rounds * users.length);
  expect(versions.size + history.size).toBe(0);
  gate.open();
  await world.committed(sinkGroups.history, topicNames.diffs);
  await world.committed(sinkGroups.store, topicNames.state);
  expect([...versions.values()]).toEqual(users.map(() => rounds));
  for (const user of users) expect(history.get(user)).toEqual(Array.from({ length: rounds }, (_, n) => n + 1));
  await until(async () => (await shown('presence_sink_lag_records')) === 0);
});
