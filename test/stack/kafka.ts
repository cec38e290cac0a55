/** A Kafka broker of its own: KRaft, one node that is broker and controller, every replication factor 1. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { containerRunner, engineAnswers } from './containers.ts';
import { fetchJars, run } from './machine.ts';
import { type KafkaPart, type Runner, type Skipped, startPart } from './part.ts';
import { freePort, processRunner, tempFolder } from './process.ts';
import { orSkipped } from './skip.ts';

const version = '4.3.1';

/** Settings of a single node; and small internal topics, which make its first group and transaction quick. */
const settings: Readonly<Record<string, string | number>> = {
  'process.roles': 'broker,controller',
  'node.id': 1,
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': 1,
  'offsets.topic.num.partitions': 5,
  'transaction.state.log.replication.factor': 1,
  'transaction.state.log.min.isr': 1,
  'transaction.state.log.num.partitions': 5,
  'share.coordinator.state.topic.replication.factor': 1,
  'share.coordinator.state.topic.min.isr': 1,
  'group.initial.rebalance.delay.ms': 0,
  'log.cleaner.backoff.ms': 1000,
  // A killed broker that comes back waits until its earlier self is given up: 9 s unless told.
  'broker.session.timeout.ms': 1500,
  'broker.heartbeat.interval.ms': 300,
};

/**
 * Starts a broker for the caller alone. Its address is `brokers[0]`, also `url`, as `host:port`. Its data and log go
 * with this process, unless a folder is given for them (not in a container).
 */
export async function kafka(options: { readonly folder?: string } = {}): Promise<KafkaPart | Skipped> {
  return await orSkipped('Kafka', async () => {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    const container = await engineAnswers();
    const runner = container ? containerKafka(port) : await nativeKafka(port, options.folder ?? tempFolder('kafka'));
    const part = await startPart({
      description: `Kafka ${version} (${container ? 'container' : 'native'})`,
      url: address,
      runner,
      ready_ms: 180_000, // a machine may have much else to do
      answers: () => answers(address),
    });
    return { ...part, brokers: [address] };
  });
}

async function nativeKafka(port: number, folder: string): Promise<Runner> {
  const jars = await fetchJars('kafka.xml', `kafka-${version}`);
  const controller = await freePort();
  const file = join(folder, 'server.properties');
  const all = {
    ...settings,
    'log.dirs': join(folder, 'data'),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
  };
  writeFileSync(
    file,
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const classpath = ['-cp', join(jars, '*')];
  const format = ['kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', file];
  const formatted = await run('java', [...classpath, ...format]);
  if (formatted.status !== 0) throw new Error(`Kafka's data folder could not be formatted: ${formatted.stderr}`);
  return processRunner({
    name: 'kafka',
    folder,
    command: ['java', '-Xms256m', '-Xmx512m', '-XX:+UseG1GC', '-XX:TieredStopAtLevel=4', ...classpath, 'kafka.Kafka', file],
  });
}

function containerKafka(port: number): Runner {
  const all = {
    ...settings,
    listeners: `PLAINTEXT://0.0.0.0:${port},CONTROLLER://127.0.0.1:29093`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.quorum.voters': '1@127.0.0.1:29093',
  };
  const env = Object.fromEntries(
    Object.entries(all).map(([key, value]) => [`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`, String(value)]),
  );
  return containerRunner({ image: `apache/kafka:${version}`, port, inside: port, env: { ...env, KAFKA_HEAP_OPTS: '-Xmx512m' } });
}

async function answers(address: string): Promise<void> {
  const client = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { retries: 0 }, connectionTimeout: 2000 });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    if (brokers.length === 0 || controller === null) throw new Error('The broker has not joined its cluster yet.');
  } finally {
    await admin.disconnect();
  }
}
