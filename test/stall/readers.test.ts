/** Readers that stand still: a slow socket, a cache and database that do not answer. What is kept for them is bounded. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createFanOut } from '../../gateway/fan-out.ts';
import { SNAPSHOTS_WAITING_MAX } from '../../gateway/fan-out-snapshots.ts';
import type { Diff, State } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { diff } from '../contract/states.ts';
import { Client, startRig } from '../gateway/harness.ts';
import { bench, FakeConnection } from '../gateway/parts-kit.ts';
import { World } from '../gateway/truth.ts';
import { until } from '../runtime/world.ts';
import { Gate, shown } from './gate.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const states: readonly State[] = ['online', 'busy', 'away', 'dnd'];
const versions = 6_000;
/**
 * One that follows on the one before: `from` is what that said. The last is another state than all before: a reader that is back
 * where it was last told is told nothing.
 */
const stateOf = (version: number): State => (version === versions ? 'offline' : (states[version % 4] as State));
const step = (user: string, version: number): Diff => ({
  ...diff(user, version),
  from: stateOf(version - 1),
  to: stateOf(version),
});

describe('A reader that stands still', () => {
  test('a socket that is not read costs the newest state of each user; the steps that it gets have no gap', {
    timeout: 120_000,
  }, async () => {
    // Told as fast as it comes: tokens would keep the socket from filling.
    const pushRate = { rate: 1_000_000, burst: 1_000_000 };
    const rig = await startRig({ slowBytes: 64 * 1024, slowBytesMax: 64 * 1024 * 1024, pushRate });
    ends.push(() => rig.close());
    const users = Array.from({ length: 20 }, (_, n) => `watched-${n}`);
    const slow = await new Client(rig.url).ready();
    slow.say({ type: 'subscribe', user_ids: users });
    await slow.next('snapshot');
    slow.socket.pause();
    const producer = await rig.log.producer();
    ends.push(() => producer.close());
    // Some 30 MB of diffs: more than the kernel takes for a socket that nobody reads.
    for (let version = 2; version <= versions; version += 1) {
      const records = users.map((user) => ({ key: user, value: rig.codecs.diff.encode(step(user, version)) }));
      await producer.send([{ topic: topicNames.diffs, records }]);
      if (version % 50 === 0) await sleep(1);
    }
    await until('a reader is slow', async () => (await shown('presence_gateway_slow_readers_total')) > 0, 60_000);
    slow.socket.resume();
    const all: { readonly user_id: string; readonly from: string; readonly to: string; readonly version: number }[] = [];
    const newest = new Map<string, number>();
    await until(
      'the newest of each has come',
      () => {
        for (const { diffs = [] } of slow.frames.splice(0)) {
          all.push(...diffs);
          for (const { user_id, version } of diffs) newest.set(user_id, version);
        }
        return users.every((user) => newest.get(user) === versions);
      },
      60_000,
    );
    expect(all.length).toBeLessThan((versions - 1) * users.length);
    for (const user of users) {
      const own = all.filter(({ user_id }) => user_id === user);
      expect(own.slice(1).map(({ from }) => from)).toEqual(own.slice(0, -1).map(({ to }) => to));
    }
  });

  test('snapshots that cannot be read wait up to their limit a connection; those that wait come when they can', async () => {
    const gate = new Gate();
    const on = await bench();
    const world = new World();
    const fanOut = await createFanOut({
      log: on.log,
      codecs: on.codecs,
      logger: silentLogger,
      readPresences: (keys, viewer) => gate.pass(() => world.read(keys, viewer)),
    });
    ends.push(() => fanOut.close());
    await fanOut.ready;
    const [ada, bob] = [new FakeConnection('ada', 'c-ada'), new FakeConnection('bob', 'c-bob')];
    gate.close();
    const attached = [fanOut.attach(ada), fanOut.attach(bob)];
    await sleep(5);
    const asked = Array.from({ length: 300 }, (_, n) =>
      fanOut.subscribe(ada, [`user-${n}`]).then(
        () => 'sent',
        (error: { code: string }) => error.code,
      ),
    );
    await sleep(5);
    expect(await shown('presence_gateway_snapshots_waiting_count')).toBeLessThanOrEqual(SNAPSHOTS_WAITING_MAX + 1);
    // Another connection's are its own.
    const other = fanOut.subscribe(bob, ['user-1']);
    await sleep(5);
    gate.open();
    await Promise.all([...attached, other]);
    const said = await Promise.all(asked);
    const sent = said.filter((one) => one === 'sent').length;
    expect([sent, said.filter((one) => one === 'STORE_UNAVAILABLE').length]).toEqual([
      SNAPSHOTS_WAITING_MAX - 1,
      301 - SNAPSHOTS_WAITING_MAX,
    ]);
    expect(ada.frames.filter(({ type }) => type === 'snapshot')).toHaveLength(sent + 1);
    expect(await shown('presence_gateway_snapshots_waiting_count')).toBe(0);
  });
});
