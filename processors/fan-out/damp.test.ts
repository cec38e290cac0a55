/** Who flaps is told of at most twice a minute, the newest always, and soon enough. Time is the stamps of what comes. */
import { describe, expect, test } from 'vitest';
import { random as seeded } from '../swarm.ts';
import { minutes } from '../time.ts';
import { damp } from './damp.ts';
import { tell } from './flow.ts';
import { at, bound, change, seenBy, wish } from './flow-kit.ts';

const made = () => bound(damp('flapping', { changes: 15, within: minutes(1), most: 2, store: 'gates' }));
type Made = ReturnType<typeof made>;

/** A user changes at that second; their version counts their changes. */
const changes = ({ one }: Made, user: string, version: number, seconds: number, more: object = {}): void =>
  one.on({ kind: 'diff', time: at(seconds), ...change(user, version, { seconds, ...more }) });
/** Some gateway lives. */
const mark = ({ one }: Made, seconds: number): void =>
  one.on({ kind: 'route', time: at(seconds), lease: 0, wish: wish('g', 1), answers: [] });

/** `v3`, `v4 withheld`: what is told since the last time. */
const told = ({ said }: Made): readonly string[] =>
  said().flatMap((event) => {
    if (event.kind !== 'tell') return [];
    const { diff, withheld } = event.told;
    return [`v${diff.version}${seenBy(diff.audience)}${withheld ? ' withheld' : ''}`];
  });

const versions = (from: number, to: number): readonly string[] => Array.from({ length: to - from + 1 }, (_, i) => `v${from + i}`);

describe('when somebody flaps', () => {
  test.each<[string, number, number, readonly string[]]>([
    // changes, seconds between them, what is told of them as they come
    ['15 in a minute are told as they come', 15, 1, versions(1, 15)],
    [
      'the 16th begins it, and is told; the next is withheld, and those after it wait',
      20,
      1,
      [...versions(1, 16), 'v17 withheld'],
    ],
    ['as many over a longer time are no flapping', 40, 4, versions(1, 40)],
    ['16 within a minute to the millisecond are none: the first is a minute old', 16, 4, versions(1, 16)],
  ])('%s', (_, count, gap, expected) => {
    const stage = made();
    for (let version = 1; version <= count; version++) changes(stage, 'ada', version, version * gap);
    expect(told(stage)).toEqual(expected);
  });

  test('its turn comes each half minute: the newest by then is told, with the first record after it', () => {
    const stage = made();
    for (let version = 1; version <= 100; version++) changes(stage, 'ada', version, version);
    // At 46 s and 76 s what waits by then goes first, then comes the next, and is the first to be held back again.
    expect(told(stage)).toEqual([...versions(1, 16), 'v17 withheld', 'v45', 'v46 withheld', 'v75', 'v76 withheld']);
    mark(stage, 105.9);
    expect(told(stage)).toEqual([]);
    mark(stage, 106);
    expect(told(stage)).toEqual(['v100']);
  });

  test('the end of the flapping is a turn too: when 15 are left of the last minute', () => {
    const stage = made();
    for (let version = 1; version <= 15; version++) changes(stage, 'ada', version, version);
    changes(stage, 'ada', 16, 50);
    changes(stage, 'ada', 17, 51);
    expect(told(stage).at(-1)).toBe('v17 withheld');
    // The second of the last 16 came at 2 s.
    mark(stage, 61.999);
    expect(told(stage)).toEqual([]);
    mark(stage, 62);
    expect(told(stage)).toEqual(['v17']);
  });

  test('who has calmed down is told of as they come again', () => {
    const stage = made();
    for (let version = 1; version <= 20; version++) changes(stage, 'ada', version, version / 10);
    mark(stage, 32);
    told(stage);
    changes(stage, 'ada', 21, 90);
    changes(stage, 'ada', 22, 91);
    expect(told(stage)).toEqual(['v21', 'v22']);
  });

  test('and who begins again is told the first of it at once, however short the calm was', () => {
    const stage = made();
    for (let version = 1; version <= 16; version++) changes(stage, 'ada', version, version <= 10 ? 0 : 50);
    for (let version = 17; version <= 27; version++) changes(stage, 'ada', version, 44 + version);
    expect(told(stage)).toEqual([...versions(1, 26), 'v27 withheld']);
  });
});

test('whatever the flapping: two a minute at most, the newest always, at most 31 s late, versions rising (seeds)', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed);
    const stage = made();
    const last = { version: 0, at: 0 };
    const times: number[] = [];
    let [seconds, newest, worst] = [0, 0, 0];
    const hear = (): void => {
      for (const text of told(stage)) {
        if (text.endsWith('withheld')) continue;
        const version = Number(text.slice(1));
        expect(version, `seed ${seed}`).toBeGreaterThan(newest);
        newest = version;
        if (last.version > 16) times.push(seconds);
      }
      // Told of less than there is: since when?
      if (newest < last.version) worst = Math.max(worst, seconds - last.at);
    };
    const gap = 0.2 + random() * 3;
    for (let second = 0; second < 400; second++) {
      for (; seconds < second; seconds += gap * random() * 2) {
        last.version += 1;
        last.at = seconds;
        changes(stage, 'ada', last.version, seconds);
        hear();
      }
      seconds = second;
      mark(stage, seconds);
      hear();
    }
    for (let second = 400; second < 470; second++) {
      seconds = second;
      mark(stage, seconds);
      hear();
    }
    expect(newest, `seed ${seed}`).toBe(last.version);
    expect(worst, `seed ${seed}`).toBeLessThanOrEqual(31);
    const most = Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + 60).length));
    expect(most, `seed ${seed}`).toBeLessThanOrEqual(2);
  }
});

describe('views', () => {
  test('what only the user sees slows down nothing that others see', () => {
    const stage = made();
    for (let version = 1; version <= 20; version++)
      changes(stage, 'ada', version, version, { audience: 'self', public_version: 0 });
    told(stage);
    changes(stage, 'ada', 21, 21, { public_version: 1 });
    // Others are told at once; the user has to wait.
    expect(told(stage)).toEqual(['v21 others']);
    mark(stage, 46);
    expect(told(stage)).toEqual(['v21 self']);
  });

  test('both views that wait for one change are told it at once', () => {
    const stage = made();
    for (let version = 1; version <= 20; version++) changes(stage, 'ada', version, version);
    told(stage);
    mark(stage, 46);
    expect(told(stage)).toEqual(['v20']);
  });
});

describe('repeats and answers', () => {
  test('a repeat is no change: it does not count, and is told or waits as the first one', () => {
    const stage = made();
    for (let i = 0; i < 40; i++) changes(stage, 'ada', 1, i / 10);
    changes(stage, 'ada', 2, 5);
    expect(told(stage)).toEqual([...Array.from({ length: 40 }, () => 'v1'), 'v2']);
    for (let version = 3; version <= 17; version++) changes(stage, 'ada', version, version);
    told(stage);
    changes(stage, 'ada', 18, 18);
    changes(stage, 'ada', 18, 19);
    changes(stage, 'ada', 3, 20);
    expect(told(stage).filter((text) => !text.endsWith('withheld'))).toEqual([]);
  });

  test('an answer says where something waits, while it waits', () => {
    const stage = made();
    const asked = (seconds: number): readonly boolean[] => {
      const answers = [tell(change('ada', 17), { asked: 3 }), tell(change('bob', 1), { asked: 3 })];
      stage.one.on({ kind: 'route', time: at(seconds), lease: 0, wish: wish('g', 2), answers });
      return stage.said().flatMap((event) => (event.kind === 'route' ? event.answers.map(({ withheld }) => withheld) : []));
    };
    for (let version = 1; version <= 17; version++) changes(stage, 'ada', version, version);
    expect(asked(18)).toEqual([true, false]);
    mark(stage, 46);
    expect(asked(47)).toEqual([false, false]);
  });
});

describe('a takeover', () => {
  test('nothing is released while it is read again; then the newest of who flaps is told, be it again', () => {
    const stage = made();
    stage.place.restoring = true;
    for (let version = 1; version <= 20; version++) changes(stage, 'ada', version, version);
    changes(stage, 'bob', 1, 20);
    mark(stage, 50);
    told(stage);
    stage.place.restoring = false;
    stage.one.restored?.();
    mark(stage, 51);
    expect(told(stage)).toEqual(['v20']);
    mark(stage, 52);
    expect(told(stage)).toEqual([]);
  });

  test('also where it had been told before, as far as can be known here', () => {
    const stage = made();
    stage.place.restoring = true;
    for (let version = 1; version <= 16; version++) changes(stage, 'ada', version, version);
    told(stage);
    stage.place.restoring = false;
    stage.one.restored?.();
    mark(stage, 45.9);
    expect(told(stage)).toEqual([]);
    mark(stage, 46);
    expect(told(stage)).toEqual(['v16']);
  });

  test('the first to be held back after it is said, though something waits already', () => {
    const stage = made();
    stage.place.restoring = true;
    for (let version = 1; version <= 17; version++) changes(stage, 'ada', version, version);
    told(stage);
    stage.place.restoring = false;
    stage.one.restored?.();
    changes(stage, 'ada', 18, 18);
    changes(stage, 'ada', 19, 19);
    expect(told(stage)).toEqual(['v18 withheld']);
    mark(stage, 46);
    expect(told(stage)).toEqual(['v19']);
  });
});

test('who has nothing to wait for is forgotten after a minute', () => {
  const stage = made();
  for (let user = 0; user < 100; user++) changes(stage, `u${user}`, 1, user / 10);
  expect(stage.one.entries()).toBe(100);
  mark(stage, 65);
  // Those of the first five seconds.
  expect(stage.one.entries()).toBe(100 - 51);
  mark(stage, 75);
  expect(stage.one.entries()).toBe(0);
});
