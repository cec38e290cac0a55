import { afterEach, expect, test } from 'vitest';
import { PresenceError } from '../../base/errors.ts';
import { registry } from '../../base/metrics.ts';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { sinkGroups } from '../../connectors/sinks/index.ts';
import type { PresenceCache } from '../../ports/presence-cache.ts';
import type { PresenceStore, Refused, StateRow } from '../../ports/presence-store.ts';
import type { Diff } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { diff, T0, userState } from '../contract/states.ts';
import { createWorld, until, type World } from './harness.ts';

let world: World;
afterEach(() => world.close());

/** A store whose behaviour the test chooses; what the database itself does is in test/contract. */
function memoryStore(): PresenceStore & {
  down: boolean;
  refuses: (id: string) => boolean;
  rows: Map<string, StateRow>;
  diffs: Diff[];
  batches: number;
} {
  const rows = new Map<string, StateRow>();
  const diffs: Diff[] = [];
  const refused = <R>(all: readonly R[], id: (row: R) => string): Refused<R>[] =>
    all.filter((row) => store.refuses(id(row))).map((row) => ({ row, reason: 'The database refused it.' }));
  const reach = (): void => {
    if (store.down) throw new PresenceError('STORE_UNAVAILABLE', 'away', { at: 'test', retriable: true });
  };
  const store = {
    down: false,
    refuses: (_: string): boolean => false,
    rows,
    diffs,
    batches: 0,
    migrate: async () => reach(),
    applyStates: async (all: readonly StateRow[]) => {
      reach();
      store.batches += 1;
      for (const row of all) if (!store.refuses(row.state.user_id)) rows.set(row.state.user_id, row);
      return { refused: refused(all, ({ state }) => state.user_id), gaps: [] };
    },
    applyDiffs: async (all: readonly Diff[]) => {
      reach();
      diffs.push(...all.filter(({ user_id }) => !store.refuses(user_id)));
      return refused(all, ({ user_id }) => user_id);
    },
    read: async () => ({ blobs: [], progress: new Map() }),
    history: async () => ({ entries: [], next: null }),
    cleanUp: async () => 0,
    ping: async () => {},
    close: async () => {},
  };
  return store;
}

const versionOf = async (cache: PresenceCache, key: string) => (await cache.read([key])).blobs[0]?.version;

test('of a user with many records in a batch the last one is written, with the progress of its partition', async () => {
  world = await createWorld(2);
  const cache = createInProcessCache();
  await world.commit(
    [1, 2, 3].map((version) => userState('ada', { version })),
    { stamp: T0 + 100 },
  );
  await world.commit([userState('bob')], { partition: 1, stamp: T0 + 200 });
  await world.commit([userState('cy')], { stamp: T0 + 300 });
  world.sinks({ cache });
  await world.committed(sinkGroups.cache, topicNames.state);
  const { blobs, progress } = await cache.read(['ada', 'bob', 'cy']);
  expect(blobs.map((blob) => blob?.version)).toEqual([3, 1, 1]);
  expect(progress.get(0)).toEqual({ partition: 0, epoch: 1, offset: 6, stamp: T0 + 300, input_offset: 8 });
  expect(progress.get(1)).toMatchObject({ offset: 2, stamp: T0 + 200 });
});

test('progress never runs ahead of the users that it speaks of: it waits for their partition record', async () => {
  world = await createWorld();
  const rereads = async () => /presence_sink_rereads_total\{sink="cache"\} (\d+)/.exec(await registry.metrics())?.[1];
  const before = await rereads();
  const cache = createInProcessCache();
  await world.commit([userState('ada')], { open: true });
  world.sinks({ cache });
  await until(async () => (await versionOf(cache, 'ada')) === 1);
  await world.committed(sinkGroups.cache, topicNames.state);
  expect((await cache.read([])).progress.size, 'no time is known yet').toBe(0);
  await world.commit([userState('bob')], { stamp: T0 });
  await world.committed(sinkGroups.cache, topicNames.state);
  expect((await cache.read([])).progress.get(0)).toMatchObject({ offset: 3, stamp: T0 });
  expect(await rereads(), 'nothing had to be read again').toBe(before);
});

test('a store that is away holds up neither the cache nor, when it is back, loses anything', async () => {
  world = await createWorld();
  const cache = createInProcessCache();
  const store = memoryStore();
  store.down = true;
  const sinks = world.sinks({ cache, store });
  for (let version = 1; version <= 5; version += 1) {
    await world.commit([userState('ada', { version })]);
    await world.diffs([diff('ada', version)]);
  }
  await until(async () => (await versionOf(cache, 'ada')) === 5);
  await until(() => sinks.status().filter(({ problem }) => problem === 'away').length === 2);
  expect(sinks.status()).toMatchObject([
    { sink: 'cache', state: 'running', problem: null },
    { sink: 'store', state: 'starting' },
    { sink: 'history', state: 'starting' },
  ]);
  store.down = false;
  await until(() => store.diffs.length === 5 && store.rows.get('ada')?.state.version === 5);

  store.down = true;
  await world.commit([userState('ada', { version: 6 })]);
  await world.diffs([diff('ada', 6)]);
  await until(() => sinks.status().filter(({ state }) => state === 'waiting').length === 2);
  await until(async () => (await versionOf(cache, 'ada')) === 6);
  store.down = false;
  await until(() => store.diffs.length >= 6 && store.rows.get('ada')?.state.version === 6);
  expect([...new Set(store.diffs.map(({ version }) => version))]).toEqual([1, 2, 3, 4, 5, 6]);
  await until(() => sinks.status().every(({ state, lag }) => state === 'running' && lag === 0));
});

test('what cannot be decoded or written goes to presence.dlq as it was, with reason and place, and stops nothing', async () => {
  world = await createWorld();
  const store = memoryStore();
  store.refuses = (id) => id === 'eve';
  const garbage = Buffer.from('{"no":"avro"}');
  const strange = world.codecs.userState.encode(userState('somebody else'));
  await world.commit([userState('ada')]);
  await world.raw(topicNames.state, [
    { key: 'bad', value: garbage, headers: { traceparent: 'kept', reason: 'its own' } },
    { key: 'mallory', value: strange },
    { key: '#0', value: garbage },
  ]);
  await world.commit([userState('eve'), userState('bob')]);
  await world.raw(topicNames.diffs, [
    { key: 'bad', value: garbage },
    { key: 'gone', value: null },
  ]);
  await world.diffs([diff('eve', 1), diff('ada', 1)]);
  world.sinks({ store });
  await world.committed(sinkGroups.store, topicNames.state);
  await world.committed(sinkGroups.history, topicNames.diffs);
  expect([...store.rows.keys()].sort()).toEqual(['ada', 'bob']);
  expect(store.diffs.map(({ user_id }) => user_id)).toEqual(['ada']);

  const dead = await world.deadLetters();
  const told = dead.map(({ key, headers }) => `${headers.topic} ${headers.offset} ${key} ${headers.code}`).sort();
  expect(told).toEqual([
    'presence.diffs 0 bad UNDECODABLE',
    'presence.diffs 1 gone UNDECODABLE',
    'presence.diffs 2 eve BAD_INPUT',
    'presence.state 2 bad UNDECODABLE',
    'presence.state 3 mallory UNDECODABLE',
    'presence.state 4 #0 UNDECODABLE',
    'presence.state 5 eve BAD_INPUT',
  ]);
  const first = dead.find(({ headers }) => String(headers.topic) === topicNames.state && String(headers.offset) === '2')!;
  expect(first.value?.equals(garbage)).toBe(true);
  expect(String(first.headers.traceparent)).toBe('kept');
  expect(String(first.headers['original-reason'])).toBe('its own');
});

test('a cache that lost its data is filled again from the log: at start, and while it runs', async () => {
  world = await createWorld();
  const lost = createInProcessCache();
  for (let i = 0; i < 30; i += 1) await world.commit([userState(`user-${i}`)]);
  const first = world.sinks({ cache: lost });
  await world.committed(sinkGroups.cache, topicNames.state);
  await first.close();

  let cache = createInProcessCache();
  // One that can be swapped for an empty one, as a Redis that restarts without its data.
  const swapped: PresenceCache = {
    apply: (...args) => cache.apply(...args),
    read: (keys) => cache.read(keys),
    fill: (...args) => cache.fill(...args),
    ping: () => cache.ping(),
    close: () => cache.close(),
  };
  const all = Array.from({ length: 30 }, (_, i) => `user-${i}`);
  const full = async () => (await cache.read(all)).blobs.every((blob) => blob !== null) && (await cache.read([])).progress.has(0);
  world.sinks({ cache: swapped });
  await world.commit([userState('user-0', { version: 2 })]);
  await until(full);
  expect(await versionOf(cache, 'user-0')).toBe(2);

  cache = createInProcessCache();
  await world.commit([userState('user-1', { version: 2 })]);
  await until(full);
  expect(await versionOf(cache, 'user-1')).toBe(2);
  await world.committed(sinkGroups.cache, topicNames.state);
  expect((await cache.read([])).progress.get(0)?.offset).toBe((await world.log.offsets(topicNames.state))[0]!.end);
});

test('a tombstone forgets the user', async () => {
  world = await createWorld();
  const cache = createInProcessCache();
  world.sinks({ cache });
  await world.commit([userState('ada'), userState('bob')]);
  await until(async () => (await versionOf(cache, 'ada')) === 1);
  await world.commit([{ user_id: 'ada', gone: true }]);
  await until(async () => (await versionOf(cache, 'ada')) === undefined);
  expect(await versionOf(cache, 'bob')).toBe(1);
  await world.commit([userState('ada', { version: 7 })]);
  await until(async () => (await versionOf(cache, 'ada')) === 7);
});

test('a sink that is closed and started again goes on where it was; two share the partitions', async () => {
  world = await createWorld(4);
  const store = memoryStore();
  const first = world.sinks({ store });
  for (let p = 0; p < 4; p += 1) await world.commit([userState(`u${p}`)], { partition: p });
  await world.committed(sinkGroups.store, topicNames.state);
  await first.close();
  const before = store.batches;
  world.sinks({ store });
  world.sinks({ store });
  await world.commit([userState('late')], { partition: 2 });
  await until(() => store.rows.has('late'));
  await world.committed(sinkGroups.store, topicNames.state);
  expect(store.batches - before, 'nothing is read twice').toBe(1);
});

test('a bug in a target is said, and the batch is handed over again', async () => {
  world = await createWorld();
  const cache = createInProcessCache();
  let faults = 2;
  world.sinks({
    cache: {
      ...cache,
      apply: async (...args) => {
        faults -= 1;
        if (faults >= 0) throw new TypeError('a bug');
        return cache.apply(...args);
      },
    },
  });
  await world.commit([userState('ada')]);
  await until(async () => (await versionOf(cache, 'ada')) === 1);
});

test('lag, sizes and repeats are counted', async () => {
  world = await createWorld();
  const store = memoryStore();
  world.sinks({ store });
  await world.commit([userState('ada')]);
  await world.committed(sinkGroups.store, topicNames.state);
  const text = await registry.metrics();
  expect(text).toMatch(/presence_consumer_lag_records\{topic="presence.state",partition="0"\} 0/);
  expect(text).toMatch(/presence_sink_lag_records\{sink="store",topic="presence.state",partition="0"\} 0/);
  expect(text).toMatch(/presence_sink_batch_rows_count\{sink="store"\} \d+/);
  expect(text).toMatch(/presence_sink_retries_total\{sink="store"\} \d+/);
});
