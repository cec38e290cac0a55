/**
 * The runtime on a real Kafka: three processes share the partitions; one is killed, one is paused for longer than its
 * session and comes back as a zombie, one joins; they have snapshots and stand by for each other. What a reader of committed
 * records sees is what an undisturbed run would have said. And in one process, commits whose answers are lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import type { Log } from '../../ports/log.ts';
import { createKafkaLog } from '../../runtime/log-kafka.ts';
import { describeWith } from '../stack/suite.ts';
import { type CounterWiring, counterTopicSpecs, counterWiring, topicsOf } from './counter.ts';
import { type Fault, random, type Step } from './faulty-log.ts';
import type { InstanceSettings } from './instance.ts';
import { judge, readAll } from './reference.ts';
import { sendAll, signals, startInstance, until } from './world.ts';

const PARTITIONS = 4;
const times = { cell_ms: 100, quiet_ms: 400, flush_ms: 300 };
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Child {
  readonly process: ChildProcess;
  /** The partitions that it runs, as it last said. */
  readonly running: () => number;
}

function startChild(settings: InstanceSettings): Child {
  const path = fileURLToPath(new URL('instance.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let running = 0;
  child.stdout?.on('data', (data: Buffer) => {
    const line = data.toString().trim().split('\n').at(-1) ?? '[]';
    running = (JSON.parse(line) as { state: string }[]).filter(
      ({ state }) => state === 'running' || state === 'committing',
    ).length;
  });
  return { process: child, running: () => running };
}

/** The group's committed position has reached what is in the input now. */
async function committedUpToNow(log: Log, wiring: CounterWiring, group: string): Promise<void> {
  const ends = await log.offsets(wiring.topics.input);
  await until(
    'the input is committed',
    async () => {
      const positions = await log.committed(group, wiring.topics.input);
      return ends.every(({ partition, end }) => (positions[partition] ?? 0) >= end);
    },
    30_000,
  );
}

async function expectUndisturbed(log: Log, wiring: CounterWiring): Promise<void> {
  let said = 0;
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const verdict = await judge(log, wiring, partition);
    expect(verdict.found).toEqual(verdict.expected);
    expect(verdict.foundState).toEqual(verdict.expectedState);
    said += verdict.found.length;
  }
  expect(said).toBeGreaterThan(PARTITIONS * 10);
}

await describeWith('The runtime on Kafka', ['kafka'], ({ kafka }) => {
  async function setUp(name: string) {
    const prefix = `${name}-${process.pid}-${Date.now()}`;
    const log = await createKafkaLog({ brokers: [kafka], clientId: name, logger: silentLogger });
    await log.ensureTopics(counterTopicSpecs(PARTITIONS, topicsOf(prefix)));
    return { prefix, log, wiring: counterWiring({ ...times, prefix }) };
  }

  test('processes that are killed, and that come back as zombies, change nothing in what is said', {
    timeout: 90_000,
  }, async () => {
    const { prefix, log, wiring } = await setUp('counter-processes');
    const stateDir = await mkdtemp(join(tmpdir(), 'presence-state-'));
    const settings: InstanceSettings = { brokers: [kafka], prefix, stateDir, ...times };
    const next = random(11);
    let writing = true;
    const writer = (async () => {
      while (writing) {
        await sendAll(log, signals(next, { count: 20, keys: 40, garbage: 0.01 }), wiring.topics.input);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    })();
    const [killed, zombie, steady] = [startChild(settings), startChild(settings), startChild(settings)];
    const all = () => [killed, zombie, steady];
    await until(
      'three run it',
      () => all().every(({ running }) => running() > 0) && all().reduce((sum, { running }) => sum + running(), 0) === PARTITIONS,
      30_000,
    );

    zombie.process.kill('SIGSTOP');
    killed.process.kill('SIGKILL');
    const late = startChild(settings);
    // Longer than a session: the group goes on without both, and what they had is taken.
    await until('the others have taken over', () => steady.running() + late.running() === PARTITIONS, 30_000);
    await committedUpToNow(log, wiring, prefix);
    zombie.process.kill('SIGCONT');
    await until(
      'the zombie has found back into the group',
      () => zombie.running() > 0 && zombie.running() + steady.running() + late.running() === PARTITIONS,
      30_000,
    );
    writing = false;
    await writer;
    await committedUpToNow(log, wiring, prefix);

    const living = [zombie, steady, late].map(({ process: child }) => new Promise((resolve) => child.once('exit', resolve)));
    for (const { process: child } of [zombie, steady, late]) child.kill('SIGTERM');
    await Promise.all(living);
    await expectUndisturbed(log, wiring);
    await log.close();
    await rm(stateDir, { recursive: true, force: true });
  });

  test('lost answers, aborts and fences of commits change nothing in what is said', { timeout: 60_000 }, async () => {
    const { prefix, log, wiring } = await setUp('counter-faults');
    const next = random(5);
    let healed = false;
    const faults: readonly Fault[] = ['lost', 'unsure', 'aborted', 'fenced'];
    const plan = (step: Step): Fault | undefined =>
      !healed && step === 'commit' && next() < 0.2 ? faults[Math.floor(next() * faults.length)] : undefined;
    const limits = { fencedPause_ms: 100 };
    const instances = [
      await startInstance(log, wiring, { plan, limits, group: prefix }),
      await startInstance(log, wiring, { plan, limits, group: prefix }),
    ];
    for (let round = 0; round < 150; round += 1) {
      await sendAll(log, signals(next, { count: 10, keys: 40 }), wiring.topics.input);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    healed = true;
    await committedUpToNow(log, wiring, prefix);
    await Promise.all(instances.map(({ runner }) => runner.close()));
    await expectUndisturbed(log, wiring);
    await log.close();
  });

  test('an emission larger than the largest batch that a broker takes is committed whole, once', async () => {
    const { prefix, log, wiring } = await setUp('counter-mass');
    const transactions = await log.transactions(prefix);
    await transactions.fence();
    const value = Buffer.alloc(1_000, 'x');
    const records = Array.from({ length: 3_000 }, (_, n) => ({ key: `k${n}`, value, partition: 1 }));
    for (let n = 0; n < 2; n += 1) await transactions.commit([{ topic: wiring.topics.output, records }]);
    const found = await readAll(log, wiring.topics.output, 1);
    expect(found.map(({ key }) => String(key))).toEqual([...records, ...records].map(({ key }) => key));
    await log.close();
  });
});
