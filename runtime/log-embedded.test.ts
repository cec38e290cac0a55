import { expect, test } from 'vitest';
import { hasCode } from '../base/errors.ts';
import type { Log, LogRecord } from '../ports/log.ts';
import { brokerClock } from './embedded/clock.ts';
import { createEmbeddedLog, type EmbeddedFaults } from './log-embedded.ts';

const DAY_MS = 24 * 3_600_000;
const record = (key: string, value: string | null) => ({ key, value: value === null ? null : Buffer.from(value) });

async function all(log: Log, topic: string, from = 0): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await log.read({ topic, partition: 0, from, onBatch: (batch) => void records.push(...batch.records) });
  return records;
}
const values = async (log: Log, topic: string): Promise<string[]> => (await all(log, topic)).map(({ value }) => String(value));

async function withClock(options: { faults?: EmbeddedFaults; partitionBytesMax?: number } = {}) {
  const clock = { now: 1_000_000 };
  const log = await createEmbeddedLog({ now: () => clock.now, ...options });
  await log.ensureTopics([
    { name: 'signals', partitions: 1, cleanup: 'delete', retention_ms: 60_000 },
    { name: 'state', partitions: 1, cleanup: 'compact' },
  ]);
  const producer = await log.producer();
  const send = (topic: string, ...records: ReturnType<typeof record>[]) => producer.send([{ topic, records }]);
  return { clock, log, send };
}

test('stamps are those of the clock that was given, also where it steps back', async () => {
  const { clock, log, send } = await withClock();
  for (const now of [5_000, 7_000, 3_000]) {
    clock.now = now;
    await send('signals', record('k', String(now)));
  }
  expect((await all(log, 'signals')).map(({ timestamp }) => timestamp)).toEqual([5_000, 7_000, 3_000]);
});

test('the own clock waits where the machine steps back a little, and follows it where it leaps', () => {
  const steps = [10_000, 10_500, 10_200, 10_600, 9_700, 5_000, 5_001];
  const clock = brokerClock(() => steps.shift() ?? 0);
  expect(steps.map(() => 0).map(clock)).toEqual([10_000, 10_500, 10_500, 10_600, 10_600, 5_000, 5_001]);
});

test('records older than the retention go; who asks for them gets the first that is left', async () => {
  const { clock, log, send } = await withClock();
  for (let i = 0; i < 5; i += 1) {
    await send('signals', record('k', String(i)));
    clock.now += 30_000;
  }
  expect(await log.offsets('signals')).toEqual([{ partition: 0, start: 2, end: 5 }]);
  expect(await values(log, 'signals')).toEqual(['2', '3', '4']);
});

test('a partition that is full drops its oldest records', async () => {
  const { log, send } = await withClock({ partitionBytesMax: 50_000 });
  for (let i = 0; i < 200; i += 1) await send('signals', record('k', 'x'.repeat(300)));
  const [{ start = 0, end = 0 } = {}] = await log.offsets('signals');
  expect(end).toBe(200);
  expect(end - start).toBeLessThan(100);
  expect((await all(log, 'signals')).length).toBe(end - start);
});

test('a compacted topic keeps the newest record of a key at its offset, and forgets tombstones after a day', async () => {
  const { clock, log, send } = await withClock();
  await send('state', record('gone', 'x'), record('gone', null));
  for (let i = 0; i < 1_500; i += 1) await send('state', record(`k${i % 10}`, String(i)));
  const kept = await all(log, 'state');
  expect(kept.length).toBeLessThan(1_000);
  expect(kept.filter(({ key }) => String(key) === 'gone').map(({ value }) => value)).toEqual([null]);
  expect(kept.at(-1)).toMatchObject({ offset: 1_501, value: Buffer.from('1499') });
  expect(new Map(kept.map(({ key, offset }) => [String(key), offset])).get('k9')).toBe(1_501);
  clock.now += DAY_MS + 1;
  for (let i = 0; i < 1_500; i += 1) await send('state', record(`k${i % 10}`, String(i)));
  expect((await all(log, 'state')).some(({ key }) => String(key) === 'gone')).toBe(false);
  expect((await log.offsets('state'))[0]).toEqual({ partition: 0, start: 0, end: 3_002 });
});

test('readers stop before an open transaction, and pass over it once it is aborted', async () => {
  const outcomes: ReturnType<NonNullable<EmbeddedFaults['commit']>>[] = ['open'];
  const { log, send } = await withClock({ faults: { commit: () => outcomes.shift() } });
  const seen: string[] = [];
  const onBatch = async ({ records }: { records: readonly LogRecord[] }): Promise<void> =>
    void seen.push(...records.map(({ value }) => String(value)));
  const follower = await log.follow({ topics: ['signals'], from: 'start', onBatch });
  const transactional = await log.transactions('t');
  await transactional.fence();
  await send('signals', record('k', 'before'));
  const commit = transactional.commit([{ topic: 'signals', records: [record('k', 'open')] }]);
  await expect(commit).rejects.toSatisfy((error) => hasCode(error, 'COMMIT_UNKNOWN'));
  await send('signals', record('k', 'after'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toEqual(['before']);
  expect((await log.offsets('signals'))[0]?.end).toBe(1);
  await transactional.reopen();
  await transactional.commit([{ topic: 'signals', records: [record('k', 'again')] }]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toEqual(['before', 'after', 'again']);
  expect((await all(log, 'signals')).map(({ offset }) => offset)).toEqual([0, 3, 4]);
  await follower.close();
});

test.each([
  ['aborted', 'ABORTED', []],
  ['committed', 'COMMIT_UNKNOWN', ['x']],
] as const)('a commit may be made to end as %s', async (fault, code, expected) => {
  const { log } = await withClock({ faults: { commit: () => fault } });
  const transactional = await log.transactions('t');
  await transactional.fence();
  const commit = transactional.commit([{ topic: 'signals', records: [record('k', 'x')] }]);
  await expect(commit).rejects.toSatisfy((error) => hasCode(error, code));
  expect(await values(log, 'signals')).toEqual(expected);
});

test('a send may be made to fail before it is written, or after', async () => {
  const outcomes = ['refused', 'lost', undefined] as const;
  let call = 0;
  const { log, send } = await withClock({
    faults: {
      send: () => {
        call += 1;
        return outcomes[call - 1];
      },
    },
  });
  for (const value of ['refused', 'lost']) {
    await expect(send('signals', record('k', value))).rejects.toSatisfy((error) => hasCode(error, 'LOG_UNAVAILABLE'));
  }
  await send('signals', record('k', 'ok'));
  expect(await values(log, 'signals')).toEqual(['lost', 'ok']);
});

test('whoever loses the id between two batches of an append writes no further one', async () => {
  const { log } = await withClock();
  const [one, heir] = [await log.transactions('id'), await log.transactions('id')];
  await one.fence();
  const batches = ['signals', 'state'].map((topic) => ({ topic, records: [record('k', 'old')] }));
  const appended = one.append(batches).catch((error: unknown) => hasCode(error, 'FENCED'));
  await heir.fence();
  expect(await appended).toBe(true);
  expect(await values(log, 'signals')).toEqual(['old']);
  expect(await values(log, 'state')).toEqual([]);
});
