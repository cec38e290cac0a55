/**
 * Nobody is named in a log line or a metric: not by what clients do, not by what goes wrong. Every logger here speaks at trace,
 * and everything that names somebody holds the mark.
 */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import { createPresenceStore } from '../../connectors/cockroach/index.ts';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { createRedisCache } from '../../connectors/redis/index.ts';
import { runStateSinks } from '../../connectors/sinks/index.ts';
import type { GatewayOptions } from '../../gateway/index.ts';
import { topicNames } from '../../schemas/topics.ts';
import { auditTopic } from '../../topology/audit-topic.ts';
import { freePort } from '../stack/index.ts';
import { Client, eventually, PARTITIONS, type Rig, raw, refusedUpgrade, seen, startRig } from './harness.ts';
import { tellDiffs } from './policy-kit.ts';

const MARK = 'q7mark';
const ada = `${MARK}-ada`;
const bob = `${MARK}-bob`;
const token = (user: string): string => `dev:${user}`;

let lines: string[] = [];
const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
const named = (): string[] => lines.filter((line) => line.includes(MARK));

let rig: Rig | undefined;
beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

const busy = async (options: Partial<GatewayOptions>): Promise<Rig> => {
  rig = await startRig({ logger, topics: [auditTopic(PARTITIONS)], audit: true, ...options });
  for (const user of [ada, bob]) await rig.seed(user);
  return rig;
};

const post = (path: string, as: string, json: unknown) => rig?.fetch(path, { method: 'POST', as, json }) as Promise<Response>;

/** What clients do, well and badly. */
async function clientsOf({ url, fetch }: Rig): Promise<void> {
  const client = await new Client(url, { as: token(bob) }).ready();
  client.say({ type: 'hello', device_id: `${MARK}-phone`, session_id: `${MARK}-s1` });
  client.say({ type: 'heartbeat', seq: 1, state: 'busy', source: 'app', ack: true });
  await client.next('ack');
  client.say({ type: 'subscribe', user_ids: [ada, `${MARK}-nobody`] });
  await client.next('snapshot');
  for (const bad of [
    { type: 'subscribe', user_ids: [`${MARK} with a space`] },
    { type: 'hello', device_id: `${MARK}\n`, session_id: 's' },
    { type: `${MARK}` },
    { type: 'resume', cursor: `${MARK}`, user_ids: [ada] },
    { type: 'token', token: `${MARK}.${MARK}.${MARK}` },
    { type: 'token', token: token(ada) },
    `{"type":"${MARK}`,
  ]) {
    client.say(bad);
    await client.next('error');
  }
  await post('/presence/override', token(ada), { state: 'invisible', reason: `${MARK} is on holiday` });
  await post('/presence/heartbeat', token(ada), { device_id: `${MARK}-tablet`, session_id: `${MARK}-s2`, seq: 1 });
  await post('/presence/subscriptions/add', token(bob), { user_ids: [ada] });
  await post('/presence/query', token(bob), { user_ids: [ada, `${MARK}?`] });
  for (const path of [`/presence?user_ids=${ada},${MARK}%ff`, `/presence/history?user_id=${ada}&window=1h&cursor=${MARK}`])
    await fetch(path, { as: token(bob) });
  await fetch('/presence?user_ids=x', { as: `${MARK}.${MARK}.${MARK}` });
  await refusedUpgrade(url, { query: `?access_token=${MARK}` });
  await refusedUpgrade(url, { protocols: ['presence.v1', `bearer.${MARK}`] });
  await raw(url, [`GET /presence?user_ids=${MARK} HTTP/1.1\r\nAuthorization: Bearer dev:${MARK}\r\nx: ${MARK}\0\r\n\r\n`], {
    give_up_ms: 100,
  });
  client.socket.close();
}

/** What fails under them. */
async function faultsOf(one: Rig): Promise<void> {
  const { cache, store, faults, log } = one;
  cache.down = true;
  expect((await one.fetch(`/presence?user_ids=${bob}`, { as: token(bob) })).status).toBe(200);
  store.down = true;
  expect((await one.fetch(`/presence?user_ids=${bob}`, { as: token(bob) })).status).toBe(503);
  const client = new Client(one.url, { as: token(ada) });
  await client.next('welcome');
  client.say({ type: 'subscribe', user_ids: [bob] });
  cache.down = false;
  store.down = false;
  faults.refuse = true;
  const held = post('/presence/heartbeat', token(bob), { device_id: `${MARK}-tv`, session_id: `${MARK}-s3`, seq: 1 });
  await eventually(async () => !(await one.fetch('/readyz', { as: '' })).ok, 'a log that is away');
  faults.refuse = false;
  expect((await held).status).toBe(202);
  const producer = await log.producer();
  const value = Buffer.from(`${MARK}: no Avro`);
  const rubbish = [topicNames.diffs, topicNames.interest, topicNames.deliveries];
  await producer.send(rubbish.map((topic) => ({ topic, records: [{ key: ada, value }] })));
  await producer.close();
  await tellDiffs(one, bob, 'away', 2);
  await eventually(() => client.seen.has('snapshot'));
  client.socket.terminate();
}

describe('Nobody is named', () => {
  test.each<[string, Partial<GatewayOptions>]>([
    ['everyone may watch', {}],
    ['contacts', { watchPolicy: 'contacts', historyOf: 'tenant' }],
    ['routed', { fanOut: 'routed', answerWithin_ms: 3_000 }],
    ['a policy that fails', { watchPolicy: { maySee: () => Number('x').toFixed(101) === '' } }],
    ['signed tokens', { jwtSecret: `${MARK} is a secret of more than 32 characters` }],
  ])('in a busy gateway: %s', { timeout: 60_000 }, async (what, options) => {
    const one = await busy(options);
    if (what === 'signed tokens') {
      await one.fetch('/presence?user_ids=x', { as: `${MARK}.${MARK}.${MARK}` });
      await refusedUpgrade(one.url, { query: `?access_token=${MARK}.${MARK}` });
    } else if (what === 'routed') {
      // Without the fan-out topology behind it snapshots do not come: what is said without them.
      await one.fetch(`/presence?user_ids=${ada}`, { as: token(bob) });
      await post('/presence/subscriptions/add', token(bob), { user_ids: [ada] });
    } else {
      await clientsOf(one);
      await faultsOf(one);
    }
    await one.gateway.close({ within_ms: 50 });
    expect(lines.length).toBeGreaterThan(1);
    expect(named()).toEqual([]);
    expect((await registry.metrics()).split('\n').filter((line) => line.includes(MARK))).toEqual([]);
  });

  test('by sinks that cannot use a record, and by a database and a cache that are away', { timeout: 60_000 }, async () => {
    const one = await busy({});
    const nowhere = `127.0.0.1:${await freePort()}`;
    const cache = createRedisCache({ url: `redis://${nowhere}`, logger });
    const store = createPresenceStore({ url: `postgres://${nowhere}/x`, logger });
    await expect(cache.read([ada])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(store.read([ada])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await cache.close();
    await store.close();

    const sinks = runStateSinks({ log: one.log, codecs: one.codecs, logger, cache: createInProcessCache() });
    const producer = await one.log.producer();
    const value = one.codecs.userState.encode(seen(ada));
    await producer.send([
      {
        topic: topicNames.state,
        records: [
          { key: bob, value },
          { key: ada, value: Buffer.from(MARK) },
        ],
      },
    ]);
    await producer.close();
    await eventually(async () => {
      const offsets = await one.log.offsets(topicNames.deadLetters);
      return offsets.reduce((sum, { end }) => sum + end, 0) >= 2;
    }, 'dead letters');
    await sinks.close();
    expect(lines.length).toBeGreaterThan(1);
    expect(named()).toEqual([]);
  });
});
