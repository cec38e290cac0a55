import { describe, expect, test } from 'vitest';
import { Bucket, Buckets, checkRate, defaultRate } from './limits.ts';

const rate = { rate: 50, burst: 100 };

describe('a bucket', () => {
  test('gives the burst at once, then the rate, and says how long to wait', () => {
    const bucket = new Bucket(rate.burst, 0);
    for (let i = 0; i < 100; i += 1) expect(bucket.take(rate, 0)).toBe(0);
    expect(bucket.take(rate, 0)).toBe(20);
    expect(bucket.take(rate, 19)).toBe(1);
    expect(bucket.take(rate, 20)).toBe(0);
    // Never more than the burst, however long the rest; a clock that steps back gives nothing.
    for (let i = 0; i < 100; i += 1) expect(bucket.take(rate, 1_000_000)).toBe(0);
    expect(bucket.take(rate, 999_000)).toBeGreaterThan(0);
  });

  test('50 requests a second are never refused', () => {
    const buckets = new Buckets({ rate: 50, burst: 50 });
    for (let at = 0; at < 60_000; at += 20) expect(buckets.take('ada', at)).toBe(0);
    for (let second = 60; second < 120; second += 1) {
      for (let i = 0; i < 50; i += 1) expect(buckets.take('ada', second * 1_000)).toBe(0);
    }
  });
});

describe('buckets by user', () => {
  test('forgetting one changes nothing: it was full', () => {
    const buckets = new Buckets(rate);
    const alone = new Bucket(rate.burst, 0);
    let now = 0;
    // Bursts with pauses around the two seconds after which a bucket may be forgotten.
    for (const pause of [0, 500, 1_000, 1_999, 2_000, 2_001, 3_999, 4_000, 4_001, 10_000]) {
      now += pause;
      for (let i = 0; i < 130; i += 1) expect(buckets.take('ada', now), `after ${pause}`).toBe(alone.take(rate, now));
      buckets.take(`other-${pause}`, now + 1);
    }
  });

  test('memory is bound by who asked lately', () => {
    const buckets = new Buckets(rate);
    for (let i = 0; i < 100_000; i += 1) buckets.take(`user-${i}`, i);
    expect(buckets.size).toBeLessThanOrEqual(4_001);
  });

  test('a rate below the promise is a bad setting', () => {
    expect(() => checkRate({ rate: 49, burst: 100 })).toThrow(/too low/);
    expect(() => checkRate({ rate: 60, burst: 59 })).toThrow(/too low/);
    checkRate(defaultRate);
  });
});
