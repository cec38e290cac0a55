/**
 * Everyone comes back at once: a gateway is killed with all its clients, or all clients of all gateways lose their sockets.
 *
 * Measured through watchers on real parts, each role a process of its own: how long the last client is away (from its close to
 * its next snapshot), what becomes of everybody else's diffs meanwhile, and how many were told to be offline.
 */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startCluster } from '../test/load/cluster.ts';
import { Clients } from './streams/crowd.ts';
import { addressOf, quantile } from './streams/gateways.ts';
import type { Crowd, Report } from './streams/messages.ts';

const HELP = `npm run bench:storm -- [--clients N] [--watch N] [--changes N] [--rounds N]

Two gateways with --clients N each (default 9000), each watching --watch N others (default 20), --changes N changes of state a
second (default 200). A round kills one gateway with -9; its clients go to the other one. One JSON line at the end.

  --rounds N       (default 1) the gateway that was killed is started again in between
  --per-second N   connections begun a second at the start (default 400)
`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '9000' },
    watch: { type: 'string', default: '20' },
    changes: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '1' },
    'per-second': { type: 'string', default: '400' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const count = Number(values.clients);
const say = (text: string): void => console.error(`${new Date().toISOString()} ${text}`);

say('Starting Kafka, schema registry, PostgreSQL, Redis, and the roles.');
const cluster = await startCluster({ topology: 1, sinks: 1, gateway: 2 });
const [doomed, other] = cluster.of('gateway');
if (doomed === undefined || other === undefined) throw new Error('Two gateways are needed.');
const shared = {
  prefix: 'storm-',
  count,
  perSecond: Number(values['per-second']),
  watch: Number(values.watch),
  watchPrefix: 'storm-',
  among: 2 * count,
  bind: true,
  beats: 0,
  returns: true,
  sample: 1,
  seed: 1,
} satisfies Partial<Crowd>;
const theirs = new Clients({ ...shared, gateways: [addressOf(doomed), addressOf(other)], first: 0, changes: 0 });
await theirs.settle(120_000, say);
const others = new Clients({
  ...shared,
  gateways: [addressOf(other), addressOf(doomed)],
  first: count,
  changes: Number(values.changes),
});
await others.settle(120_000, say);
await sleep(10_000);

const figuresOf = ({ latency_ms, offline, closes }: Report) => ({
  diffs: latency_ms.length,
  p50_ms: Math.round(quantile(latency_ms, 0.5)),
  p99_ms: Math.round(quantile(latency_ms, 0.99)),
  said_offline: offline,
  closes,
});

const rounds: object[] = [];
for (let round = 0; round < Number(values.rounds); round += 1) {
  await others.reset();
  await sleep(10_000);
  const calm = figuresOf(await others.report());
  await theirs.reset();
  await others.reset();
  say('A gateway is killed with all its clients.');
  await doomed.kill();
  await theirs.settle(60_000, say);
  await sleep(2_000);
  const [back, stayed] = [await theirs.report(), await others.report()];
  const said = {
    away_p50_ms: Math.round(quantile(back.away_ms, 0.5)),
    away_p99_ms: Math.round(quantile(back.away_ms, 0.99)),
    away_most_ms: Math.round(quantile(back.away_ms, 1)),
    away_over_3_s: back.away_ms.filter((ms) => ms > 3_000).length,
    refused: back.closes,
    others_before: calm,
    others_meanwhile: figuresOf(stayed),
  };
  say(JSON.stringify(said));
  rounds.push(said);
  if (round + 1 === Number(values.rounds)) break;
  await doomed.restart();
  await sleep(5_000);
}
console.log(
  JSON.stringify({
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
    clients: 2 * count,
    watched: Number(values.watch),
    changes_per_s: Number(values.changes),
    rounds,
  }),
);
await Promise.all([theirs.end(), others.end()]);
await cluster.stop();
process.exit(0);
