/**
 * Snapshots and standbys change how fast a partition is taken, and nothing that is said: whatever becomes of them, the output and
 * the state are those of an undisturbed run, byte for byte.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import type { Log } from '../../ports/log.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { counterTopics, counterWiring } from './counter.ts';
import { random } from './faulty-log.ts';
import { judge } from './reference.ts';
import { bound, bury, caughtUp, type Instance, makeTopics, sendAll, signals, startInstance, until } from './world.ts';

const wiring = counterWiring({ cell_ms: 10, quiet_ms: 25, flush_ms: 20 });
const PARTITIONS = 2;
let folder: string;
let log: Log;
let reads: { topic: string; partition: number; from: number; records: number }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presence-state-'));
  log = await createEmbeddedLog();
  await makeTopics(log, PARTITIONS);
  reads = [];
});
afterEach(async () => {
  await log.close();
  await rm(folder, { recursive: true, force: true });
});

/** The log, and what is read of it. */
const watched = (inner: Log): Log => ({
  ...bound(inner),
  read: async (options: Parameters<Log['read']>[0]) => {
    const read = { topic: options.topic, partition: options.partition, from: options.from, records: 0 };
    if (options.topic === counterTopics.state) reads.push(read);
    await inner.read({
      ...options,
      onBatch: (batch) => {
        read.records += batch.records.length;
        return options.onBatch(batch);
      },
    });
  },
});

const write = (seed: number, count = 120) => sendAll(log, signals(random(seed), { count, keys: 30 }));

interface Start {
  readonly stateDir?: string;
  readonly standbyReplicas?: number;
}
const start = (options: Start = { stateDir: folder }): Promise<Instance> => startInstance(watched(log), wiring, options);

/** All input is processed, and what it says after the last cut and the last deadline has been written. */
async function workedOff(...instances: readonly Instance[]): Promise<void> {
  await caughtUp(
    log,
    instances.map(({ runner }) => runner),
  );
  await sleep(60);
}

/** One life of an instance: takes the partitions, works off the input, ends. */
async function live(options?: Start): Promise<void> {
  const instance = await start(options);
  await workedOff(instance);
  await instance.runner.close();
}

async function expectUndisturbed(): Promise<void> {
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const verdict = await judge(log, wiring, partition);
    expect(verdict.found.length).toBeGreaterThan(0);
    expect(verdict.found).toEqual(verdict.expected);
    expect(verdict.foundState).toEqual(verdict.expectedState);
  }
}

const fileOf = (partition: number): string => join(folder, counterTopics.state, `${partition}.image`);
const count = async (outcome: string): Promise<number> => {
  const found = await registry.getSingleMetric('presence_snapshots_total')?.get();
  return found?.values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
};

describe('A restart with a snapshot', () => {
  test('reads only what is new of the state topic, and goes on as if nothing had been', async () => {
    await write(1);
    await live();
    await write(2);
    reads = [];
    await live();
    for (const { from, records } of reads) {
      expect(from).toBeGreaterThan(0);
      // The last transaction's records, which the snapshot has already.
      expect(records).toBeLessThan(20);
    }
    expect(reads.map(({ partition }) => partition).sort()).toEqual([0, 1]);
    await write(3);
    await live();
    await expectUndisturbed();
  });

  test('an older snapshot is as good: more is read', async () => {
    await write(1);
    await live();
    const old = await readFile(fileOf(0));
    await write(2);
    await live();
    await write(3);
    await live();
    await writeFile(fileOf(0), old);
    reads = [];
    await live();
    const [zero, one] = [0, 1].map((partition) => reads.find((read) => read.partition === partition));
    expect(zero?.records).toBeGreaterThan(one?.records ?? 0);
    await expectUndisturbed();
  });

  const damages: Record<string, (file: Buffer) => Buffer> = {
    'one byte is another': (file) => {
      file[file.length >> 1] = (file[file.length >> 1] as number) ^ 1;
      return file;
    },
    'a byte of its hash is another': (file) => {
      file[file.length - 1] = (file.at(-1) as number) ^ 1;
      return file;
    },
    'it is cut off': (file) => file.subarray(0, file.length - 100),
    'it is empty': () => Buffer.alloc(0),
    'it is something else': () => Buffer.alloc(5_000, 'x'),
    'it is of another format': (file) => {
      file[7] = 99;
      return file;
    },
    'it is of another log': (file) => edited(file, /"embedded .{8}/, '"embedded 00000000'),
    'it is of another partition': (file) => edited(file, /"partition":0/, '"partition":1'),
    'it was taken too long ago': (file) => edited(file, /"taken_at":../, '"taken_at":10'),
  };
  test.for(Object.entries(damages))('%s: it is left aside, all is read', async ([, damage]) => {
    await write(1);
    await live();
    await writeFile(fileOf(0), damage(await readFile(fileOf(0))));
    await write(2);
    reads = [];
    const ignored = await count('ignored');
    await live();
    expect(await count('ignored')).toBe(ignored + 1);
    expect(reads.find(({ partition }) => partition === 0)?.from).toBe(0);
    expect(reads.find(({ partition }) => partition === 1)?.from).toBeGreaterThan(0);
    await expectUndisturbed();
  });

  test('a snapshot that reaches beyond the topic is of another one: all is read', async () => {
    await write(1);
    await live();
    // The same log by its name, with an end below: as one that lost its end, or was restored from an older disk.
    await writeFile(fileOf(0), edited(await readFile(fileOf(0)), /"next":\d\d/, '"next":99'));
    await write(2);
    reads = [];
    await live();
    expect(reads.find(({ partition }) => partition === 0)?.from).toBe(0);
    await expectUndisturbed();
  });

  test('a folder that cannot be written to costs nothing but the snapshot', async () => {
    await write(1);
    await writeFile(join(folder, 'file'), '');
    const failed = await count('failed');
    await live({ stateDir: join(folder, 'file') });
    expect(await count('failed')).toBeGreaterThan(failed);
    await expectUndisturbed();
  });

  test('nothing but whole snapshots is left in the folder', async () => {
    await write(1);
    await live();
    expect((await readdir(join(folder, counterTopics.state))).sort()).toEqual(['0.image', '1.image']);
    expect((await stat(fileOf(0))).size).toBeGreaterThan(500);
  });
});

/** With something else in its header, and the hash that goes with it. */
function edited(file: Buffer, what: RegExp, by: string): Buffer {
  const text = file.toString('latin1');
  expect(text).toMatch(what);
  const body = Buffer.from(text.replace(what, by), 'latin1').subarray(0, file.length - 32);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

test('a restore that takes long says how far it is: in readyz, in a gauge, in the log', async () => {
  await log.close();
  log = await createEmbeddedLog({ batchRecordsMax: 5 });
  await makeTopics(log, PARTITIONS);
  await write(1, 300);
  await live({});
  let goOn = (): void => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const slow: Log = {
    ...bound(log),
    read: (options) =>
      log.read({
        ...options,
        onBatch: async (batch) => {
          await options.onBatch(batch);
          if (options.topic === counterTopics.state) await gate;
        },
      }),
  };
  const { runner } = await startInstance(slow, wiring);
  await until('it says how far it is', () => / of counter.state read, \d+ offsets left/.test(runner.problem ?? ''));
  expect(runner.ready).toBe(false);
  expect(runner.problem).toMatch(/^Partition \d is restoring: \d+% of counter.state read/);
  const remaining = async (): Promise<number[]> =>
    ((await registry.getSingleMetric('presence_restore_records_remaining')?.get())?.values ?? []).map(({ value }) => value);
  expect(Math.max(...(await remaining()))).toBeGreaterThan(0);
  goOn();
  await until('it runs', () => runner.ready);
  expect(Math.max(...(await remaining()))).toBe(0);
  await runner.close();
});

/** Another one gets its share of the partitions, cannot take it, and dies. */
async function newcomerDies(one: Instance): Promise<void> {
  const two = await startInstance(watched(log), wiring, {
    standbyReplicas: 1,
    plan: (step) => (step === 'fence' ? 'refused' : undefined),
  });
  await until('each has one', () => one.runner.partitions.length === 1 && two.runner.partitions.length === 1);
  two.log.kill();
  await bury(two);
}

describe('A standby', () => {
  const standbyPartitions = async (): Promise<number[]> => {
    const found = await registry.getSingleMetric('presence_standby_lag_records')?.get();
    return (found?.values ?? []).map(({ labels }) => Number(labels.partition)).sort();
  };

  test('takes over from a dead owner by reading the end alone', async () => {
    const one = await start({ standbyReplicas: 1 });
    await write(1, 400);
    await workedOff(one);
    const two = await start({ standbyReplicas: 1 });
    await until('each is the standby of the other', async () => {
      const own = two.runner.partitions.map(({ partition }) => partition);
      return own.length === 1 && (await standbyPartitions()).length === 2;
    });
    await write(2);
    await workedOff(one, two);
    const theirs = one.runner.partitions.map(({ partition }) => partition);
    reads = [];
    one.log.kill();
    await write(3);
    await bury(one);
    await workedOff(two);
    const taken = reads.filter(({ partition }) => theirs.includes(partition));
    expect(taken.length).toBeGreaterThan(0);
    for (const { from } of taken) expect(from).toBeGreaterThan(0);
    await two.runner.close();
    await expectUndisturbed();
  });

  test('what was emitted and not committed is no part of what is kept of a partition that was ours', async () => {
    let stuck = false;
    const one = await startInstance(watched(log), wiring, {
      standbyReplicas: 1,
      plan: (step) => (stuck && step === 'commit' ? 'aborted' : undefined),
    });
    await write(1);
    await workedOff(one);
    stuck = true;
    await write(2);
    await workedOff(one);
    await newcomerDies(one);
    stuck = false;
    await write(3);
    await workedOff(one);
    await one.runner.close();
    await expectUndisturbed();
  });

  test('nor is what waits until a dead letter is acknowledged', async () => {
    let acknowledge = (): void => {};
    const acknowledged = new Promise<void>((resolve) => {
      acknowledge = resolve;
    });
    const slow: Log = {
      ...watched(log),
      producer: async () => {
        const producer = await log.producer();
        const send: typeof producer.send = async (batches) => {
          if (batches.some(({ topic }) => topic === counterTopics.deadLetters)) await acknowledged;
          return producer.send(batches);
        };
        return { ...producer, send };
      },
    };
    // There before anybody reads: one batch brings cuts, and what cannot be decoded.
    for (let seed = 1; seed <= 4; seed += 1) {
      await sendAll(log, signals(random(seed), { count: 40, keys: 30, garbage: 0.2 }));
      await sleep(15);
    }
    const one = await startInstance(slow, wiring, { standbyReplicas: 1 });
    await until('both have something to put aside', () => {
      const waiting = one.runner.partitions.filter(({ state, position }) => state === 'running' && position > 0);
      return waiting.length === PARTITIONS;
    });
    await newcomerDies(one);
    acknowledge();
    await write(5);
    await workedOff(one);
    await one.runner.close();
    await expectUndisturbed();
  });

  test('a newcomer gets its share once it has it warm; until then nothing stands still', async () => {
    await write(1, 400);
    const one = await start({});
    await workedOff(one);
    reads = [];
    const two = await start({});
    await until('each has one', () => one.runner.partitions.length === 1 && two.runner.partitions.length === 1);
    await write(2);
    await workedOff(one, two);
    // What moved was read as a standby; its taking read the end.
    for (const { from } of reads) expect(from).toBeGreaterThan(0);
    expect(reads).toHaveLength(1);
    await Promise.all([one.runner.close(), two.runner.close()]);
    await expectUndisturbed();
  });

  test('what is given up for good is held no longer', async () => {
    const one = await start({ standbyReplicas: 0 });
    await write(1);
    await workedOff(one);
    const two = await start({ standbyReplicas: 0 });
    await until('each has one', () => one.runner.partitions.length === 1 && two.runner.partitions.length === 1);
    await until('nobody stands by', async () => (await standbyPartitions()).length === 0);
    await Promise.all([one.runner.close(), two.runner.close()]);
  });
});
