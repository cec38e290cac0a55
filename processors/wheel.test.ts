import { expect, test } from 'vitest';
import { random } from './swarm.ts';
import { SlotWheel } from './wheel.ts';

test('nobody comes up late, whoever is not due waits on, and a slot has one entry that counts', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const rnd = random(seed);
    const wheel = new SlotWheel();
    const due = new Map<number, number>();
    let now = Math.floor(rnd() * 1e6);
    wheel.start(now);
    for (let i = 0; i < 300; i += 1) {
      const slot = Math.floor(rnd() * 20);
      const at = now + 1 + Math.floor(rnd() * 10 ** (1 + Math.floor(rnd() * 9)));
      if (!wheel.isPast(at)) {
        wheel.arm(slot, at);
        due.set(slot, at);
      }
      if (rnd() < 0.5) continue;
      now += Math.floor(rnd() * 10 ** (1 + Math.floor(rnd() * 8)));
      if (wheel.turns(now))
        wheel.turn(now, (one) => {
          const deadline = due.get(one) ?? Number.POSITIVE_INFINITY;
          if (wheel.isPast(deadline)) due.delete(one);
          else wheel.arm(one, deadline);
        });
      const late = [...due].filter(([, deadline]) => deadline <= now);
      expect([seed, late]).toEqual([seed, []]);
      expect(wheel.next(), `seed ${seed}`).toBeLessThanOrEqual(Math.min(...due.values(), Number.POSITIVE_INFINITY));
    }
  }
});

test('a deadline that moves later adds no entry', () => {
  const wheel = new SlotWheel();
  for (let at = 10_000; at < 1_000_000; at += 1_000) wheel.arm(7, at);
  expect([wheel.size, wheel.next()]).toEqual([1, 10_000]);
});

test('what is overdue at the beginning comes up first of all', () => {
  const wheel = new SlotWheel();
  wheel.start(50_500);
  wheel.arm(1, 20_000);
  expect([wheel.next(), wheel.turns(50_500)]).toEqual([50_000, true]);
});
