/**
 * What snapshots of a mass return cost to read (gateway/gathered.ts): subscriptions that come within a few turns, read
 * from a real Redis, each by itself (A) and together (B), in turn.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { turn } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { createRedisCache } from '../connectors/redis/index.ts';
import { createReads } from '../gateway/reads.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import { userState, write } from '../test/contract/states.ts';
import { isSkipped, redis } from '../test/stack/index.ts';
import { quantile } from './streams/gateways.ts';

const HELP = `npx tsx bench/reads.ts [--subscriptions N] [--watch N] [--users N] [--turn N] [--rounds N]

Reads --subscriptions N (default 1000) of --watch N users (default 50) among --users N (default 5000), --turn N of them
in a turn of the loop (default 50), from a Redis of its own: each by itself and together, --rounds N (default 3) of each.
One JSON line at the end.
`;
const { values } = parseArgs({
  options: {
    subscriptions: { type: 'string', default: '1000' },
    watch: { type: 'string', default: '50' },
    users: { type: 'string', default: '5000' },
    turn: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [subscriptions, watch, users, aTurn] = [values.subscriptions, values.watch, values.users, values.turn].map(Number) as [
  number,
  number,
  number,
  number,
];

const own = await redis();
if (isSkipped(own)) throw new Error(own.skipped);
const cache = createRedisCache({ url: own.url, logger: silentLogger, timeout_ms: 30_000 });
for (;;) {
  if (
    await cache.ping().then(
      () => true,
      () => false,
    )
  )
    break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const key = (n: number): string => `watched-${n % users}`;
await cache.apply(
  Array.from({ length: users }, (_, n) => write(userState(key(n)), n)),
  [],
);

let trips = 0;
let read = 0;
const counted: Pick<PresenceCache, 'read' | 'fill'> = {
  read: (keys) => {
    trips += 1;
    read += keys.length;
    return cache.read(keys);
  },
  fill: (writes, ttl_ms) => cache.fill(writes, ttl_ms),
};
const store = { read: () => Promise.reject(new Error('Everybody is in the cache.')) };
const make = () => createReads({ cache: counted, store, partitionOf: () => 0, logger: silentLogger });

async function round(together: boolean) {
  [trips, read] = [0, 0];
  const shared = make();
  const ms: number[] = [];
  const one = async (n: number): Promise<void> => {
    const keys = Array.from({ length: watch }, (_, i) => key(n * 7 + i * (Math.floor(users / watch) | 1)));
    const began = performance.now();
    await (together ? shared : make()).presences(keys, { userKey: `watcher-${n}`, admin: false });
    ms.push(performance.now() - began);
  };
  const began = performance.now();
  const cpu = process.cpuUsage();
  const all: Promise<void>[] = [];
  for (let n = 0; n < subscriptions; n += 1) {
    if (n % aTurn === 0) await turn();
    all.push(one(n));
  }
  await Promise.all(all);
  const { user, system } = process.cpuUsage(cpu);
  const spread = [0.5, 0.99].map((q) => Math.round(quantile(ms, q)));
  return {
    trips,
    read,
    cpu_ms: Math.round((user + system) / 1e3),
    all_ms: Math.round(performance.now() - began),
    each_ms: spread,
  };
}

await round(false);
await round(true);
const rounds: object[] = [];
for (let n = 0; n < Number(values.rounds); n += 1) {
  rounds.push({ together: false, ...(await round(false)) }, { together: true, ...(await round(true)) });
}
const lone: number[] = [];
const alone = make();
for (let n = 0; n < 200; n += 1) {
  const began = performance.now();
  await alone.presences([key(n)], { userKey: 'watcher', admin: false });
  lone.push(performance.now() - began);
}
console.log(
  JSON.stringify({
    machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`,
    subscriptions,
    watch,
    users,
    rounds,
    lone_ms: [0.5, 0.99].map((q) => Number(quantile(lone, q).toFixed(2))),
  }),
);
await cache.close();
await own.stop();
process.exit(0);
