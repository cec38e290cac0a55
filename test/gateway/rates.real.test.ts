/** A user's rate over two gateways, counted in a real Redis; and what becomes of it when that is away. */
import { afterEach, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createRedisSharedRate } from '../../connectors/redis/index.ts';
import type { Rate } from '../../gateway/limits.ts';
import { Rates } from '../../gateway/rates.ts';
import { isSkipped, redis } from '../stack/index.ts';
import { describeWith } from '../stack/suite.ts';

const rate: Rate = { rate: 100, burst: 200 };
let open: Rates[] = [];
afterEach(async () => {
  await Promise.all(open.map((one) => one.close()));
  open = [];
});

function gateway(url: string, name: string): Rates {
  const shared = createRedisSharedRate({ url, logger: silentLogger, name, points: rate.burst, period_s: rate.burst / rate.rate });
  const one = new Rates(rate, shared);
  open.push(one);
  return one;
}
const ask = (of: Rates, key: string, times: number): number => {
  let refused = 0;
  for (let i = 0; i < times; i += 1) if (of.take(key, Date.now()) > 0) refused += 1;
  return refused;
};
const soon = (ms = 150): Promise<void> => new Promise((done) => setTimeout(done, ms));

await describeWith('A rate over gateways', ['redis'], ({ redis: url }) => {
  test('what two gateways let through is one user’s', async () => {
    const [a, b] = [gateway(url, 'two'), gateway(url, 'two')];
    await soon(500); // both are connected
    expect([ask(a, 'ada', 120), ask(b, 'ada', 120)]).toEqual([0, 0]);
    await soon();
    // 240 in two seconds: both know, whoever asked; nobody else is held.
    expect(ask(a, 'ada', 5) + ask(b, 'ada', 5)).toBeGreaterThanOrEqual(5);
    expect(ask(a, 'bob', 5) + ask(b, 'bob', 5)).toBe(0);
    expect(a.take('ada', Date.now())).toBeLessThanOrEqual(2_000);
    await soon(2_200);
    expect(ask(a, 'ada', 1)).toBe(0);
  });

  test('50 a second are never refused, over whichever gateways', async () => {
    const both = [gateway(url, 'fifty'), gateway(url, 'fifty')];
    await soon(500);
    let refused = 0;
    for (let second = 0; second < 4; second += 1) {
      for (let i = 0; i < 50; i += 1) refused += ask(both[i % 2] as Rates, 'ada', 1);
      await soon(1_000);
    }
    expect(refused).toBe(0);
  });
});

test('a Redis that is gone refuses nobody: each gateway holds the rate by itself', async ({ skip }) => {
  const own = await redis();
  if (isSkipped(own)) return skip(own.skipped);
  const [a, b] = [gateway(own.url, 'gone'), gateway(own.url, 'gone')];
  await soon(500);
  await own.kill();
  expect(ask(a, 'dan', 10)).toBe(0);
  await soon(); // that could not be counted
  expect(ask(a, 'dan', 10)).toBe(0);
  expect([ask(a, 'ada', 200), ask(b, 'ada', 200)]).toEqual([0, 0]);
  await soon();
  expect(ask(a, 'ada', 50)).toBeGreaterThan(20); // its own bucket
  await own.restart();
  // Once both have found it again, the two are one.
  for (let round = 0, refused = 0; refused === 0; round += 1) {
    expect([ask(a, `cyd${round}`, 150), ask(b, `cyd${round}`, 150)]).toEqual([0, 0]);
    await soon(300);
    refused = ask(a, `cyd${round}`, 1);
  }
  await own.stop();
}, 60_000);
