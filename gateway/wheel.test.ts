import { describe, expect, test } from 'vitest';
import { LoopClock, STALL_MS_MIN } from './stall.ts';
import { Wheel } from './wheel.ts';

interface Item {
  readonly name: number;
  deadline: number | null;
}

describe('wheel', () => {
  test('random deadlines that move: each item is due once, never early, at most a slot and a step late', () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
    let state = seed;
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 4_294_967_296;
    };
    const wheel = new Wheel<Item>(0, { span_ms: 3_000, deadline: (item) => item.deadline });
    const items: Item[] = [];
    const due = new Map<number, number>();
    for (let now = 0, last = 0; now < 60_000; last = now, now += random() < 0.02 ? 5_000 : Math.floor(random() * 70)) {
      if (items.length < 300) {
        const item = { name: items.length, deadline: now + 3_000 };
        items.push(item);
        wheel.add(item);
      }
      for (let i = 0; i < 20; i++) {
        const item = items[Math.floor(random() * items.length)] as Item;
        // A beat moves it on, a drop takes it off; what is due already is as it is.
        if (!due.has(item.name) && item.deadline !== null && item.deadline > now)
          item.deadline = random() < 0.02 ? null : now + 3_000;
      }
      wheel.advance(now, (item) => {
        expect(due.has(item.name), `seed ${seed}: twice`).toBe(false);
        expect(item.deadline, `seed ${seed}: early`).toBeLessThanOrEqual(now);
        expect(item.deadline as number, `seed ${seed}: late`).toBeGreaterThan(last - 50);
        due.set(item.name, now);
      });
    }
    wheel.advance(70_000, (item) => due.set(item.name, 70_000));
    const alive = items.filter(({ name, deadline }) => deadline !== null && !due.has(name));
    expect(alive, `seed ${seed}; repeat: SEED=${seed} npx vitest run gateway/wheel.test.ts`).toEqual([]);
    expect(wheel.size).toBe(0);
  });
});

describe('loop clock', () => {
  test.each([
    ['a turn as usual moves it on', [50, 50, 50], 150],
    ['a delay below the limit counts', [50, 50 + STALL_MS_MIN, 50], 150 + STALL_MS_MIN],
    ['a stall counts for nothing', [50, 5_050, 50], 150],
    ['each stall is taken out', [5_050, 50, 1_050], 150],
  ])('%s', (_, turns, expected) => {
    let now = 1_000;
    const clock = new LoopClock({ now: () => now });
    const begun = clock.loop;
    for (const turn of turns) {
      now += turn;
      clock.turned();
    }
    expect(clock.loop - begun).toBe(expected);
    expect(clock.real).toBe(now);
  });

  test('a stall is seen by whoever asks first, before the loop has turned', () => {
    let now = 0;
    const clock = new LoopClock({ now: () => now });
    now = 10_000;
    const during = clock.loop;
    clock.turned();
    expect(during).toBe(50);
    expect(clock.loop).toBe(50);
  });
});
