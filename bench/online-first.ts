/**
 * What it is worth to tell a long queue in two goes, who is there first (gateway/fan-out-queue.ts): a gateway's fan-out on an
 * embedded log, real sockets whose other ends another process reads, one burst of changes in one turn. A/B/A/B.
 */
import { fork } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { silentLogger } from '../base/logger.ts';
import { createFanOut } from '../gateway/fan-out.ts';
import type { Connection } from '../gateway/parts.ts';
import type { State } from '../schemas/generated.ts';
import { bench } from '../test/gateway/parts-kit.ts';
import { World } from '../test/gateway/truth.ts';
import { quantile } from './streams/gateways.ts';

const HELP = `npx tsx bench/online-first.ts [--clients N] [--watch N] [--users N] [--rounds N]

One burst in which each of --users N (default 20000) changes, half of them to offline, told to --clients N (default
5000) who watch --watch N (default 50) each: told in one go (A) and in two (B), --rounds N (default 3) of each in turn.
One JSON line at the end.
`;
const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '5000' },
    watch: { type: 'string', default: '50' },
    users: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '3' },
    readers: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [clients, watch, users] = [Number(values.clients), Number(values.watch), Number(values.users)];

/** The other ends: they read, and do nothing with it. */
if (values.readers !== undefined) {
  for (let i = 0; i < clients; i += 1) connect(Number(values.readers), '127.0.0.1').resume();
  await new Promise(() => {});
}

const sockets: Socket[] = [];
const server = createServer((socket) => void sockets.push(socket.setNoDelay()));
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address() as { port: number };
const readers = fork(import.meta.filename, ['--readers', String(port), '--clients', String(clients)]);
while (sockets.length < clients) await sleep(50);

let began = 0;
let told: { readonly toOffline: number[]; readonly others: number[] } = { toOffline: [], others: [] };
let frames = 0;

class Client implements Connection {
  readonly id: string;
  readonly userKey: string;
  readonly tenant = 'default';
  readonly open = true;
  readonly slow = false;
  readonly #socket: Socket;
  constructor(n: number) {
    this.id = this.userKey = `watcher-${n}`;
    this.#socket = sockets[n] as Socket;
  }
  send(frame: string): boolean {
    this.#socket.write(frame);
    if (!frame.startsWith('{"type":"diffs"')) return true;
    frames += 1;
    const at = performance.now() - began;
    const offline = frame.split('"to":"offline"').length - 1;
    const all = frame.split('"to":').length - 1;
    for (let i = 0; i < offline; i += 1) told.toOffline.push(at);
    for (let i = offline; i < all; i += 1) told.others.push(at);
    return true;
  }
  refuse(): void {}
}

async function round(onlineFirstFrom: number) {
  const on = await bench({ partitions: 8 });
  const world = new World();
  const parts = { log: on.log, codecs: on.codecs, logger: silentLogger, readPresences: world.read };
  const fanOut = await createFanOut({ ...parts, onlineFirstFrom, pushRate: { rate: 1_000_000, burst: 1_000_000 } });
  const key = (n: number): string => `watched-${n % users}`;
  const change = (to: (n: number) => State) => Array.from({ length: users }, (_, n) => world.change(key(n), to(n)));
  await on.diffs(change((n) => (n % 2 === 0 ? 'online' : 'busy'))); // before anybody watches: the snapshots say it
  await sleep(1_000);
  const begins: Promise<void>[] = [];
  for (let n = 0; n < clients; n += 1) {
    const client = new Client(n);
    begins.push(fanOut.attach(client));
    const step = Math.floor(users / watch) | 1; // odd: some of each kind
    const keys = Array.from({ length: watch }, (_, i) => key(n * 7 + i * step));
    begins.push(fanOut.subscribe(client, keys));
  }
  await Promise.all(begins);
  await sleep(1_000);
  told = { toOffline: [], others: [] };
  frames = 0;
  const diffs = change((n) => (n % 4 < 2 ? 'offline' : 'away'));
  began = performance.now();
  const cpu = process.cpuUsage();
  await on.diffs(diffs);
  while (told.toOffline.length + told.others.length < clients * watch) await sleep(20);
  const { user, system } = process.cpuUsage(cpu);
  await fanOut.close();
  const spread = (ms: readonly number[]) => [0.5, 0.99, 1].map((q) => Math.round(quantile(ms, q)));
  return {
    others_ms: spread(told.others),
    offline_ms: spread(told.toOffline),
    frames,
    cpu_ms: Math.round((user + system) / 1e3),
  };
}

const rounds: { readonly goes: number }[] = [];
await round(Number.POSITIVE_INFINITY); // warm
for (let n = 0; n < Number(values.rounds); n += 1) {
  rounds.push({ goes: 1, ...(await round(Number.POSITIVE_INFINITY)) });
  rounds.push({ goes: 2, ...(await round(1_000)) });
  console.error(JSON.stringify(rounds.slice(-2)));
}
readers.kill();
console.log(
  JSON.stringify({ machine: `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`, clients, watch, users, rounds }),
);
process.exit(0);
