/** The simulated world itself: virtual time, determinism, and a system that stands what the seeds bring. */
import { describe, expect, test } from 'vitest';
import { ARRIVAL, type Event, type EventKind, EventQueue, IMMEDIATE, TIMER } from '../../simulation/event-queue.ts';
import { Random } from '../../simulation/random.ts';
import { Scheduler } from '../../simulation/scheduler.ts';
import { tellStory } from '../../simulation/story.ts';
import { play } from '../../simulation/world.ts';

describe('Virtual time', () => {
  test('between two events every promise comes to rest, however long the chain', async () => {
    const scheduler = new Scheduler(1);
    const host = scheduler.host('one');
    const seen: string[] = [];
    const chain = async (name: string): Promise<void> => {
      for (let step = 0; step < 1_000; step++) await null;
      seen.push(name);
    };
    scheduler.send(host, 5, () => void chain('a'));
    scheduler.send(host, 5, () => void chain('b'));
    scheduler.after(host, 1, () => seen.push('timer'));
    await scheduler.run(10);
    expect(seen).toEqual(['timer', 'a', 'b']);
    expect(scheduler.now).toBe(10);
  });

  test('a host that stands still takes what was due at its end: timers first, then what the network brought', async () => {
    const scheduler = new Scheduler(1);
    const [stalled, other] = [scheduler.host('stalled'), scheduler.host('other')];
    const seen: string[] = [];
    stalled.stalledUntil = 100;
    scheduler.send(stalled, 10, () => seen.push(`arrival at ${scheduler.now}`));
    scheduler.after(stalled, 20, () => seen.push(`timer at ${scheduler.now}`));
    scheduler.send(other, 50, () => seen.push(`other at ${scheduler.now}`));
    await scheduler.run(200);
    expect(seen).toEqual(['other at 50', 'timer at 100', 'arrival at 100']);
  });

  test('a dead host runs nothing more', async () => {
    const scheduler = new Scheduler(1);
    const host = scheduler.host('dead');
    let ran = 0;
    scheduler.after(host, 10, () => ran++);
    scheduler.after(scheduler.host('killer'), 5, () => {
      host.alive = false;
    });
    await scheduler.run(20);
    expect(ran).toBe(0);
  });
});

describe('The queue of events', () => {
  test('hands them out by time, kind and age, however far ahead they lie', () => {
    const queue = new EventQueue();
    const random = new Random(1, 'queue');
    const host = new Scheduler(1).host('one');
    const waiting: Event[] = [];
    let now = 0;
    for (let seq = 0; seq < 20_000; seq++) {
      const ahead = random.pick([0, 0.5, 50, 1_023, 1_024, 5_000, 200_000]) * random.next();
      const kind = random.pick<EventKind>([TIMER, ARRIVAL, IMMEDIATE]);
      const event: Event = { at: random.chance(0.3) ? Math.ceil(now) : now + ahead, kind, seq, host, run: null, given: 0 };
      queue.push(event);
      waiting.push(event);
      if (seq < 200 || random.chance(0.02)) continue;
      waiting.sort((a, b) => b.at - a.at || b.kind - a.kind || b.seq - a.seq);
      const next = waiting.pop() as Event;
      // A look alone changes nothing, though the wheel has moved on.
      expect(queue.peek()).toBe(next);
      expect(queue.pop()).toBe(next);
      now = next.at;
      if (waiting.length > 400)
        for (; waiting.length > 0; now = (waiting.pop() as Event).at) expect(queue.pop()).toBe(waiting.at(-1));
    }
    expect(queue.size).toBe(waiting.length);
  });
});

describe('A world', () => {
  test('the same seed gives the same events, diffs and figures', async () => {
    const story = tellStory({ seed: 5, minutes: 3, clients: 12 });
    const [one, two] = [await play(story), await play(story)];
    expect(two.hash).toBe(one.hash);
    expect(two.events).toBe(one.events);
    expect(JSON.stringify(two.figures)).toBe(JSON.stringify(one.figures));
    expect(JSON.stringify(two.replayed)).toBe(JSON.stringify(one.replayed));
    const other = await play(tellStory({ seed: 6, minutes: 3, clients: 12 }));
    expect(other.hash).not.toBe(one.hash);
  });

  test('without acts, faults and losses everyone is said to be there, once and for all', async () => {
    const { broken, figures, replayed } = await play(tellStory({ seed: 1, minutes: 2, clients: 10, faults: 'none', loss: 0 }));
    expect(broken).toBeNull();
    expect(figures.wrongs).toEqual({ calm: 0, disturbed: 0 });
    expect(replayed?.diffs).toBe(figures.freshness.count);
  });
});
