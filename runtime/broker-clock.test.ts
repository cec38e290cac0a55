import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BrokerClock } from './broker-clock.ts';

describe("The broker's clock as acknowledgements show it", () => {
  test('knows nothing before the first one: what is due is due at once', () => {
    const clock = new BrokerClock();
    expect(clock.at(1_000)).toBeNull();
    expect(clock.surelyReached(5_000, 1_000)).toBe(Number.NEGATIVE_INFINITY);
  });

  test('never says that a stamp is reached before it is, and is at most a round trip late', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
        fc.array(
          fc.record({
            gap: fc.double({ min: 1, max: 2_000, noNaN: true }),
            there: fc.double({ min: 0, max: 40, noNaN: true }),
            back: fc.double({ min: 0, max: 40, noNaN: true }),
          }),
          {
            minLength: 1,
            maxLength: 30,
          },
        ),
        (offset, trips) => {
          const clock = new BrokerClock();
          let local = 0;
          let best = Number.POSITIVE_INFINITY;
          for (const { gap, there, back } of trips) {
            local += gap;
            const acked = local + there + back;
            clock.acknowledged(local, acked, Math.floor(local + there + offset));
            local = acked;
            best = Math.min(best, there + back);
          }
          const stamp = Math.floor(local + offset) + 500;
          const truth = stamp - offset;
          const said = clock.surelyReached(stamp, local);
          expect(said).toBeGreaterThanOrEqual(truth - 1e-6);
          // The stamp's own millisecond, the best round trip, and what the clocks may have drifted since.
          expect(said).toBeLessThanOrEqual(truth + best + 1 + local * 400e-6 + 1e-6);
        },
      ),
      { seed: 7 },
    );
  });

  test('a clock that was set is followed at the next acknowledgement', () => {
    const clock = new BrokerClock();
    clock.acknowledged(100, 102, 10_101);
    clock.acknowledged(200, 202, 5_201);
    expect(clock.surelyReached(5_500, 202)).toBeLessThanOrEqual(505);
    expect(clock.surelyReached(5_500, 202)).toBeGreaterThanOrEqual(499);
  });

  test('a stamp that it cannot have reached says that it was set forwards: what is due is due at once', () => {
    const clock = new BrokerClock();
    clock.acknowledged(100, 102, 10_101);
    clock.read(10_150, 152);
    expect(clock.known).toBe(true);
    clock.read(10_450, 152);
    expect(clock.surelyReached(99_999, 153)).toBe(Number.NEGATIVE_INFINITY);
    clock.acknowledged(153, 155, 10_454);
    expect(clock.surelyReached(10_500, 155)).toBeGreaterThanOrEqual(199);
    expect(clock.surelyReached(10_500, 155)).toBeLessThanOrEqual(205);
  });

  test('a slow answer takes nothing from what is known', () => {
    const clock = new BrokerClock();
    clock.acknowledged(100, 101, 10_100);
    const before = clock.uncertainty(101);
    clock.acknowledged(200, 5_200, 10_250);
    expect(clock.uncertainty(5_200)).toBeLessThanOrEqual(before + 5_100 * 200e-6 + 1e-9);
  });
});
