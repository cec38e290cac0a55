import { expect, test } from 'vitest';
import { random } from './swarm.ts';
import { type Timed, Timers } from './timers.ts';

class Owner implements Timed {
  readonly timerClass: number;
  readonly timerKey: string;
  readonly timerSubKey = '';
  armed = Number.POSITIVE_INFINITY;
  place = -1;
  at = Number.POSITIVE_INFINITY;

  constructor(timerClass: number, timerKey: string) {
    this.timerClass = timerClass;
    this.timerKey = timerKey;
  }

  deadline(): number {
    return this.at;
  }
}

test('deadlines that move about come in order all the same: of time, class and key', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const rnd = random(seed);
    const timers = new Timers();
    const owners = Array.from({ length: 12 }, (_, i) => new Owner(i % 3, `k${i % 5}${i}`));
    let now = 0;
    for (let i = 0; i < 300; i += 1) {
      const owner = owners[Math.floor(rnd() * owners.length)] as Owner;
      owner.at = rnd() < 0.2 ? Number.POSITIVE_INFINITY : now + 1 + Math.floor(rnd() * 20);
      timers.arm(owner);
      if (rnd() < 0.3) {
        const inOrder = owners
          .filter(({ at }) => at !== Number.POSITIVE_INFINITY)
          .sort((a, b) => a.at - b.at || a.timerClass - b.timerClass || (a.timerKey < b.timerKey ? -1 : 1));
        const first = timers.first();
        expect([seed, first]).toEqual([seed, inOrder[0] ?? null]);
        if (first === null) continue;
        now = first.deadline();
        timers.remove(first);
        (first as Owner).at = Number.POSITIVE_INFINITY;
      }
    }
  }
});

test('a deadline that only ever moves later costs no entry', () => {
  const timers = new Timers();
  const owner = new Owner(0, 'a');
  for (let at = 1; at <= 100_000; at += 1) {
    owner.at = at;
    timers.arm(owner);
  }
  expect([timers.size, timers.first(), timers.size]).toEqual([1, owner, 1]);
});

test('deadlines that come and go leave no entries behind', () => {
  const timers = new Timers();
  const owners = Array.from({ length: 100 }, (_, i) => new Owner(0, `k${i}`));
  for (let i = 0; i < 100_000; i += 1) {
    const owner = owners[i % 100] as Owner;
    // Far off, then near.
    owner.at = i % 200 < 100 ? 1_000_000_000 - i : 500_000_000 - i;
    timers.arm(owner);
  }
  expect(timers.size).toBe(100);
});

test('a deadline that is no number is an error that says whose, not a search without end', () => {
  const owner = new Owner(2, 'ada');
  const timers = new Timers();
  owner.at = Number.NaN;
  expect(() => timers.arm(owner)).toThrow('The deadline of ada is no number.');
  owner.at = 5;
  timers.arm(owner);
  owner.at = Number.NaN;
  expect(() => timers.first()).toThrow('The deadline of ada is no number.');
});
