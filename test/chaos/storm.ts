/**
 * A storm: clients under load on two gateways while roles are killed in turn, the broker is away for 5 s and
 * the topology is paused for 20 s. Clients keep living all the time, so whoever is declared offline, other than
 * a client of a gateway that died, is a false offline.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '../../base/logger.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { createCodecs } from '../../schemas/codec.ts';
import { createConfluentRegistry } from '../../schemas/confluent-registry.ts';
import type { Diff } from '../../schemas/generated.ts';
import { BackgroundClient } from '../load/background.ts';
import { LoadClient } from '../load/client.ts';
import { type Cluster, type Role, startCluster } from '../load/cluster.ts';
import { type Evidence, verify } from './verify.ts';

export interface StormOptions {
  /** How many roles are killed, in turn: gateway, topology, sinks. */
  readonly kills: number;
  /** How often the broker is stopped for 5 s. */
  readonly brokerRestarts: number;
  /** How often the topology is paused for 20 s. */
  readonly pauses: number;
  readonly users: number;
  /** State changes a second over all users. */
  readonly rate: number;
  readonly say: (line: string) => void;
}

export interface StormReport {
  readonly faults: readonly string[];
  readonly transitions: number;
  readonly said: number;
  readonly kills: number;
  readonly seconds: number;
}

/** After a gateway's death its clients may be seen offline for so long, ms. */
const EXCUSED_MS = 20_000;
const BROKER_AWAY_MS = 5_000;
const PAUSE_MS = 20_000;
/** Between two faults. */
const CALM_MS = 4_000;
/** How long sinks may take to read everything once the storm is over. */
const SETTLE_MS = 90_000;

class Storm {
  readonly cluster: Cluster;
  readonly clients: LoadClient[] = [];
  readonly background: BackgroundClient[] = [];
  /** When (wall clock) a user's gateway died. */
  readonly excused = new Map<string, number[]>();
  said = 0;
  over = false;
  #options: StormOptions;

  constructor(cluster: Cluster, options: StormOptions) {
    this.cluster = cluster;
    this.#options = options;
  }

  async connect(): Promise<void> {
    const urls = this.cluster.of('gateway').map((role) => role.url);
    for (let i = 0; i < this.#options.users; i++) {
      const mine = [...urls.slice(i % urls.length), ...urls.slice(0, i % urls.length)];
      if (i % 5 === 4) this.background.push(new BackgroundClient({ user: `background-${i}`, device: 'b', gateways: mine }));
      else this.clients.push(new LoadClient({ user: `user-${i}`, device: 'd', gateways: mine }));
    }
    await Promise.all(this.clients.map((client) => client.connect()));
    for (const client of this.background) client.start();
  }

  async load(): Promise<void> {
    const states = ['away', 'busy', 'online'] as const;
    const started = performance.now();
    let due = 0;
    while (!this.over) {
      const target = Math.floor(((performance.now() - started) / 1_000) * this.#options.rate);
      for (; due < target; due++) {
        if (this.clients[due % this.clients.length]!.say(states[Math.floor(Math.random() * 3)]!)) this.said += 1;
      }
      await sleep(10);
    }
  }

  async kill(role: Role): Promise<void> {
    this.#options.say(`kill -9 ${role.description}`);
    if (role.role === 'gateway') {
      for (const client of this.clients) if (client.gateway === role.url) this.#excuse(client.user);
    }
    await role.kill('SIGKILL');
    await sleep(500);
    await role.restart();
    await sleep(CALM_MS);
  }

  async restartBroker(): Promise<void> {
    this.#options.say('The broker is away for 5 s.');
    await this.cluster.kafka.stop();
    await sleep(BROKER_AWAY_MS);
    await this.cluster.kafka.restart();
    await sleep(3 * CALM_MS);
  }

  async pauseTopology(): Promise<void> {
    this.#options.say('The topology is paused for 20 s.');
    const role = this.cluster.of('topology')[0]!;
    await role.pause();
    await sleep(PAUSE_MS);
    await role.resume();
    await sleep(3 * CALM_MS);
  }

  #excuse(user: string): void {
    const deaths = this.excused.get(user) ?? [];
    deaths.push(Date.now());
    this.excused.set(user, deaths);
  }

  /** Offlines of clients that lived, by the log. */
  falseOfflines(diffs: readonly Diff[]): string[] {
    return diffs
      .filter(
        (diff) =>
          diff.to === 'offline' &&
          !(this.excused.get(diff.user_id) ?? []).some((death) => diff.at >= death - 1_000 && diff.at <= death + EXCUSED_MS),
      )
      .map(
        (diff) =>
          `false offline: ${diff.user_id} at ${new Date(diff.at).toISOString()}, ${diff.cause}, ` +
          `version ${diff.version}, input offset ${diff.offset}`,
      );
  }
}

async function settle(evidence: Evidence, say: (line: string) => void): Promise<Awaited<ReturnType<typeof verify>>> {
  const end = performance.now() + SETTLE_MS;
  for (;;) {
    const found = await verify(evidence);
    if (found.faults.length === 0 || performance.now() > end) return found;
    say(`${found.faults.length} differences yet, e.g. ${found.faults[0]}`);
    await sleep(3_000);
  }
}

/** Runs it all; the report holds every fault found. */
export async function runStorm(options: StormOptions): Promise<StormReport> {
  const started = performance.now();
  options.say('Starting Kafka, schema registry, PostgreSQL, Redis and the roles.');
  const cluster = await startCluster({ gateway: 2, topology: 1, sinks: 1 });
  try {
    const storm = new Storm(cluster, options);
    await storm.connect();
    const load = storm.load();
    await sleep(CALM_MS);
    const order = [
      ...cluster.of('gateway').slice(0, 1),
      ...cluster.of('topology'),
      ...cluster.of('sinks'),
      ...cluster.of('gateway').slice(1),
    ];
    for (let i = 0; i < options.kills; i++) await storm.kill(order[i % order.length]!);
    for (let i = 0; i < options.brokerRestarts; i++) await storm.restartBroker();
    for (let i = 0; i < options.pauses; i++) await storm.pauseTopology();
    storm.over = true;
    await load;
    await sleep(CALM_MS);
    const logger = createLogger({ level: 'fatal' });
    const log = await createKafkaLog({ brokers: cluster.kafka.brokers, clientId: 'chaos', logger });
    const codecs = await createCodecs({ registry: createConfluentRegistry({ url: cluster.registry.url }) });
    const evidence = { log, codecs, databaseUrl: cluster.database.url, redisUrl: cluster.cache.url };
    const { faults, diffs } = await settle(evidence, options.say);
    const all = [...faults, ...storm.falseOfflines(diffs)];
    for (const client of storm.background) client.stop();
    for (const client of storm.clients) client.close();
    await log.close();
    return {
      faults: all,
      transitions: diffs.length,
      said: storm.said,
      kills: options.kills,
      seconds: Math.round((performance.now() - started) / 1_000),
    };
  } finally {
    await cluster.stop();
  }
}
