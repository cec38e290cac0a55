/**
 * How soon is presence seen? On real parts, each role a process of its own, under a steady load of signals:
 *
 * - online: from a client's hello to the moment at which a watcher of another connection has the diff;
 * - frozen: from SIGSTOP of a client's process to the watcher's `offline`;
 * - gateway: from SIGKILL of a gateway to the watcher's `offline` for each of its clients.
 *
 * `npm run bench:freshness [-- --rate 2000 --seconds 30 --users 1000 --frozen 5]`. Prints one JSON line at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LoadClient } from '../test/load/client.ts';
import { type Cluster, type Role, startCluster } from '../test/load/cluster.ts';
import { sumsOf } from './streams/gateways.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '30' },
    users: { type: 'string', default: '1000' },
    frozen: { type: 'string', default: '5' },
    'gateway-clients': { type: 'string', default: '50' },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);

const say = (text: string): void => console.error(text);

interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

function summary(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN);
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** A steady stream of state changes; returns how many were said. */
async function load(clients: readonly LoadClient[], until: () => boolean): Promise<number> {
  const states = ['away', 'busy', 'online'] as const;
  const started = performance.now();
  let said = 0;
  while (!until()) {
    const due = Math.floor(((performance.now() - started) / 1_000) * rate);
    for (; said < due; said++) {
      const client = clients[said % clients.length]!;
      client.say(states[Math.floor(said / clients.length) % states.length]!);
    }
    await sleep(5);
  }
  return said;
}

/** Probes say hello one after the other; the watcher's clock stops at `online`. */
async function online(cluster: Cluster, done: { value: boolean }): Promise<number[]> {
  const gateway = cluster.of('gateway')[0]!.url;
  const names = Array.from({ length: Math.ceil(seconds / 0.1) }, (_, i) => `probe-${i}`);
  const said = new Map<string, number>();
  const samples: number[] = [];
  const watcher = new LoadClient({
    user: 'watcher',
    device: 'w',
    gateways: [gateway],
    watch: names,
    bind: false,
    onDiff: (diff, received) => {
      const at = said.get(diff.user_id);
      if (diff.to !== 'online' || at === undefined) return;
      said.delete(diff.user_id);
      samples.push(received - at);
    },
  });
  await watcher.connect();
  await sleep(2_000);
  const probes: LoadClient[] = [];
  for (const user of names) {
    const probe = new LoadClient({ user, device: 'p', gateways: [gateway], bind: false });
    await probe.connect();
    said.set(user, performance.now());
    probe.hello();
    probes.push(probe);
    await sleep(90 + Math.random() * 20);
  }
  await sleep(2_000);
  if (said.size > 0) say(`${said.size} of ${names.length} probes were never seen online.`);
  done.value = true;
  for (const probe of probes) probe.close();
  watcher.close();
  return samples;
}

/** Clients of their own process, so that SIGSTOP and SIGKILL hit them alone. */
function outside(users: readonly string[], gateway: string): ChildProcess {
  const script = fileURLToPath(new URL('../test/load/outside.ts', import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', script, gateway, ...users], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function untilOffline(cluster: Cluster, users: readonly string[], hurt: () => void, limit_ms: number): Promise<number[]> {
  const samples: number[] = [];
  const left = new Set(users);
  let hurtAt = Number.POSITIVE_INFINITY;
  const watcher = new LoadClient({
    user: 'watcher',
    device: 'w',
    gateways: [cluster.of('gateway')[0]!.url],
    watch: users,
    bind: false,
    onDiff: (diff, received) => {
      if (diff.to === 'offline' && left.delete(diff.user_id)) samples.push(received - hurtAt);
    },
  });
  await watcher.connect();
  await sleep(2_000 + Math.random() * 1_000);
  hurtAt = performance.now();
  hurt();
  while (left.size > 0 && performance.now() - hurtAt < limit_ms) await sleep(50);
  if (left.size > 0) say(`${left.size} of ${users.length} were not seen offline within ${limit_ms} ms.`);
  watcher.close();
  return samples;
}

async function frozen(cluster: Cluster): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < Number(values.frozen); i++) {
    const users = [`frozen-${i}`];
    const child = outside(users, cluster.of('gateway')[0]!.url);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    samples.push(...(await untilOffline(cluster, users, () => child.kill('SIGSTOP'), 15_000)));
    child.kill('SIGKILL');
  }
  return samples;
}

async function lostGateway(cluster: Cluster): Promise<number[]> {
  const doomed = await cluster.start('gateway');
  const users = Array.from({ length: Number(values['gateway-clients']) }, (_, i) => `doomed-${i}`);
  const child = outside(users, doomed.url);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  const samples = await untilOffline(cluster, users, () => void doomed.kill(), 15_000);
  child.kill('SIGKILL');
  return samples;
}

/** Of one role: CPU-seconds used, and the mean of what it measures of itself, ms. */
async function inside(role: Pick<Role, 'url'>): Promise<Record<string, number>> {
  const sum = await sumsOf(role);
  const mean = (name: string): number => Math.round((sum(`${name}_sum`) / sum(`${name}_count`)) * 10_000) / 10;
  return {
    cpu_s: Math.round(sum('process_cpu_seconds_total')),
    commit_ms: mean('presence_commit_seconds'),
    tick_late_ms: mean('presence_tick_lateness_seconds'),
    outbox_ms: mean('presence_outbox_batch_seconds'),
    loop_lag_ms: Math.round(sum('nodejs_eventloop_lag_p99_seconds') * 1_000),
  };
}

say('Starting Kafka, schema registry, PostgreSQL, Redis and three roles.');
const cluster = await startCluster({ topology: 1, sinks: 1, gateway: 1 });
const clients = Array.from(
  { length: Number(values.users) },
  (_, i) => new LoadClient({ user: `load-${i}`, device: 'd', gateways: [cluster.of('gateway')[0]!.url] }),
);
for (let i = 0; i < clients.length; i += 50) await Promise.all(clients.slice(i, i + 50).map((client) => client.connect()));
say(`${clients.length} clients are connected; ${rate} signals a second from now on, probes for ${seconds} s.`);
const done = { value: false };
const started = performance.now();
const saying = load(clients, () => done.value);
await sleep(5_000);
const samples = {
  online: await online(cluster, { value: false }),
  frozen: await frozen(cluster),
  gateway: await lostGateway(cluster),
};
done.value = true;
const said = await saying;
for (const role of cluster.roles.slice(0, 3)) say(`${role.description}: ${JSON.stringify(await inside(role))}`);
const result = {
  machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
  signals_per_s: Math.round(said / ((performance.now() - started) / 1_000)),
  online_ms: summary(samples.online),
  frozen_offline_ms: summary(samples.frozen),
  killed_gateway_offline_ms: summary(samples.gateway),
};
console.log(JSON.stringify(result));
for (const client of clients) client.close();
await cluster.stop();
process.exit(0);
