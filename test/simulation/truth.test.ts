/** The ground truth and its figures: what counts as late, and how the figures of worlds add up. */
import { describe, expect, test } from 'vitest';
import { Figures, goneReasons } from '../../simulation/figures.ts';
import { Random } from '../../simulation/random.ts';
import { addFigures, figuresToJson, reportOf } from '../../simulation/report.ts';
import { Truth } from '../../simulation/truth.ts';

/** `outage`: the log was out from then, until then. */
function watch(outage: { readonly from: number; readonly to: number } = { from: 0, to: 0 }) {
  const late: string[] = [];
  const time = { now: 0 };
  const left = { at: 0 };
  const truth = new Truth({
    now: () => time.now,
    ttl_ms: 3_000,
    disturbed: (since) => since < outage.to && time.now >= outage.from,
    outage: (since) => Math.max(0, Math.min(outage.to, time.now) - Math.max(outage.from, since)),
    lastHeard: () => 0,
    lastLeft: () => left.at,
    lossOf: () => 0.05,
    late: (_since, detail) => late.push(detail),
  });
  const at = (ms: number): Truth => {
    time.now = ms;
    return truth;
  };
  return { truth, late, at, left };
}

describe('Offline is late', () => {
  test('when it was not said 2 s after it was due, and they came back', () => {
    const { truth, late, at, left } = watch();
    at(0).there('u', 'd');
    at(100).said('u', 'online', 'signal');
    at(1_000).gone('u', 'd', 'clean');
    left.at = 1_000;
    at(4_100).there('u', 'd');
    expect(late).toEqual([expect.stringContaining('2100 ms after it was due')]);
    expect(truth.figures.missing.calm).toBe(1);
  });

  test.each([
    ['a close that has come', 1_500, 4_600, 'said offline 2100 ms after'],
    ['a close that has come late', 3_900, 6_100, 'said offline 2100 ms after'],
    ['a close that has not come: that is silence', 0, 6_100, 'said offline 2100 ms after'],
    ['a close that has not come, in time', 0, 5_900, null],
  ])('by %s', (_name, came, said, expected) => {
    const { late, at, left } = watch();
    at(0).there('u', 'd');
    at(100).said('u', 'online', 'signal');
    at(1_000).gone('u', 'd', 'clean');
    left.at = came;
    at(said).said('u', 'offline', 'goodbye');
    expect(late).toEqual(expected === null ? [] : [expect.stringContaining(expected)]);
  });

  test('never where offline is what is said all along: nobody heard that they had been there', () => {
    const { truth, late, at } = watch();
    at(0).there('u', 'd');
    at(10).gone('u', 'd', 'gateway');
    at(20_000).there('u', 'd');
    expect(late).toEqual([]);
    expect(truth.figures.missing.calm).toBe(0);
    expect(truth.figures.unsaid.calm).toBe(1);
  });

  test('and it is where they were heard of after they had gone', () => {
    const { late, at, left } = watch();
    at(0).there('u', 'd');
    at(10).gone('u', 'd', 'clean');
    left.at = 10;
    at(50).said('u', 'online', 'signal');
    at(20_000).there('u', 'd');
    expect(late).toHaveLength(1);
  });
});

describe('A log that is out moves what is due', () => {
  // The beat of a background device holds the user; the log is out while it does; an app comes and leaves after that.
  const goes = (outage: { readonly from: number; readonly to: number }) => {
    const { truth, late, at, left } = watch(outage);
    at(0).there('u', 'background', 60_000);
    at(100).said('u', 'online', 'signal');
    at(1_000).gone('u', 'background', 'ttl', 0);
    at(50_000).there('u', 'app');
    at(62_000).gone('u', 'app', 'clean');
    left.at = 62_000;
    at(66_500).said('u', 'offline', 'ttl');
    return { late, clean: truth.figures.detection.clean.count, disturbed: truth.figures.detectionDisturbed.clean.count };
  };

  test('also for another device than the last one to go: as long as the log was out it may hold its user', () => {
    expect(goes({ from: 20_000, to: 28_000 })).toEqual({ late: [], clean: 0, disturbed: 1 });
  });

  test('and no longer than that', () => {
    expect(goes({ from: 20_000, to: 22_000 })).toEqual({ late: [expect.stringContaining('3500 ms')], clean: 1, disturbed: 0 });
  });
});

test('Who was taken for gone shortly before the end is not judged: there was no time to take it back', () => {
  const { truth, at } = watch();
  at(0).there('u', 'd');
  at(100).said('u', 'online', 'signal');
  at(100_000).said('u', 'offline', 'silence');
  at(104_000);
  expect(truth.end()).toEqual([]);
  at(116_000);
  expect(truth.end()).toEqual([expect.stringContaining('but said offline')]);
});

test('Figures of many worlds add up to those of one', () => {
  const random = new Random(3, 'figures');
  const all = new Figures();
  const sum = new Figures();
  for (let world = 0; world < 20; world++) {
    const one = new Figures();
    for (let count = 0; count < 50; count++) {
      const [loss, disturbed, ms] = [random.pick([0, 0.05, 0.1]), random.chance(0.3), random.between(0, 9_000)];
      const why = random.pick(goneReasons);
      for (const figures of [one, all]) {
        figures.sessions(Math.round(ms * 10), loss);
        figures.detected(why, ms, disturbed, loss);
        figures.wrong('silence', disturbed, loss);
        figures.wrongFor(Math.round(ms), disturbed, loss);
        figures.fresh(ms, disturbed);
        figures.missed(disturbed);
      }
    }
    addFigures(sum, JSON.parse(JSON.stringify(figuresToJson(one))));
  }
  expect(reportOf(sum)).toBe(reportOf(all));
  expect(reportOf(sum)).toMatch(/offline after a clean close \| [\d,]+ \/ [\d,]+ \/ [\d,]+ \([\d,]+\)/);
});
