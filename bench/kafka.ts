/**
 * The presence topology over a topic of signals that anyone may have written, through a real Kafka.
 *
 *     npm run bench:kafka -- --topic T --from-beginning --until-lag-0 --group G --guarantee exactly_once
 *
 * One line of JSON on stdout, progress on stderr. Brokers and registry are KAFKA_BROKERS and SCHEMA_REGISTRY_URL; with neither, a
 * Kafka and a registry are started (test/stack/) and the topic is generated (bench/generate.ts; its options apply).
 *
 * **What is measured.** `records` of the input processed in `seconds`, from joining the group to the last commit; `cpu_s` is
 * all CPU time of the process, its start included (`cpu_start_s` says how much that was); `rss_mb` the most memory it held.
 * State and diffs go into `G.state` and `G.diffs` unless said otherwise. A group that has positions goes on from them: a new
 * name begins at the beginning. `--processes N` runs N members of the group, and sums; `seconds` is the longest.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createLogger, silentLogger } from '../base/logger.ts';
import { runReplay } from '../replay/run.ts';
import { createKafkaLog } from '../runtime/log-kafka.ts';
import { createCodecs } from '../schemas/codec.ts';
import { createConfluentRegistry } from '../schemas/confluent-registry.ts';
import { generate, generateDefaults } from './generate.ts';

const started = process.cpuUsage();
const { values: args } = parseArgs({
  options: {
    topic: { type: 'string', default: 'bench.signals' },
    group: { type: 'string', default: `bench-${process.pid}-${Date.now().toString(36)}` },
    guarantee: { type: 'string', default: 'exactly_once' },
    'from-beginning': { type: 'boolean' },
    'until-lag-0': { type: 'boolean' },
    processes: { type: 'string', default: '1' },
    state: { type: 'string' },
    diffs: { type: 'string' },
    'dead-letters': { type: 'string' },
    clock: { type: 'string' },
    records: { type: 'string', default: String(generateDefaults.records) },
    users: { type: 'string', default: String(generateDefaults.users) },
    partitions: { type: 'string', default: String(generateDefaults.partitions) },
    seed: { type: 'string', default: String(generateDefaults.seed) },
    'generate-only': { type: 'boolean' },
    /** Of several: joins the group when it is told to, on stdin. */
    member: { type: 'boolean' },
    verbose: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
const say = (text: string): void => void process.stderr.write(`${text}\n`);
if (args.help === true) {
  process.stdout.write(help());
  process.exit(0);
}
const logger = args.verbose === true ? createLogger({ level: 'info', name: 'bench' }) : silentLogger;

interface Result {
  readonly records: number;
  readonly seconds: number;
  readonly records_per_s: number;
  readonly cpu_s: number;
  readonly rss_mb: number;
  readonly diffs: number;
  readonly states: number;
  readonly commits: number;
  readonly cpu_start_s: number;
}

/** A benchmark waits for a broker that is as busy as itself. */
const patient = { requestTimeout_ms: 30_000, patience_ms: 60_000 };

async function connect(brokers: string, url: string) {
  const log = await createKafkaLog({ brokers: brokers.split(','), clientId: 'bench', logger, ...patient });
  return { log, codecs: await createCodecs({ registry: createConfluentRegistry({ url }) }) };
}

const cpuSeconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;

/** One member of the group. */
async function run(brokers: string, url: string): Promise<Result> {
  const { topic, group, state = `${group}.state`, diffs = `${group}.diffs`, guarantee, clock } = args;
  if (guarantee !== 'exactly_once' && guarantee !== 'at_least_once')
    throw new Error(`--guarantee ${guarantee}: exactly_once or at_least_once`);
  const { log, codecs } = await connect(brokers, url);
  if (args.member === true) await told();
  const done = await runReplay({
    log,
    codecs,
    topic,
    group,
    into: { state, diffs, ...(args['dead-letters'] === undefined ? {} : { deadLetters: args['dead-letters'] }) },
    guarantee,
    ...(clock === 'on' || clock === 'off' ? { clock } : {}),
    logger,
    onProgress: ({ records, lag }) => say(`${group}: ${records} records, lag ${lag}`),
  });
  await log.close();
  return {
    records: done.records,
    seconds: round(done.seconds),
    records_per_s: Math.round(done.records / done.seconds),
    cpu_s: round(cpuSeconds(process.cpuUsage())),
    rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    diffs: done.diffs,
    states: done.states,
    commits: done.commits,
    cpu_start_s: round(cpuSeconds(started)),
  };
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Members join together: the first one there would else read what is others'. */
async function told(): Promise<void> {
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.destroy();
}

async function runMembers(count: number, brokers: string, url: string): Promise<Result> {
  const own = ['--topic', args.topic, '--group', args.group, '--guarantee', args.guarantee, '--member'];
  const passed = (['state', 'diffs', 'dead-letters', 'clock'] as const).flatMap((name) => {
    const value = args[name];
    return value === undefined ? [] : [`--${name}`, value];
  });
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), ...own, ...passed], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, KAFKA_BROKERS: brokers, SCHEMA_REGISTRY_URL: url },
    }),
  );
  const lines = children.map(linesOf);
  await Promise.all(lines.map((next) => next()));
  for (const child of children) child.stdin?.write('go\n');
  const results = await Promise.all(lines.map(async (next) => JSON.parse(await next()) as Result));
  const sum = (of: keyof Result): number => results.reduce((total, result) => total + result[of], 0);
  const seconds = Math.max(...results.map((result) => result.seconds));
  return {
    records: sum('records'),
    seconds,
    records_per_s: Math.round(sum('records') / seconds),
    cpu_s: round(sum('cpu_s')),
    rss_mb: sum('rss_mb'),
    diffs: sum('diffs'),
    states: sum('states'),
    commits: sum('commits'),
    cpu_start_s: round(sum('cpu_start_s')),
  };
}

/** One line of a child's stdout after the other. */
function linesOf(child: ChildProcess): () => Promise<string> {
  let buffered = '';
  const lines: string[] = [];
  let wake = (): void => {};
  child.stdout?.on('data', (data: Buffer) => {
    const parts = (buffered + data.toString()).split('\n');
    buffered = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  let ended = false;
  child.once('exit', () => {
    ended = true;
    wake();
  });
  return async () => {
    while (lines.length === 0) {
      if (ended) throw new Error('A member has ended without a result.');
      await new Promise<void>((resolve) => (wake = resolve));
    }
    return lines.shift() as string;
  };
}

async function writeTopic(brokers: string, url: string): Promise<void> {
  const { log, codecs } = await connect(brokers, url);
  const [records, users, partitions, seed] = [args.records, args.users, args.partitions, args.seed].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  let shown = 0;
  const onProgress = (written: number): void => {
    if (written < shown) return;
    say(`generated ${written}`);
    shown = written + 500_000;
  };
  const made = await generate({ log, codecs, topic: args.topic, records, users, partitions, seed, onProgress });
  say(`${args.topic}: ${JSON.stringify(made)}`);
  await log.close();
}

/** On stderr, for whoever reads along. */
function explain(result: Result): Result {
  const { records, diffs, states, cpu_s, cpu_start_s } = result;
  const each = (count: number): string => `${count} (${(count / Math.max(1, records)).toFixed(4)} a signal)`;
  const million = (seconds: number): number => round((seconds / Math.max(1, records)) * 1e6);
  say(`signals ${records}, diffs ${each(diffs)}, state records ${each(states)}`);
  say(`${million(cpu_s)} CPU-seconds a million, of which ${million(cpu_start_s)} are the start`);
  return result;
}

async function main(): Promise<void> {
  const processes = Number(args.processes);
  const { KAFKA_BROKERS: brokers, SCHEMA_REGISTRY_URL: url } = process.env;
  if (brokers !== undefined && url !== undefined) {
    if (args['generate-only'] === true) return writeTopic(brokers, url);
    const result = processes === 1 ? await run(brokers, url) : await runMembers(processes, brokers, url);
    process.stdout.write(`${JSON.stringify(args.member === true ? result : explain(result))}\n`);
    return;
  }
  if (brokers !== undefined || url !== undefined) throw new Error('KAFKA_BROKERS and SCHEMA_REGISTRY_URL go together.');
  const { isSkipped, kafka, schemaRegistry } = await import('../test/stack/index.ts');
  say('Starting Kafka and a schema registry.');
  const [broker, registry] = await Promise.all([kafka(), schemaRegistry()]);
  for (const part of [broker, registry]) if (isSkipped(part)) throw new Error(part.skipped);
  if (isSkipped(broker) || isSkipped(registry)) return;
  try {
    await writeTopic(broker.url, registry.url);
    // In a process of its own: what is measured has generated nothing.
    process.stdout.write(`${JSON.stringify(explain(await runMembers(processes, broker.url, registry.url)))}\n`);
  } finally {
    await Promise.all([broker.stop(), registry.stop()]);
  }
}

await main();
process.exit(0);

function help(): string {
  return `Usage: npm run bench:kafka -- [options]

Runs the presence topology over a topic of Avro signals and prints one line of JSON:
{records, seconds, records_per_s, cpu_s, rss_mb, diffs, …}. Brokers and registry: KAFKA_BROKERS, SCHEMA_REGISTRY_URL;
without them a Kafka and a registry are started, and the topic is generated.

  --topic T             what is read (default bench.signals)
  --group G             the consumer group; a new name begins at the beginning
  --from-beginning      as a new group does; said for the reader
  --until-lag-0         it always ends at the end that the topic has at the start; said for the reader
  --guarantee G         exactly_once (default) or at_least_once
  --processes N         members of the group, at most one a partition
  --state T --diffs T --dead-letters T    what is written (default G.state, G.diffs, presence.dlq)
  --clock on|off        judge holes and leaps of time (default: where the broker stamps)
  --records N --users N --partitions N --seed N    of what is generated
  --generate-only       writes the topic and ends
  --verbose             logs

Examples:
  npm run bench:kafka -- --records 3000000 --guarantee at_least_once
  KAFKA_BROKERS=… SCHEMA_REGISTRY_URL=… npm run bench:kafka -- --topic presence.signals --from-beginning --until-lag-0 --group g1
`;
}
