/** Ticks on the embedded log, whose clock runs apart from ours: what counts is where they land, never how long it took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../base/logger.ts';
import type { Log, LogProducer, TopicRecords } from '../ports/log.ts';
import { createEmbeddedLog } from './log-embedded.ts';
import { Ticker, type TickTarget } from './ticks.ts';

const SKEW_MS = -3_600_000;
const topic = 'ticked';
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Target extends TickTarget {
  ticking: boolean;
  next: number | null;
  stamp: number;
  position: number;
}
const target = (partition: number, over: Partial<Target> = {}): Target => {
  const made: Target = { partition, ticking: true, next: null, stamp: 0, position: 0, due: () => made.next, ...over };
  return made;
};
const brokerNow = (): number => Date.now() + SKEW_MS;

async function setUp(
  options: {
    readonly idleTick_ms?: number;
    readonly send?: (producer: LogProducer) => LogProducer['offer'];
    readonly log?: Log;
  } = {},
) {
  const log = options.log ?? (await createEmbeddedLog({ now: brokerNow }));
  await log.ensureTopics([{ name: topic, partitions: 4, cleanup: 'delete' }]);
  const producer = await log.producer();
  const sends: (readonly TopicRecords[])[] = [];
  const send = options.send?.(producer) ?? producer.offer.bind(producer);
  const ticker = new Ticker({
    producer: {
      offer: (batches) => {
        sends.push(batches);
        return send(batches);
      },
    },
    topic,
    tick: Buffer.from('tick'),
    idleTick_ms: options.idleTick_ms ?? 60_000,
    backoff: { first_ms: 1, max_ms: 8 },
    logger: silentLogger,
  });
  ends.push(
    () => ticker.close(),
    () => log.close(),
  );
  return { log, ticker, sends };
}

async function stampsOf(log: Log, partition: number): Promise<number[]> {
  const stamps: number[] = [];
  await log.read({
    topic,
    partition,
    from: 0,
    onBatch: (batch) => void stamps.push(...batch.records.map(({ timestamp }) => timestamp)),
  });
  return stamps;
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 2_000 && !(await condition()); n += 1) await sleep(2);
}

describe('The ticker', () => {
  test("a broker's clock that was set forwards is found out within the pause after which time is moved on", async () => {
    let leapt = 0;
    const log = await createEmbeddedLog({ now: () => brokerNow() + leapt });
    const { ticker } = await setUp({ idleTick_ms: 20, log });
    const one = target(2, { stamp: brokerNow() });
    ticker.add(one);
    await until(async () => (await stampsOf(log, 2)).length === 1); // The first tick measures the clock.
    leapt = 3_600_000;
    // A record that somebody else wrote after the leap has been read, and what waits is due soon after it.
    Object.assign(one, { position: 1, stamp: brokerNow() + leapt, next: brokerNow() + leapt + 50 });
    ticker.changed(2);
    await until(async () => (await stampsOf(log, 2)).length === 2);
    expect((await stampsOf(log, 2))[1]).toBeGreaterThan(brokerNow() + leapt - 60_000);
  });

  test("a broker's clock that was set forwards is found out by what others write, long before that pause", async () => {
    let leapt = 0;
    const log = await createEmbeddedLog({ now: () => brokerNow() + leapt });
    const { ticker } = await setUp({ idleTick_ms: 3_600_000, log });
    const one = target(2, { stamp: brokerNow() });
    ticker.add(one);
    await until(async () => (await stampsOf(log, 2)).length === 1);
    leapt = 5_000;
    // What somebody else wrote since has been read, and what waits is due right now.
    Object.assign(one, { position: 1, stamp: brokerNow() + leapt, next: brokerNow() + leapt });
    ticker.changed(2);
    await until(async () => (await stampsOf(log, 2)).length === 2);
    expect((await stampsOf(log, 2))[1]).toBeGreaterThanOrEqual(one.next as number);
  });

  test("writes the tick of a deadline once the broker's clock has reached it, never before, and one is enough", async () => {
    const { log, ticker } = await setUp();
    const one = target(2, { stamp: brokerNow() });
    ticker.add(one);
    await until(async () => (await stampsOf(log, 2)).length === 1); // The first tick measures the clock.
    const deadlines: number[] = [];
    for (let n = 2; n <= 12; n += 1) {
      const [last] = (await stampsOf(log, 2)).slice(-1);
      Object.assign(one, { position: n - 1, stamp: last, next: (last as number) + 7 + n });
      deadlines.push(one.next as number);
      ticker.changed(2);
      await until(async () => (await stampsOf(log, 2)).length === n);
    }
    const stamps = (await stampsOf(log, 2)).slice(1);
    expect(stamps).toHaveLength(deadlines.length);
    stamps.forEach((stamp, index) => {
      expect(stamp).toBeGreaterThanOrEqual(deadlines[index] as number);
    });
  });

  test('has one tick in flight a partition, however late its reader is', async () => {
    const { log, ticker } = await setUp();
    const one = target(0, { next: 1 });
    ticker.add(one);
    for (let n = 0; n < 20; n += 1) {
      await sleep(2);
      ticker.changed(0);
    }
    expect(await stampsOf(log, 0)).toHaveLength(1);
    one.position = 1;
    ticker.changed(0);
    await until(async () => (await stampsOf(log, 0)).length === 2);
    expect(await stampsOf(log, 0)).toHaveLength(2);
  });

  test('writes one when nothing has moved time for a while, and none to what does not run', async () => {
    const { log, ticker } = await setUp({ idleTick_ms: 30 });
    const idle = target(1, { stamp: brokerNow() });
    const paused = target(3, { ticking: false, next: 1 });
    ticker.add(idle);
    ticker.add(paused);
    for (let n = 1; n <= 3; n += 1) {
      await until(async () => (await stampsOf(log, 1)).length === n);
      Object.assign(idle, { position: n, stamp: (await stampsOf(log, 1)).at(-1) });
      ticker.changed(1);
    }
    const stamps = await stampsOf(log, 1);
    expect((stamps[2] as number) - (stamps[1] as number)).toBeGreaterThanOrEqual(30);
    expect(await stampsOf(log, 3)).toEqual([]);
  });

  test('partitions that are due together share a send', async () => {
    const { log, ticker, sends } = await setUp();
    for (const partition of [0, 1, 2, 3]) ticker.add(target(partition, { next: 1 }));
    await until(async () =>
      (await Promise.all([0, 1, 2, 3].map((partition) => stampsOf(log, partition)))).every((stamps) => stamps.length === 1),
    );
    expect(sends.map(([batch]) => batch?.records.length)).toEqual([4]);
  });

  test('a partition without a leader holds up no other, and has its tick once it has one', async () => {
    let leaderless = true;
    const faults = { leaderless: (_: string, partition: number) => leaderless && partition === 1 };
    const { log, ticker, sends } = await setUp({ log: await createEmbeddedLog({ now: brokerNow, faults }) });
    const targets = [0, 1].map((partition) => target(partition, { next: 1 }));
    for (const one of targets) ticker.add(one);
    const [well] = targets as [Target];
    for (let n = 1; n <= 5; n += 1) {
      await until(async () => (await stampsOf(log, 0)).length === n);
      well.position = n;
      ticker.changed(0);
    }
    await until(async () => (await stampsOf(log, 0)).length === 6);
    // Each tick that was taken is written once; the other partition is asked about, and not without a pause.
    await sleep(20);
    expect(await stampsOf(log, 0)).toHaveLength(6);
    expect(sends.length).toBeLessThan(60);
    leaderless = false;
    await until(async () => (await stampsOf(log, 1)).length === 1);
    expect(await stampsOf(log, 1)).toHaveLength(1);
  });

  test('a send that fails is tried again', async () => {
    let failures = 3;
    const { log, ticker } = await setUp({
      send: (producer) => async (batches) => {
        failures -= 1;
        if (failures >= 0) throw new Error('No broker.');
        return producer.offer(batches);
      },
    });
    ticker.add(target(0, { next: 1 }));
    await until(async () => (await stampsOf(log, 0)).length === 1);
    expect(await stampsOf(log, 0)).toHaveLength(1);
  });
});
