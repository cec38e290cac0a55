/**
 * What a subscribed connection costs that is told nothing: memory of the gateway, a process of its own on real parts, with
 * clients that each watch some users out of many, bear a token, answer pings, and beat in part.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '../test/load/cluster.ts';
import { Clients } from './streams/crowd.ts';
import { addressOf, type Figures, figuresOf, mebibytes } from './streams/gateways.ts';

const HELP = `npm run bench:idle -- [--connections N] [--gateways N] [--minutes N] [--watch N] [--among N] [--beats SHARE]

Opens connections to gateways on real parts, holds them, and prints what each costs: one JSON line at the end.

  --connections N  of each gateway (default 19000: a process has 20,000 file descriptors on many machines)
  --gateways N     processes (default 1)
  --minutes N      for how long they are held (default 10)
  --watch N        users that each watches (default 50), drawn from --among N (default 100000)
  --beats SHARE    of the clients: send a heartbeat each second, beside the pongs of all (default 0.1)
  --per-second N   connections begun a second, all together (default 1000)
`;

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '19000' },
    gateways: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
    watch: { type: 'string', default: '50' },
    among: { type: 'string', default: '100000' },
    beats: { type: 'string', default: '0.1' },
    'per-second': { type: 'string', default: '1000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const say = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);
const connections = Number(values.connections);
const gateways = Number(values.gateways);

const sum = (figures: readonly Figures[], of: (one: Figures) => number): number =>
  figures.reduce((total, one) => total + of(one), 0);

say('Starting Kafka, schema registry, PostgreSQL, Redis and the gateways.');
const cluster = await startCluster({ topology: 1, sinks: 1, gateway: gateways });
const roles = cluster.of('gateway');
const look = (): Promise<Figures[]> => Promise.all(roles.map(figuresOf));
await sleep(3_000);
const before = await look();
const clients = new Clients({
  gateways: roles.map(addressOf),
  prefix: 'idle-',
  first: 0,
  count: connections * gateways,
  perSecond: Number(values['per-second']),
  watch: Number(values.watch),
  watchPrefix: 'watched-',
  among: Number(values.among),
  bind: true,
  beats: Number(values.beats),
  changes: 0,
  returns: false,
  sample: 1,
  seed: 1,
});
await clients.settle(120_000, say);
const settled = await look();
say(`All have settled: ${mebibytes(sum(settled, ({ rss }) => rss))} MiB resident. They are held for ${values.minutes} minutes.`);
const until = performance.now() + Number(values.minutes) * 60_000;
let most = sum(settled, ({ rss }) => rss);
while (performance.now() < until) {
  await sleep(Math.min(10_000, Math.max(0, until - performance.now())));
  most = Math.max(
    most,
    sum(await look(), ({ rss }) => rss),
  );
}
const after = await look();
const { open, closes } = await clients.report();
const held_s = sum(after, ({ cpu_s }) => cpu_s) - sum(settled, ({ cpu_s }) => cpu_s);
const each = (figures: readonly Figures[], of: (one: Figures) => number): number =>
  Math.round((sum(figures, of) - sum(before, of)) / (connections * gateways));
console.log(
  JSON.stringify({
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
    gateways,
    connections: sum(after, (one) => one.connections),
    watches: sum(after, (one) => one.watches),
    minutes: Number(values.minutes),
    rss_before_mib: mebibytes(sum(before, ({ rss }) => rss)),
    rss_after_mib: mebibytes(sum(after, ({ rss }) => rss)),
    rss_most_mib: mebibytes(most),
    bytes_a_connection: each(after, ({ rss }) => rss),
    heap_bytes_a_connection: each(after, ({ heap }) => heap),
    cpu_us_a_connection_and_second: Math.round((held_s / (connections * gateways) / (Number(values.minutes) * 60)) * 1e7) / 10,
    lost: connections * gateways - open,
    closes,
  }),
);
await clients.end();
await cluster.stop();
process.exit(0);
