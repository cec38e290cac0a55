/**
 * A mass return in routed mode: everybody comes back to fresh gateways within a few seconds, each with some users whom they
 * watch, and is answered by the fan-out topology. In one process, on the embedded log, without sockets: what is measured is
 * routes, answers and what gateways make of them. Also what a user costs in the topology's table.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { silentLogger } from '../base/logger.ts';
import { createFanOut } from '../gateway/fan-out.ts';
import type { FanOut, Reads } from '../gateway/parts.ts';
import type { Log, LogBatch } from '../ports/log.ts';
import { runJoined } from '../runtime/joined.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import type { Diff, UserState } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';
import { fanOut as topology } from '../topology/fan-out.ts';
import { topicSpecs } from '../topology/topics.ts';
import { quantile } from './streams/gateways.ts';
import { Client } from './streams/unwired-client.ts';

const HELP = `npm run bench:routes -- [--clients N] [--watch N] [--among N] [--gateways N] [--within S] [--changed SHARE]

A mass return in routed mode, in one process on the embedded log. One JSON line at the end.

  --clients N      who come (default 20000), each watching --watch N users (default 50) out of --among N (default 100000)
  --gateways N     between which they are shared (default 4)
  --within S       seconds in which they come, evenly (default 3)
  --changed SHARE  of the users change between leaving and coming back (default 0.01)
`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '20000' },
    watch: { type: 'string', default: '50' },
    among: { type: 'string', default: '100000' },
    gateways: { type: 'string', default: '4' },
    within: { type: 'string', default: '3' },
    changed: { type: 'string', default: '0.01' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [clientCount, watch, among, gatewayCount, within, share] = [
  ...[values.clients, values.watch, values.among, values.gateways, values.within, values.changed].map(Number),
] as [number, number, number, number, number, number];

const say = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);
const EPOCH = 1_767_225_600;
const T0 = EPOCH * 1_000;
const SEND = 2_000;

const userId = (i: number): string => `user-${String(i).padStart(7, '0')}`;

const stateOf = (user_id: string): UserState => {
  const seen = { state: 'online', source: 'app', since: T0, last_seen: T0, devices_live: 0, streaming: false } as const;
  const own = { user_id, epoch: EPOCH, version: 3, ...seen, override: null, devices: [] };
  return { ...own, public: { version: 3, ...seen, ghosts: null }, log: 0, offset: 1 };
};

const diffOf = (user_id: string): Diff => ({
  ...{ user_id, audience: 'all', from: 'online', to: 'busy', at: T0, epoch: EPOCH, version: 4, public_version: 4 },
  ...{ cause: 'signal', source: 'app', device_id: 'phone', trace_id: '0af7651916cd43dd8448eb211c80319c' },
  ...{ received_at: T0, log: 0, offset: 2 },
});

async function write<V>(log: Log, topic: string, count: number, record: (i: number) => V): Promise<void> {
  const producer = await log.producer();
  for (let first = 0; first < count; first += SEND) {
    const records = Array.from({ length: Math.min(SEND, count - first) }, (_, i) => record(first + i));
    await producer.send([{ topic, records: records as never }]);
  }
  await producer.close();
}

/** What a user costs in a partition's table: as it is loaded, all of them in one. */
function tableBytes(users: number): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    for (let round = 0; round < 3; round++) collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = held();
  const one = topology.processor(0);
  for (let i = 0; i < users; i++) one.load(stateOf(userId(i)));
  const bytes = (held() - before) / users;
  return one.stores[0]?.entries === users ? Math.round(bytes) : Number.NaN;
}

/** Records and bytes of their values, in what lies behind these offsets. */
async function written(log: Log, topic: string, since: readonly number[]): Promise<{ records: number; bytes: number }> {
  const sum = { records: 0, bytes: 0 };
  const onBatch = ({ records }: LogBatch): void => {
    sum.records += records.length;
    for (const { value } of records) sum.bytes += value?.length ?? 0;
  };
  for (const [partition, from] of since.entries()) await log.read({ topic, partition, from, onBatch });
  return sum;
}
const endsOf = async (log: Log, topic: string): Promise<readonly number[]> => (await log.offsets(topic)).map(({ end }) => end);

/** Everybody comes, evenly over `within`; until the last of them is answered. */
async function come(
  log: Log,
  gateways: readonly FanOut[],
  clients: readonly Client[],
  ask: (client: Client, to: FanOut) => unknown,
) {
  const topics = [topicNames.routes, topicNames.deliveries] as const;
  const ends = await Promise.all(topics.map((topic) => endsOf(log, topic)));
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const waits: number[] = [];
  const asked: Promise<unknown>[] = [];
  const one = async (client: Client, i: number): Promise<void> => {
    const at = performance.now();
    await ask(client, gateways[i % gateways.length] as FanOut);
    waits.push(performance.now() - at);
  };
  for (let next = 0; next < clients.length; ) {
    const due = Math.min(clients.length, Math.ceil(((performance.now() - began) / (within * 1_000)) * clients.length));
    for (; next < due; next++) asked.push(one(clients[next] as Client, next));
    await sleep(5);
  }
  const all_came_s = (performance.now() - began) / 1_000;
  await Promise.all(asked);
  const answered_s = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const [routes, deliveries] = await Promise.all(topics.map((topic, i) => written(log, topic, ends[i] as readonly number[])));
  return {
    ...{ all_came_s: round(all_came_s), answered_s: round(answered_s), cpu_s: round((user + system) / 1e6) },
    ...{ wait_ms_p50: Math.round(quantile(waits, 0.5)), wait_ms_p99: Math.round(quantile(waits, 0.99)), routes, deliveries },
  };
}
const round = (value: number): number => Math.round(value * 100) / 100;

async function open(log: Log, codecs: Codecs, readPresences: Reads['presences']): Promise<readonly FanOut[]> {
  const options = { log, codecs, logger: silentLogger, readPresences, mode: 'routed' as const };
  const gateways = await Promise.all(Array.from({ length: gatewayCount }, () => createFanOut(options)));
  await Promise.all(gateways.map((gateway) => gateway.ready));
  return gateways;
}

const table_bytes_a_user = tableBytes(among);
say(`A user costs ${table_bytes_a_user} bytes in the table, of ${among}.`);
const log = await createEmbeddedLog({ partitionBytesMax: 2 ** 30 });
await log.ensureTopics(topicSpecs());
const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
await write(log, topicNames.state, among, (i) => ({ key: userId(i), value: codecs.userState.encode(stateOf(userId(i))) }));
const runner = await runJoined({ log, codecs, joined: topology, group: 'fan-out', logger: silentLogger });
const taking = performance.now();
while (runner.partitions.length === 0 || runner.problem !== null) await sleep(20);
say(`The topology has its tables after ${round((performance.now() - taking) / 1_000)} s.`);

const since = new Date(T0).toISOString();
/** A cache that has what the topology has: watchers themselves were never seen. */
const readPresences: Reads['presences'] = async (keys) =>
  keys.map((user_id) => {
    const seen = user_id.startsWith('user-');
    return {
      ...{ user_id, state: seen ? 'online' : 'offline', source: 'app', since, last_seen: since, fresh_at: since, stale: false },
      ...{ epoch: seen ? EPOCH : 0, version: seen ? 3 : 0, devices: 1 },
    } as const;
  });
let drawn = 1;
const draw = (): number => {
  drawn = (Math.imul(drawn, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((drawn / 2 ** 32) * among);
};
const clients = Array.from(
  { length: clientCount },
  (_, i) =>
    new Client(
      i,
      Array.from({ length: watch }, () => userId(draw())),
    ),
);

say(`${clientCount} clients of ${watch} users come for the first time.`);
const first = await open(log, codecs, readPresences);
const subscribed = await come(log, first, clients, async (client, gateway) => {
  await gateway.attach(client);
  await gateway.subscribe(client, client.watched);
});
say(JSON.stringify(subscribed));

say('All leave; they come back to other gateways.');
await Promise.all(first.map((gateway) => gateway.close()));
await write(log, topicNames.diffs, Math.round(among * share), (i) => ({
  key: userId(i),
  value: codecs.diff.encode(diffOf(userId(i))),
}));
const second = await open(log, codecs, readPresences);
const again = clients.map((client) => client.again());
const resumed = await come(log, second, again, async (client, gateway) => {
  await gateway.attach(client);
  await gateway.resume(client, client.since, client.watched);
});
say(JSON.stringify(resumed));
const told = again.reduce((sum, client) => sum + client.diffs, 0);
const { clients: of, among: out_of, gateways, within: within_s } = values;
process.stdout.write(
  `${JSON.stringify({ clients: of, watch, among: out_of, gateways, within_s, table_bytes_a_user, subscribed, resumed, told })}\n`,
);
await Promise.all(second.map((gateway) => gateway.close()));
await runner.close();
await log.close();
