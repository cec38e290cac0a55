/**
 * The parts that every role may need, each started when first asked for: the log with its codecs and topics,
 * the database, the cache. One that cannot be reached is waited for (waiting.ts).
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/logger.ts';
import { createPresenceStore } from '../connectors/cockroach/index.ts';
import { createInProcessCache } from '../connectors/in-process/index.ts';
import { createRedisCache } from '../connectors/redis/index.ts';
import type { Log } from '../ports/log.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { createKafkaLog, type KafkaLogOptions } from '../runtime/log-kafka.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createConfluentRegistry } from '../schemas/confluent-registry.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import { auditTopic } from '../topology/audit-topic.ts';
import { type Topic, topicSpecs } from '../topology/topics.ts';
import type { Settings } from './config.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { ensureFirstCuts } from './first-cut.ts';
import { untilThere, type Waiting } from './waiting.ts';

export const instanceName = (settings: Pick<Settings, 'instance'>): string => settings.instance ?? `${hostname()}-${process.pid}`;

/** The log of these settings; nothing is asked of it yet. */
export async function openLog(settings: Settings, logger: Logger): Promise<Log> {
  const { kafkaBrokers, kafkaSaslMechanism, kafkaSaslUsername: username, kafkaSaslPassword: password, dataDir } = settings;
  if (kafkaBrokers === undefined) {
    return createEmbeddedLog({ logger, ...(dataDir === undefined ? {} : { dataDir: join(dataDir, 'log') }) });
  }
  // The settings' schema and the client name the same mechanisms; the compiler sees a union on one side only.
  const sasl = { mechanism: kafkaSaslMechanism, username, password } as NonNullable<KafkaLogOptions['sasl']>;
  return createKafkaLog({
    brokers: kafkaBrokers,
    clientId: `presence-${instanceName(settings)}`,
    logger,
    ...(settings.kafkaSsl === 'true' ? { ssl: true } : {}),
    ...(kafkaSaslMechanism === undefined ? {} : { sasl }),
  });
}

export function openRegistry({ schemaRegistryUrl, dataDir }: Settings): SchemaRegistry {
  if (schemaRegistryUrl !== undefined) return createConfluentRegistry({ url: schemaRegistryUrl });
  return createEmbeddedRegistry(dataDir === undefined ? {} : { folder: join(dataDir, 'schemas') });
}

export interface LogParts {
  readonly log: Log;
  readonly codecs: Codecs;
}

/** Log and schemas, then topics and what stands first in them. */
export async function startLog(settings: Settings, logger: Logger, waiting: Waiting, log: Log): Promise<LogParts> {
  const [codecs] = await Promise.all([
    untilThere('schema registry', () => createCodecs({ registry: openRegistry(settings) }), waiting),
    untilThere('log', () => log.ping(), waiting),
  ]);
  await untilThere(
    'log',
    async () => {
      const made = await log.ensureTopics([...topicSpecs(settings.partitions), ...auditOf(settings)]);
      if (made.length > 0) logger.info({ topics: made, partitions: settings.partitions }, 'Made topics.');
      await ensureFirstCuts({ log, codecs, logger, group: 'presence', now: Date.now });
    },
    waiting,
  );
  return { log, codecs };
}

const auditOf = ({ audit, partitions, auditRetentionDays }: Settings): readonly Topic<unknown>[] =>
  audit === 'on' ? [auditTopic(partitions, auditRetentionDays)] : [];

export interface Database {
  readonly store: PresenceStore;
  /** Stops the embedded server; nothing where the database is not ours. */
  stop(): Promise<void>;
}

/** The database, its schema up to date. */
export async function startDatabase(settings: Settings, logger: Logger, waiting: Waiting): Promise<Database> {
  let server: EmbeddedPostgres | null = null;
  let url = settings.databaseUrl;
  if (url === undefined) {
    const folder = settings.dataDir === undefined ? {} : { folder: join(settings.dataDir, 'postgres') };
    server = await untilThere('database', () => startEmbeddedPostgres({ logger, ...folder }), waiting);
    url = server.url;
  }
  const store = createPresenceStore({ url, logger });
  const stop = async (): Promise<void> => {
    await store.close();
    await server?.stop();
  };
  try {
    // A migration tries for a while by itself; a ping says at once that nobody is there.
    await untilThere('database', () => store.ping().then(() => store.migrate()), waiting);
  } catch (error) {
    await stop();
    throw error;
  }
  return { store, stop };
}

export async function startCache(settings: Settings, logger: Logger, waiting: Waiting): Promise<PresenceCache> {
  const cache = settings.redisUrl === undefined ? createInProcessCache() : createRedisCache({ url: settings.redisUrl, logger });
  try {
    await untilThere('cache', () => cache.ping(), waiting);
  } catch (error) {
    await cache.close();
    throw error;
  }
  return cache;
}
