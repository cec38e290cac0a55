/**
 * How long until an instance of the topology runs, with the state of many users; each start is a process of its own.
 *
 *     npm run bench:restore [-- --users 1000000 --partitions 8 --embedded]
 *
 * 1. **topic**: all of the state topic is read. **memory**: what is resident once it runs and has been collected.
 * 2. **after changes**: what is resident once `--changed` of the users (0.1) have stated another state, spread over
 *    `--over` seconds (30): at most meanwhile, at the end as it is, and collected.
 * 3. **snapshot**: the same again, with STATE_DIR as the end of a run before left it.
 * 4. **takeover**: two instances share the partitions, each the other's standby; one is killed with -9, or ended in order.
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
import type { Log } from '../ports/log.ts';
import { presenceWiring } from '../replay/wiring.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { createKafkaLog } from '../runtime/log-kafka.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import type { TopologyTopics } from '../runtime/wiring.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import { isSkipped, kafka } from '../test/stack/index.ts';
import { change, fill, topicsOf } from './restore-state.ts';

const { values: args } = parseArgs({
  allowNegative: true,
  options: {
    users: { type: 'string', default: '1000000' },
    partitions: { type: 'string', default: '8' },
    changed: { type: 'string', default: '0.1' },
    over: { type: 'string', default: '30' },
    /** How often the restores are run. */
    runs: { type: 'string', default: '2' },
    takeover: { type: 'boolean', default: true },
    embedded: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    /** A child: its settings. */
    child: { type: 'string' },
  },
});
const USERS = Number(args.users);
const PARTITIONS = Number(args.partitions);
const STATE = { users: USERS, partitions: PARTITIONS };
const say = (text: string): void => void process.stderr.write(`${text}\n`);

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
  /** In answer to SIGUSR2: after a collection. */
  readonly collected?: Memory;
  readonly running: number;
  readonly owned: number;
  readonly warm: number;
  /** Input records not processed yet. */
  readonly lag: number;
  readonly memory: Memory;
}

/** What an instance holds, MB: resident, of it the heap (and what lives there as of the last collection), the rest by name. */
interface Memory {
  readonly rss: number;
  readonly heap: number;
  readonly live: number;
  readonly buffers: number;
  readonly images: number;
  readonly hot_users: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const seconds = (since: number): number => Math.round(performance.now() - since) / 1_000;
const megabytes = (bytes = process.memoryUsage().rss): number => Math.round(bytes / 1e6);

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
  const values = async (name: string): Promise<number[]> =>
    ((await registry.getSingleMetric(name)?.get())?.values ?? []).map(({ value }) => value);
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  const memory = async (): Promise<Memory> => {
    const { rss, heapTotal, heapUsed, arrayBuffers } = process.memoryUsage();
    const [heap, live, buffers] = [megabytes(heapTotal), megabytes(heapUsed), megabytes(arrayBuffers)];
    const images = megabytes(sum(await values('presence_image_bytes')));
    return { rss: megabytes(rss), heap, live, buffers, images, hot_users: sum(await values('presence_users_hot_count')) };
  };
  const tell = async (more: Partial<Word> = {}): Promise<void> => {
    const { partitions } = runner;
    const running = partitions.filter(({ state }) => state === 'running' || state === 'committing').length;
    const warm = (await values('presence_standby_lag_records')).filter((lag) => lag < 1_000).length;
    const lag = sum(partitions.map((one) => one.lag ?? 0));
    const word: Word = { running, owned: partitions.length, warm, lag, memory: await memory(), ...more };
    process.stdout.write(`${JSON.stringify(word)}\n`);
  };
  process.on('SIGUSR2', () => {
    collect();
    collect();
    void memory().then((collected) => tell({ collected }));
  });
  process.on('SIGTERM', () => {
    clearInterval(timer);
    void runner
      .close()
      .then(() => log.close())
      .then(() => process.exit(0));
  });
  const timer = setInterval(() => void tell(), 20);
  await tell({ ready: await ready(runner, began, { user: 0, system: 0 }) });
}

class Instance {
  readonly process: ChildProcess;
  word: Word = {
    running: 0,
    owned: 0,
    warm: 0,
    lag: 0,
    memory: { rss: 0, heap: 0, live: 0, buffers: 0, images: 0, hot_users: 0 },
  };
  ready: Ready | null = null;
  collected: Memory | null = null;
  /** Resident, MB, since it was last set. */
  most = 0;
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
        this.collected = this.word.collected ?? this.collected;
        this.most = Math.max(this.most, this.word.memory.rss);
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

/** Users state another state, live; what is resident then. */
async function changes(one: Instance, settings: ChildSettings, run: number): Promise<void> {
  const count = Math.round(USERS * Number(args.changed));
  if (count === 0) return;
  const log = await createKafkaLog({ brokers: settings.brokers, clientId: 'bench-changes', logger: silentLogger });
  const codecs = await createCodecs({ registry: createEmbeddedRegistry({ folder: settings.registry }) });
  one.most = 0;
  await change(log, codecs, settings.topics.input, { ...STATE, count, over_ms: Number(args.over) * 1_000, run });
  await log.close();
  await sleep(2_000);
  await one.until('all is processed', ({ lag }) => lag === 0);
  const { word, most } = one;
  one.process.kill('SIGUSR2');
  await one.until('it has collected', () => one.collected !== null);
  report('after changes', { users: count, most_mb: most, now: word.memory, collected: one.collected });
}

async function restarts(settings: ChildSettings, folder: string): Promise<void> {
  for (let run = 1; run <= Number(args.runs); run += 1) {
    const one = new Instance({ ...settings, group: `${settings.group}.topic.${run}`, stateDir: folder });
    const { resident_mb, ...figures } = await one.isReady();
    report('topic', { ...figures, records_per_s: Math.round(figures.records / figures.seconds) });
    report('memory', { users: USERS, resident_mb, ...one.word.memory });
    await changes(one, settings, run);
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
    const codecs = await createCodecs({ registry: createEmbeddedRegistry({ folder: settings.registry }) });
    const bytes = await fill(log, codecs, settings.topics, STATE);
    say(`${USERS} users in ${PARTITIONS} partitions, ${bytes} bytes a record`);
    await log.close();
    await restarts(settings, join(folder, 'state'));
    if (args.takeover) await takeover(settings, 'SIGKILL');
    if (args.takeover) await takeover(settings, 'SIGTERM');
  } finally {
    await part?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function onEmbedded(): Promise<void> {
  const log = await createEmbeddedLog();
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  const topics = topicsOf('bench');
  await fill(log, codecs, topics, STATE);
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
