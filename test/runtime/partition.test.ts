/** What a runner does where a law over seeds does not look: refusals, poison, dead letters, controls, moves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { registry } from '../../base/metrics.ts';
import type { Log, LogBatch, LogRecord } from '../../ports/log.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { counterWiring, counterTopics as topics } from './counter.ts';
import type { Fault, Step } from './faulty-log.ts';
import { judge, readAll } from './reference.ts';
import { bound, bury, caughtUp, type Instance, keyIn, makeTopics, quick, sendAll, startInstance, until } from './world.ts';

const wiring = counterWiring({ cell_ms: 10, quiet_ms: 40, flush_ms: 20 });
const logs: Log[] = [];
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
});
async function logWith(partitions: number): Promise<Log> {
  const log = await createEmbeddedLog();
  logs.push(log);
  await makeTopics(log, partitions);
  return log;
}
const add = (key: string, amount = 1, headers: Readonly<Record<string, string>> = {}) => ({
  key,
  value: Buffer.from(JSON.stringify({ kind: 'add', key, amount })),
  headers,
});
const bomb = (key: string) => ({ key, value: Buffer.from(JSON.stringify({ kind: 'bomb', key, amount: 0 })) });
const header = (record: LogRecord | undefined, name: string) => record?.headers[name]?.toString();
const changes = async (log: Log, partition = 0) =>
  (await readAll(log, topics.output, partition)).map(
    ({ value }) => JSON.parse(String(value)) as { key: string; to: number; cause: string },
  );
const metric = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> => {
  const found = await registry.getSingleMetric(name)?.get();
  return found?.values.find((value) => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))?.value;
};

/** The log as if its retention had taken everything below `start`. */
const trimmed = (log: Log, partition: number, start: number): Log => ({
  ...bound(log),
  offsets: async (topic) =>
    (await log.offsets(topic)).map((one) => (topic === topics.input && one.partition === partition ? { ...one, start } : one)),
});

describe('A partition', () => {
  test('whose tail the log no longer has refuses to run and names the command; the others run on', async () => {
    const log = await logWith(2);
    const instance = await startInstance(trimmed(log, 1, 5), wiring);
    const [here, there] = [keyIn(0, 2), keyIn(1, 2)];
    await sendAll(log, [add(here), add(there)]);
    await until('partition 1 is parked', () => instance.runner.partitions[1]?.state === 'parked');
    await until('partition 0 has said it', async () => (await changes(log, 0)).length > 0);
    expect(instance.runner.partitions[1]?.problem).toBe(
      'Partition 1 needs the input from offset 0 on, but the log begins at 5. ' +
        'It stays parked: no command rebuilds a partition yet. What it lacks: counter plan 1',
    );
    expect(instance.runner.ready).toBe(false);
    expect(instance.runner.problem).toContain('Partition 1 is parked');
    expect(await changes(log, 1)).toEqual([]);
    expect(await metric('presence_partition_state', { partition: '1', state: 'parked' })).toBe(1);
    await instance.runner.close();
  });

  test('whose input ends below its position is not run on another log', async () => {
    const log = await logWith(1);
    const producer = await log.producer();
    await producer.send([
      {
        topic: topics.state,
        records: [{ key: '#0', value: Buffer.from(JSON.stringify({ offset: 1_000, stamp: 1, tail: 1_000 })), partition: 0 }],
      },
    ]);
    const { runner } = await startInstance(log, wiring);
    await until('it is parked', () => runner.partitions[0]?.state === 'parked');
    expect(runner.partitions[0]?.problem).toContain('has been processed up to offset 1000, but the log ends at');
    await runner.close();
  });

  test('with a state record that cannot be read refuses to run: to go on would forget somebody', async () => {
    const log = await logWith(1);
    const producer = await log.producer();
    await producer.send([{ topic: topics.state, records: [{ key: 'ada', value: Buffer.from('{garbage'), partition: 0 }] }]);
    const { runner } = await startInstance(log, wiring);
    await until('it is parked', () => runner.partitions[0]?.state === 'parked');
    expect(runner.partitions[0]?.problem).toContain('A state record cannot be read');
    await runner.close();
  });

  test('puts aside what it cannot decode, before its position passes, and goes on', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring);
    const garbage = {
      key: Buffer.from([0xff, 1]),
      value: Buffer.from('{garbage'),
      partition: 0,
      headers: { topic: 'mine', x: 'y' },
    };
    await sendAll(log, [add('ada'), garbage, { key: 'bob', value: null, partition: 0 }, add('ada', 2)]);
    await caughtUp(log, [runner]);
    await until('the count is said', async () => (await changes(log)).length > 0);
    expect((await changes(log))[0]).toMatchObject({ key: 'ada', to: 3 });
    const [first, second] = await readAll(log, topics.deadLetters, 0);
    expect([first?.key, first?.value]).toEqual([garbage.key, garbage.value]);
    expect(['topic', 'partition', 'code', 'x', 'original-topic'].map((name) => header(first, name))).toEqual([
      topics.input,
      '0',
      'UNDECODABLE',
      'y',
      'mine',
    ]);
    expect(header(second, 'reason')).toBe('The record has no value.');
    await runner.close();
  });

  test('finds the record at which the topology throws, puts it aside and goes on', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring);
    await sendAll(log, [add('ada'), add('bob'), bomb('ada'), add('ada', 2)]);
    await caughtUp(log, [runner]);
    await until('all is said', async () => (await changes(log)).length >= 2);
    const letters = await readAll(log, topics.deadLetters, 0);
    expect(new Set(letters.map((letter) => `${header(letter, 'offset')} ${header(letter, 'code')}`))).toEqual(
      new Set(['2 INTERNAL']),
    );
    expect(header(letters[0], 'reason')).toContain('boom');
    await runner.close();
    const poisoned = new Map([[2, Object.assign(new Error('boom'))]]) as never;
    const verdict = await judge(log, wiring, 0, poisoned);
    expect(verdict.found).toEqual(verdict.expected);
  });

  test('is parked when too many records make the topology throw', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring, { limits: { ...quick, poisoned: 2 } });
    await sendAll(log, [bomb('a'), bomb('b'), bomb('c')]);
    await until('it is parked', () => runner.partitions[0]?.state === 'parked');
    expect(runner.partitions[0]?.problem).toContain('failed at offset 2');
    await runner.close();
  });

  test('hands on the traceparent of what it says, and its control records after the commit', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring);
    await sendAll(log, [add('ada', 11, { traceparent: '00-trace' })]);
    await until('the notice is out', async () => (await readAll(log, topics.controls, 0)).length > 0);
    expect(header((await readAll(log, topics.output, 0))[0], 'traceparent')).toBe('00-trace');
    expect((await readAll(log, topics.controls, 0)).map(({ key, value }) => [String(key), String(value)])).toEqual([
      ['ada', '{"key":"ada"}'],
    ]);
    await runner.close();
  });

  test('lets time pass where nobody writes: a key falls quiet by ticks alone, dated with its deadline', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring);
    await sendAll(log, [add('ada')]);
    await until('it is quiet', async () => (await changes(log)).length === 2);
    const [said, quiet] = await changes(log);
    expect([said?.to, quiet?.to, quiet?.cause]).toEqual([1, 0, 'quiet']);
    await runner.close();
  });

  test('commits its position without output, and at a close: nothing is read again after a drain', async () => {
    const log = await logWith(1);
    const first = await startInstance(log, wiring);
    await sleep(60);
    await until('a position is committed', async () => ((await log.committed('counter', topics.input))[0] ?? 0) > 0);
    await sendAll(log, [add('ada')]);
    await until('it is said and quiet', async () => (await changes(log)).length === 2);
    await first.runner.close();
    const batches: LogBatch[] = [];
    const consumer = await log.consume({
      group: 'counter',
      topics: [topics.input],
      onBatch: async (batch) => void batches.push(batch),
    });
    const [{ end } = { end: 0 }] = await log.offsets(topics.input);
    // At most the tick that was under way when it closed.
    expect(end - ((await log.committed('counter', topics.input))[0] ?? 0)).toBeLessThanOrEqual(1);
    await consumer.close();
  });

  test('shows its lag while it cannot commit, and never holds more than one batch', async () => {
    const log = await logWith(1);
    let broken = false;
    const plan = (step: Step): Fault | undefined => (broken && (step === 'commit' || step === 'reopen') ? 'refused' : undefined);
    const { runner } = await startInstance(log, wiring, { plan });
    await sendAll(log, [add('ada')]);
    await caughtUp(log, [runner]);
    broken = true;
    for (let n = 0; n < 30; n += 1) {
      await sendAll(
        log,
        Array.from({ length: 20 }, (_, index) => add(`k${index}`)),
      );
      await sleep(3);
    }
    await until('it lags', () => (runner.partitions[0]?.lag ?? 0) > 50);
    expect(await metric('presence_consumer_lag_records', { topic: topics.input, partition: '0' })).toBeGreaterThan(50);
    broken = false;
    await caughtUp(log, [runner]);
    await runner.close();
    const verdict = await judge(log, wiring, 0);
    expect(verdict.found).toEqual(verdict.expected);
  });
});

describe('Instances of one group', () => {
  test('share the partitions; when one dies the others go on where it was', async () => {
    const log = await logWith(4);
    const instances: Instance[] = [];
    for (let n = 0; n < 3; n += 1) instances.push(await startInstance(log, wiring));
    const write = () =>
      sendAll(
        log,
        Array.from({ length: 40 }, (_, n) => add(`key-${n % 10}`)),
      );
    await write();
    await caughtUp(
      log,
      instances.map(({ runner }) => runner),
    );
    expect(instances.map(({ runner }) => runner.partitions.length).sort()).toEqual([1, 1, 2]);
    const [dead, ...rest] = instances as [Instance, ...Instance[]];
    dead.log.kill();
    await write();
    await bury(dead);
    await write();
    await caughtUp(
      log,
      rest.map(({ runner }) => runner),
    );
    await Promise.all(rest.map(({ runner }) => runner.close()));
    for (let partition = 0; partition < 4; partition += 1) {
      const verdict = await judge(log, wiring, partition);
      expect(verdict.found).toEqual(verdict.expected);
      expect(verdict.foundState).toEqual(verdict.expectedState);
    }
  });

  test('an owner that is fenced while the group still assigns it the partition stands back, then takes it again', async () => {
    const log = await logWith(1);
    const { runner } = await startInstance(log, wiring);
    await sendAll(log, [add('ada')]);
    await caughtUp(log, [runner]);
    const thief = await log.transactions(`counter.${topics.input}.0`);
    await thief.fence();
    await sendAll(log, [add('bob')]);
    await until('bob is said', async () => (await changes(log)).some(({ key }) => key === 'bob'));
    await expect(
      thief.commit([{ topic: topics.state, records: [{ key: 'x', value: null, partition: 0 }] }]),
    ).rejects.toMatchObject({ code: 'FENCED' });
    await runner.close();
    const verdict = await judge(log, wiring, 0);
    expect(verdict.found).toEqual(verdict.expected);
  });

  test('topics with different numbers of partitions are refused before anything runs', async () => {
    const log = await createEmbeddedLog();
    logs.push(log);
    await log.ensureTopics([
      { name: topics.input, partitions: 2, cleanup: 'delete' },
      { name: topics.state, partitions: 3, cleanup: 'compact' },
      { name: topics.output, partitions: 2, cleanup: 'delete' },
    ]);
    await expect(startInstance(log, wiring)).rejects.toMatchObject({ code: 'LOG_MISMATCH' });
  });
});
