/**
 * What it costs a gateway to tell diffs to a crowd: diffs are written to `presence.diffs` in bursts, as the topology would, so
 * that nothing but fan-out is measured; clients in processes of their own count what comes.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { silentLogger } from '../base/logger.ts';
import { partitionOf } from '../base/murmur2.ts';
import { createKafkaLog } from '../runtime/log-kafka.ts';
import { createCodecs } from '../schemas/codec.ts';
import { createConfluentRegistry } from '../schemas/confluent-registry.ts';
import { topicNames } from '../schemas/topics.ts';
import { startCluster } from '../test/load/cluster.ts';
import { Clients } from './streams/crowd.ts';
import { addressOf, figuresOf, quantile } from './streams/gateways.ts';

const HELP = `npm run bench:fanout -- [--clients N] [--watch N] [--users N] [--burst N] [--bursts N] [--seconds N] [--stalled S]

Tells diffs to a crowd through one gateway on real parts; one JSON line at the end: deliveries a second and a core, latency.

  --clients N      watchers (default 5000), each of --watch N users (default 50) out of --users N (default 1000)
  --burst N        users that change in a burst (default 200: then each watcher is told ten at once)
  --bursts N       a second (default 2)
  --seconds N      measured (default 20)
  --stalled S      this share of the clients reads nothing in every second stretch: A/B/A/B, four in all (default 0: one)
`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '5000' },
    watch: { type: 'string', default: '50' },
    users: { type: 'string', default: '1000' },
    burst: { type: 'string', default: '200' },
    bursts: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '20' },
    stalled: { type: 'string', default: '0' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const users = Number(values.users);
const burst = Math.min(users, Number(values.burst));
const say = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);

say('Starting Kafka, schema registry, PostgreSQL, Redis and the gateway.');
// The other roles make topics and tables; nobody says anything to them.
const cluster = await startCluster({ topology: 1, sinks: 1, gateway: 1 });
const gateway = cluster.of('gateway')[0];
if (gateway === undefined) throw new Error('No gateway.');
const log = await createKafkaLog({ brokers: cluster.kafka.brokers, clientId: 'bench', logger: silentLogger });
const codecs = await createCodecs({ registry: createConfluentRegistry({ url: cluster.registry.url }) });
const partitions = await log.partitions(topicNames.diffs);
const producer = await log.producer();
const versions = new Array<number>(users).fill(0);
let nextUser = 0;

/** As many users, in turn, change between two states. */
async function sayBurst(): Promise<void> {
  const records = Array.from({ length: partitions }, () => [] as { key: string; value: Buffer }[]);
  const at = Date.now();
  for (let i = 0; i < burst; i += 1) {
    const user = nextUser;
    nextUser = (nextUser + 1) % users;
    const version = (versions[user] = (versions[user] as number) + 1);
    const [from, to] = version % 2 === 1 ? (['offline', 'online'] as const) : (['online', 'offline'] as const);
    const key = `watched-${user}`;
    const value = codecs.diff.encode({
      user_id: key,
      audience: 'all',
      from,
      to,
      at,
      epoch: 1,
      version,
      public_version: version,
      cause: 'signal',
      source: 'app',
      device_id: null,
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      received_at: at,
      log: 0,
      offset: version,
    });
    records[partitionOf(key, partitions)]?.push({ key, value });
  }
  await producer.send(
    records.flatMap((those, partition) => (those.length === 0 ? [] : [{ topic: topicNames.diffs, partition, records: those }])),
  );
}

interface Stretch {
  readonly stalled: number;
  readonly deliveries: number;
  readonly seconds: number;
  readonly cpu_s: number;
  readonly p50: number;
  readonly p99: number;
  readonly rss: number;
}

async function stretch(clients: Clients, stalled: number): Promise<Stretch> {
  await clients.stall(stalled);
  await clients.reset();
  const before = await figuresOf(gateway as NonNullable<typeof gateway>);
  const began = performance.now();
  const every = 1_000 / Number(values.bursts);
  for (let n = 0; performance.now() - began < Number(values.seconds) * 1_000; n += 1) {
    await sleep(Math.max(0, began + n * every - performance.now()));
    await sayBurst();
  }
  const seconds = (performance.now() - began) / 1_000;
  await sleep(1_000);
  const after = await figuresOf(gateway as NonNullable<typeof gateway>);
  const { latency_ms } = await clients.report();
  await clients.stall(0);
  await sleep(2_000);
  const [p50, p99] = [quantile(latency_ms, 0.5), quantile(latency_ms, 0.99)];
  const deliveries = after.pushed - before.pushed;
  return { stalled, deliveries, seconds, cpu_s: after.cpu_s - before.cpu_s, p50, p99, rss: after.rss };
}

const clients = new Clients({
  gateways: [addressOf(gateway)],
  prefix: 'watcher-',
  first: 0,
  count: Number(values.clients),
  perSecond: 500,
  watch: Number(values.watch),
  watchPrefix: 'watched-',
  among: users,
  bind: false,
  beats: 0,
  changes: 0,
  returns: false,
  sample: 7,
  seed: 1,
});
await clients.settle(60_000, say);
for (let n = 0; n < 3; n += 1) await sayBurst(); // warm
await sleep(2_000);
const stalled = Number(values.stalled);
const stretches: Stretch[] = [];
for (const share of stalled > 0 ? [0, stalled, 0, stalled] : [0]) {
  stretches.push(await stretch(clients, share));
  say(JSON.stringify(stretches.at(-1)));
}
const round = (one: Stretch) => ({
  stalled: one.stalled,
  deliveries_per_s: Math.round(one.deliveries / one.seconds),
  deliveries_per_cpu_s: Math.round(one.deliveries / one.cpu_s),
  p50_ms: one.p50,
  p99_ms: one.p99,
  rss_mib: Math.round(one.rss / 2 ** 20),
});
console.log(
  JSON.stringify({
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
    clients: Number(values.clients),
    watched: Number(values.watch),
    users,
    diffs_a_turn: (burst / users) * Number(values.watch),
    stretches: stretches.map(round),
  }),
);
await clients.end();
await producer.close();
await log.close();
await cluster.stop();
process.exit(0);
