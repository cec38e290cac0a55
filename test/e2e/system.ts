/**
 * The whole system as its users run it, on two kinds of parts: `embedded`, all in one process; `real`, each role a
 * process of its own on Kafka, a schema registry, PostgreSQL and Redis.
 */

import { isSkipped, kafka, postgres, redis, schemaRegistry } from '../stack/index.ts';
import { tempFolder } from '../stack/process.ts';
import { type Ended, type Presence, presence } from './process.ts';

export const kinds = ['embedded', 'real'] as const;
export type Kind = (typeof kinds)[number];

export interface System {
  /** Of the gateway; another one after a restart. */
  readonly url: string;
  /** What CLI commands need to reach the same log. */
  readonly env: Readonly<Record<string, string>>;
  readonly processes: readonly Presence[];
  start(): Promise<void>;
  /** SIGTERM to all; how each ended. */
  end(): Promise<readonly Ended[]>;
  /** Ends it, and the parts under it. */
  stop(): Promise<void>;
}

/** The system, not started; or why it cannot be had here. `more`: settings, on real parts. */
export async function makeSystem(
  kind: Kind,
  more: Readonly<Record<string, string>> = {},
): Promise<System | { readonly skipped: string }> {
  if (kind === 'embedded') return system([['--role', 'all']], { DATA_DIR: tempFolder('e2e') }, async () => {});
  const parts = await Promise.all([kafka(), schemaRegistry(), postgres(), redis()]);
  const stop = async (): Promise<void> => {
    await Promise.all(parts.map((part) => (isSkipped(part) ? undefined : part.stop())));
  };
  const skipped = parts.flatMap((part) => (isSkipped(part) ? [part.skipped] : []));
  const [broker, registry, database, cache] = parts;
  if (isSkipped(broker) || isSkipped(registry) || isSkipped(database) || isSkipped(cache)) {
    await stop();
    return { skipped: skipped.join('; ') };
  }
  const env = {
    KAFKA_BROKERS: broker.brokers.join(','),
    SCHEMA_REGISTRY_URL: registry.url,
    DATABASE_URL: database.url,
    REDIS_URL: cache.url,
    PARTITIONS: '4',
    ...more,
  };
  return system(
    ['topology', 'sinks', 'gateway'].map((role) => ['--role', role]),
    env,
    stop,
  );
}

function system(
  roles: readonly (readonly string[])[],
  env: Readonly<Record<string, string>>,
  stopParts: () => Promise<void>,
): System {
  let processes: readonly Presence[] = [];
  let url = '';
  const end = async (): Promise<readonly Ended[]> => {
    const ended = await Promise.all(processes.map((one) => one.end()));
    processes = [];
    return ended;
  };
  return {
    get url() {
      return url;
    },
    get processes() {
      return processes;
    },
    env,
    async start() {
      processes = roles.map((role) => presence(['up', '--port', '0', ...role], env));
      const printed = await Promise.all(processes.map((one) => one.printed(/presence is up: (\S+)/)));
      url = printed.at(-1)![1]!;
      for (;;) {
        const ready = await fetch(`${url}/readyz`).catch(() => null);
        if (ready?.ok === true) return;
        await new Promise((done) => setTimeout(done, 50));
      }
    },
    end,
    async stop() {
      await end();
      await stopParts();
    },
  };
}
