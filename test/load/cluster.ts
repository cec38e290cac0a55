/**
 * The whole system on real parts of this machine, each role a process of its own, each process and part one
 * that can be killed, paused and started again. For benchmarks and chaos. The roles' logs are kept in the folder ROLE_LOGS,
 * if that is set.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, isSkipped, type KafkaPart, kafka, type Part, postgres, redis, schemaRegistry } from '../stack/index.ts';
import { startPart } from '../stack/part.ts';
import { processRunner, tempFolder } from '../stack/process.ts';

export type RoleName = 'gateway' | 'topology' | 'sinks';

/** A process of ours. `url` is its HTTP address: every role answers /readyz. */
export interface Role extends Part {
  readonly role: RoleName;
  /** What it says, a JSON line each. */
  readonly logFile: string;
}

export interface Cluster {
  readonly kafka: KafkaPart;
  readonly registry: Part;
  readonly database: Part;
  readonly cache: Part;
  readonly roles: readonly Role[];
  of(role: RoleName): readonly Role[];
  /** One process more. */
  start(role: RoleName): Promise<Role>;
  stop(): Promise<void>;
}

const command = fileURLToPath(new URL('../../bin/presence.mjs', import.meta.url));

/** A part that this cannot do without. */
export async function need<P extends Part>(part: Promise<P | { readonly skipped: string }>): Promise<P> {
  const got = await part;
  if (isSkipped(got)) throw new Error(got.skipped);
  return got as P;
}

/** A role waits for its parts, which may be away just then, on a machine that has much to do. */
const READY_MS = 180_000;

export interface RoleOptions {
  readonly role: RoleName;
  readonly name: string;
  /** Which real parts it is to use, and its settings. */
  readonly env: Readonly<Record<string, string>>;
  /** For its log, which is `<name>.log`. Default ROLE_LOGS, else one that goes with this process. */
  readonly logs?: string;
}

/** Starts a role, and resolves once it is ready. It can be killed, paused and restarted, and keeps its name and address. */
export async function startRole({ role, name, env, logs }: RoleOptions): Promise<Role> {
  const port = await freePort();
  const folder = logs ?? process.env.ROLE_LOGS ?? tempFolder(name);
  const runner = processRunner({
    name,
    folder,
    command: [process.execPath, command, 'up', '--role', role],
    env: { LOG_LEVEL: process.env.LOG_LEVEL ?? 'info', ...env, PORT: String(port), HOST: '127.0.0.1' },
  });
  const url = `http://127.0.0.1:${port}`;
  const answers = async (): Promise<void> => {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) });
    if (!response.ok) throw new Error(`${name}: ${await response.text()}`);
  };
  const part = await startPart({ description: name, url, runner, answers, ready_ms: READY_MS });
  return { ...part, role, logFile: join(folder, `${name}.log`) };
}

export async function startCluster(counts: Readonly<Record<RoleName, number>>): Promise<Cluster> {
  const [broker, registry, database, cache] = await Promise.all([
    need(kafka()),
    need(schemaRegistry()),
    need(postgres()),
    need(redis()),
  ]);
  const roles: Role[] = [];
  const env = {
    KAFKA_BROKERS: broker.brokers.join(','),
    SCHEMA_REGISTRY_URL: registry.url,
    DATABASE_URL: database.url,
    REDIS_URL: cache.url,
  };
  const start = async (role: RoleName): Promise<Role> => {
    const part = await startRole({ role, name: `${role}-${roles.length}`, env });
    roles.push(part);
    return part;
  };
  for (const role of ['topology', 'sinks', 'gateway'] as const) {
    for (let i = 0; i < counts[role]; i++) await start(role);
  }
  return {
    kafka: broker,
    registry,
    database,
    cache,
    roles,
    of: (role) => roles.filter((candidate) => candidate.role === role),
    start,
    stop: async () => {
      await Promise.all(roles.map((role) => role.kill()));
      await Promise.all([cache.kill(), database.stop(), registry.kill(), broker.kill()]);
    },
  };
}
