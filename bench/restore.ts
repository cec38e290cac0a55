/**
 * How long until an instance of the topology runs, with the state of many users; each start is a process of its own.
 *
 *     npm run bench:restore [-- --users 1000000 --partitions 8 --embedded]
 *
 * 1. **topic**: all of the state topic is read. **memory**: what is resident once it runs and has been collected.
 * 2. **snapshot**: the same again, with STATE_DIR as the end of a run before left it.
 * 3. **takeover**: two instances share the partitions, each the other's standby; one is killed with -9, or ended in order.
 *    `detected_s` is until the group has given its partitions to the other, `seconds` from then until they run.
 *
 * A user has one or two devices (1.5 in the mean), each with a running ttl, so that every one has a timer. `seconds` counts from
 * the call that starts the topology, `since_start_s` from the process's start, `cpu_s` is all CPU time of it until then. Kafka is
 * KAFKA_BROKERS, or one that is started for this; `--embedded`: the log in this process, restores alone (the log's own memory
 * hides theirs).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createLogger, silentLogger } from '../base/logger.ts';
import { partitionOf } from '../base/murmur2.ts';
import type { Log, OutRecord } from '../ports/log.ts';
import { presenceWiring } from '../replay/wiring.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { createKafkaLog } from '../runtime/log-kafka.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import type { TopologyTopics } from '../runtime/wiring.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import type { Device, UserState } from '../schemas/generated.ts';
import { partitionKey } from '../schemas/topics.ts';
import { isSkipped, kafka } from '../test/stack/index.ts';

const { values: args } = parseArgs({
  options: {
    users: { type: 'string', default: '1000000' },
    partitions: { type: 'string', default: '8' },
    embedded: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    /** A child: its settings. */
    child: { type: 'string' },
  },
});
const USERS = Number(args.users);
const PARTITIONS = Number(args.partitions);
const HOUR_MS = 3_600_000;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const topicsOf = (prefix: string): TopologyTopics => ({
  input: `${prefix}.signals`,
  state: `${prefix}.state`,
  output: `${prefix}.diffs`,
  controls: null,
  deadLetters: `${prefix}.dlq`,
});

// ---- the state

function deviceOf(user: number, index: number, now: number): Device {
  const id = (user * 2 + index).toString(16).padStart(8, '0');
  const state = (['online', 'away', 'busy', 'dnd'] as const)[user % 4] ?? 'online';
  const held = { connection_id: null, gateway_id: null, hold_ordinal: 0, grace_lease: null, forget_lease: null, trace: null };
  return {
    ...held,
    device_id: `web-${id}`,
    session_id: `s-${id}-${user % 97}`,
    seq: user % 5_000,
    state,
    source: 'app',
    last_seen: now,
    ttl_lease: HOUR_MS + (user % 600_000),
    replaced: [],
  };
}

function stateOf(user: number, now: number): UserState {
  const devices = Array.from({ length: 1 + (user % 2) }, (_, index) => deviceOf(user, index, now));
  const { state, source } = devices[0] as Device;
  const view = { version: 3, state, source, since: now, last_seen: now, devices_live: devices.length, streaming: false };
  const rest = { epoch: 1, override: null, devices, public: { ...view, ghosts: null }, log: 0, offset: 0 };
  return { user_id: `user-${user}`, ...view, ...rest };
}

async function fill(log: Log, codecs: Codecs, topics: TopologyTopics): Promise<void> {
  await log.ensureTopics([
    { name: topics.input, partitions: PARTITIONS, cleanup: 'delete' },
    { name: topics.state, partitions: PARTITIONS, cleanup: 'compact' },
    { name: topics.output, partitions: PARTITIONS, cleanup: 'delete' },
    { name: topics.deadLetters, partitions: 1, cleanup: 'delete' },
  ]);
  const producer = await log.producer();
  const now = Date.now();
  let bytes = 0;
  for (let user = 0; user < USERS; ) {
    const records: OutRecord[] = [];
    for (; records.length < 20_000 && user < USERS; user += 1) {
      const value = codecs.userState.encode(stateOf(user, now));
      bytes += value.length;
      records.push({ key: `user-${user}`, value, partition: partitionOf(`user-${user}`, PARTITIONS) });
    }
    await producer.send([{ topic: topics.state, records }]);
  }
  const tail = { tail_offset: 0, tail_stamp: now, tail_lease: 0, tail_settle: 0 };
  const rest = { epoch: 1, log: 0, offset: 0, stamp: now, lease: 0, settle: 0, ...tail, gateways: [], missing: 0, repeated: 0 };
  const own = Array.from({ length: PARTITIONS }, (_, partition) => ({
    key: partitionKey(partition),
    value: codecs.partitionState.encode({ partition, topology: 'presence@1', ...rest }),
    partition,
  }));
  await producer.send([{ topic: topics.state, records: own }]);
  await producer.close();
  say(`${USERS} users in ${PARTITIONS} partitions, ${Math.round(bytes / USERS)} bytes a record`);
}

// ---- one instance

interface ChildSettings {
  readonly brokers: readonly string[];
  readonly registry: string;
  readonly topics: TopologyTopics;
  readonly group: string;
  readonly stateDir?: string;
  readonly standbyReplicas?: number;
}

interface Ready {
  readonly records: number;
  readonly seconds: number;
  readonly since_start_s: number;
  readonly cpu_s: number;
  readonly rss_mb: number;
  /** After a collection. */
  readonly resident_mb: number;
}

/** What an instance says of itself, a line each. */
interface Word {
  readonly ready?: Ready;
  readonly running: number;
  readonly owned: number;
  readonly warm: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const seconds = (since: number): number => Math.round(performance.now() - since) / 1_000;
const megabytes = (): number => Math.round(process.memoryUsage().rss / 1e6);

async function start(log: Log, codecs: Codecs, settings: Omit<ChildSettings, 'brokers' | 'registry'>): Promise<Runner> {
  const { topics, group, stateDir, standbyReplicas = 0 } = settings;
  return runTopology({
    log,
    wiring: presenceWiring(codecs, { topics }),
    group,
    instanceId: `bench-${process.pid}`,
    logger: args.verbose ? createLogger({ level: 'info', name: 'bench' }) : silentLogger,
    standbyReplicas,
    ...(stateDir === undefined ? {} : { stateDir }),
  });
}

/** Until all that is assigned runs; what that took. */
async function ready(runner: Runner, began: number, cpu: NodeJS.CpuUsage): Promise<Ready> {
  while (!runner.ready || runner.partitions.length === 0) await sleep(5);
  const took = seconds(began);
  const since_start_s = seconds(0);
  const { user, system } = process.cpuUsage(cpu);
  const rss_mb = megabytes();
  collect();
  await sleep(200);
  collect();
  const cpu_s = Math.round((user + system) / 1e4) / 100;
  return { records: USERS, seconds: took, since_start_s, cpu_s, rss_mb, resident_mb: megabytes() };
}

async function child(settings: ChildSettings): Promise<void> {
  const log = await createKafkaLog({ brokers: settings.brokers, clientId: `bench-${process.pid}`, logger: silentLogger });
  const codecs = await createCodecs({ registry: createEmbeddedRegistry({ folder: settings.registry }) });
  const began = performance.now();
  const runner = await start(log, codecs, settings);
  const { registry } = await import('../base/metrics.ts');
  const tell = async (first?: Ready): Promise<void> => {
    const lags = (await registry.getSingleMetric('presence_standby_lag_records')?.get())?.values ?? [];
    const running = runner.partitions.filter(({ state }) => state === 'running' || state === 'committing').length;
    const word: Word = { running, owned: runner.partitions.length, warm: lags.filter(({ value }) => value < 1_000).length };
    process.stdout.write(`${JSON.stringify(first === undefined ? word : { ...word, ready: first })}\n`);
  };
  process.on('SIGTERM', () => {
    clearInterval(timer);
    void runner
      .close()
      .then(() => log.close())
      .then(() => process.exit(0));
  });
  const timer = setInterval(() => void tell(), 20);
  await tell(await ready(runner, began, { user: 0, system: 0 }));
}

class Instance {
  readonly process: ChildProcess;
  word: Word = { running: 0, owned: 0, warm: 0 };
  ready: Ready | null = null;
  private rest = '';

  constructor(settings: ChildSettings) {
    const script = fileURLToPath(import.meta.url);
    const own = ['--users', args.users, '--partitions', args.partitions, ...(args.verbose ? ['--verbose'] : [])];
    this.process = spawn(process.execPath, ['--import', 'tsx', script, ...own, '--child', JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.process.stdout?.on('data', (data: Buffer) => {
      const lines = (this.rest + data.toString()).split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines.filter((one) => one.startsWith('{'))) {
        this.word = JSON.parse(line) as Word;
        this.ready ??= this.word.ready ?? null;
      }
    });
  }

  async until(what: string, condition: (word: Word) => boolean, guard_ms = 300_000): Promise<void> {
    const end = performance.now() + guard_ms;
    while (!condition(this.word)) {
      if (performance.now() > end) throw new Error(`Waited in vain until ${what}: ${JSON.stringify(this.word)}`);
      await sleep(5);
    }
  }

  async isReady(): Promise<Ready> {
    await this.until('it runs', () => this.ready !== null);
    return this.ready as Ready;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    await gone;
  }
}

// ---- what is measured

const results: Record<string, unknown>[] = [];
function report(name: string, figures: object): void {
  results.push({ name, ...figures });
  say(`${name}: ${JSON.stringify(figures)}`);
}

async function bytesIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(files.filter((file) => file.isFile()).map((file) => stat(join(file.parentPath, file.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

async function restarts(settings: ChildSettings, folder: string): Promise<void> {
  for (const run of [1, 2]) {
    const one = new Instance({ ...settings, group: `${settings.group}.topic.${run}`, stateDir: folder });
    const { resident_mb, ...figures } = await one.isReady();
    report('topic', { ...figures, records_per_s: Math.round(figures.records / figures.seconds) });
    report('memory', { users: USERS, resident_mb });
    const ended = performance.now();
    await one.end('SIGTERM');
    report('snapshot written at the end', { seconds: seconds(ended), megabytes: Math.round((await bytesIn(folder)) / 1e6) });
    const two = new Instance({ ...settings, group: `${settings.group}.topic.${run}`, stateDir: folder });
    report('snapshot', await two.isReady());
    await two.end('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

async function takeover(settings: ChildSettings, signal: NodeJS.Signals): Promise<void> {
  const both = { ...settings, group: `${settings.group}.${signal}`, standbyReplicas: 1 };
  const one = new Instance(both);
  await one.isReady();
  const two = new Instance(both);
  const half = Math.floor(PARTITIONS / 2);
  await two.until('both share', ({ running, warm }) => running === half && warm === PARTITIONS - half);
  await sleep(1_000);
  const killed = performance.now();
  const gone = one.end(signal);
  await two.until('all are its own', ({ owned }) => owned === PARTITIONS);
  const detected_s = seconds(killed);
  const detected = performance.now();
  await two.until('all run', ({ running }) => running === PARTITIONS);
  report(`takeover, ${signal}`, { records: Math.round(USERS / 2), detected_s, seconds: seconds(detected) });
  await gone;
  await two.end('SIGKILL');
}

async function onKafka(): Promise<void> {
  const given = process.env.KAFKA_BROKERS?.split(',');
  const part = given === undefined ? await kafka() : null;
  if (part !== null && isSkipped(part)) throw new Error(part.skipped);
  const brokers = given ?? (part === null ? [] : part.brokers);
  const folder = await mkdtemp(join(tmpdir(), 'presence-bench-'));
  const settings: ChildSettings = {
    brokers,
    registry: join(folder, 'schemas'),
    topics: topicsOf(`bench.${randomUUID().slice(0, 8)}`),
    group: `bench.${randomUUID().slice(0, 8)}`,
  };
  try {
    const log = await createKafkaLog({ brokers, clientId: 'bench', logger: silentLogger });
    await fill(log, await createCodecs({ registry: createEmbeddedRegistry({ folder: settings.registry }) }), settings.topics);
    await log.close();
    await restarts(settings, join(folder, 'state'));
    await takeover(settings, 'SIGKILL');
    await takeover(settings, 'SIGTERM');
  } finally {
    await part?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function onEmbedded(): Promise<void> {
  const log = await createEmbeddedLog();
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  const topics = topicsOf('bench');
  await fill(log, codecs, topics);
  const folder = await mkdtemp(join(tmpdir(), 'presence-bench-'));
  for (const name of ['topic', 'snapshot']) {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    const runner = await start(log, codecs, { topics, group: 'bench', stateDir: folder });
    const { resident_mb: _, rss_mb: __, ...figures } = await ready(runner, began, cpu);
    report(name, { ...figures, records_per_s: Math.round(USERS / figures.seconds) });
    await runner.close();
  }
  await log.close();
  await rm(folder, { recursive: true, force: true });
}

if (args.child !== undefined) await child(JSON.parse(args.child) as ChildSettings);
else {
  await (args.embedded ? onEmbedded() : onKafka());
  console.log(JSON.stringify({ users: USERS, partitions: PARTITIONS, results }));
}
