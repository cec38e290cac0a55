/** Makes topics with the settings that this system relies on. */
import { type Admin, type ITopicConfig, Kafka, logLevel } from 'kafkajs';
import { PresenceError } from '../../base/errors.ts';
import type { Stamps, TopicSpec } from '../../ports/log.ts';
import type { Client } from './client.ts';
import { persist } from './client.ts';
import { noTopic, typeOf, unavailable } from './errors.ts';

const REPLICAS_MAX = 3;
const STAMP_TYPE = 'message.timestamp.type';

/** Compaction soon enough that a restore stays short; see design notes in ports/log.ts for what readers must bear. */
const compacted = {
  'cleanup.policy': 'compact',
  'segment.ms': '600000',
  'max.compaction.lag.ms': '3600000',
  'min.cleanable.dirty.ratio': '0.2',
};

/** @returns the names of those made by this call: of several processes that make the same at once, one is told. */
export async function ensureTopics(client: Client, specs: readonly TopicSpec[]): Promise<readonly string[]> {
  const connection = client.shared;
  const final = (error: unknown): boolean =>
    error instanceof PresenceError || /^(INVALID_|POLICY_VIOLATION|UNSUPPORTED_VERSION)/.test(typeOf(error));
  // Over all attempts: what the first one made is there when the second looks.
  const made: string[] = [];
  try {
    return await persist({ connection, patience_ms: Math.max(client.patience_ms, 10_000), final }, () =>
      withAdmin(client, (admin) => ensure(admin, specs, made)),
    );
  } catch (error) {
    if (error instanceof PresenceError || !final(error)) throw unavailable('ensureTopics', error);
    const message = `Kafka refuses to make these topics: ${error instanceof Error ? error.message : error}`;
    throw new PresenceError('LOG_MISMATCH', message, { at: 'ensureTopics', retriable: false, cause: error });
  } finally {
    connection.forget();
  }
}

async function ensure(admin: Admin, specs: readonly TopicSpec[], made: string[]): Promise<readonly string[]> {
  const there = new Set(await admin.listTopics());
  const missing = specs.filter(({ name }) => !there.has(name));
  const replicas = Math.min(REPLICAS_MAX, (await admin.describeCluster()).brokers.length);
  for (const spec of missing) if (await create(admin, spec, replicas)) made.push(spec.name);
  await check(admin, specs, made);
  return made;
}

/** One by one, as kafkajs says of several only that one of them was there. false: somebody else was first. */
async function create(admin: Admin, spec: TopicSpec, replicas: number): Promise<boolean> {
  try {
    return await admin.createTopics({ topics: [configOf(spec, replicas)], waitForLeaders: false, timeout: 5_000 });
  } catch (error) {
    if (typeOf(error) === 'TOPIC_ALREADY_EXISTS') return false;
    const inner = (error as { errors?: readonly unknown[] }).errors?.[0];
    if (inner !== undefined && typeOf(inner) === 'TOPIC_ALREADY_EXISTS') return false;
    throw inner ?? error;
  }
}

const stampType = ({ stamps = 'broker' }: TopicSpec): string => (stamps === 'broker' ? 'LogAppendTime' : 'CreateTime');

function configOf(spec: TopicSpec, replicas: number): ITopicConfig {
  const settings: Record<string, string> = {
    [STAMP_TYPE]: stampType(spec),
    'min.insync.replicas': String(Math.max(1, replicas - 1)),
    ...(spec.cleanup === 'compact' ? compacted : { 'cleanup.policy': 'delete', 'retention.ms': String(spec.retention_ms ?? -1) }),
  };
  return {
    topic: spec.name,
    numPartitions: spec.partitions,
    replicationFactor: replicas,
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
  };
}

/** Waits until every partition has a leader; a topic with another number of partitions, or other stamps, will not do. */
async function check(admin: Admin, specs: readonly TopicSpec[], made: readonly string[]): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: specs.map(({ name }) => name) });
  for (const spec of specs) {
    const { name, partitions } = spec;
    const there = topics.find((topic) => topic.name === name)?.partitions ?? [];
    if (there.length === 0) throw noTopic(name);
    if (there.length !== partitions) {
      throw new PresenceError('LOG_MISMATCH', `Topic ${name} has ${there.length} partitions, not ${partitions}.`, {
        at: name,
        retriable: false,
        help: 'The number of partitions is fixed when a topic is made: set it back, or replay into new topics.',
      });
    }
    if (there.some(({ leader }) => leader < 0))
      throw Object.assign(new Error(`${name} has no leader yet.`), { type: 'LEADER_NOT_AVAILABLE' });
    if (!made.includes(name)) await checkSettings(admin, spec);
  }
}

/** Whose clock stamps its records. */
export async function stampsOf(client: Client, topic: string): Promise<Stamps> {
  const connection = client.shared;
  try {
    return await persist({ connection, patience_ms: client.patience_ms }, async () => {
      const settings = await withAdmin(client, (admin) => settingsOf(admin, topic, [STAMP_TYPE]));
      return settings.get(STAMP_TYPE) === 'LogAppendTime' ? 'broker' : 'writer';
    });
  } catch (error) {
    if (typeOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') throw noTopic(topic);
    throw unavailable(topic, error);
  }
}

async function settingsOf(admin: Admin, name: string, configNames: string[]): Promise<ReadonlyMap<string, string>> {
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name, configNames }] });
  return new Map(resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]));
}

async function checkSettings(admin: Admin, spec: TopicSpec): Promise<void> {
  const { name, cleanup } = spec;
  const wanted = { [STAMP_TYPE]: stampType(spec), 'cleanup.policy': cleanup };
  const settings = await settingsOf(admin, name, Object.keys(wanted));
  for (const [setting, value] of Object.entries(wanted)) {
    const found = settings.get(setting);
    if (found === undefined || found === value) continue;
    throw new PresenceError('LOG_MISMATCH', `Topic ${name} has ${setting}=${found}, not ${value}.`, {
      at: name,
      retriable: false,
      help: `Set it with kafka-configs --alter --topic ${name} --add-config ${setting}=${value}.`,
    });
  }
}

async function withAdmin<T>(client: Client, work: (admin: Admin) => Promise<T>): Promise<T> {
  const { brokers, clientId, ssl, sasl } = client.settings;
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: 2_000,
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 2 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}
