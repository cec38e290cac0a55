/**
 * What CI plays: a fixed set of seeds, and two that nobody has played before. A broken one says how to play it again:
 * `npx presence simulate --seed N --minutes 5 --clients 30`.
 */
import { describe, expect, test } from 'vitest';
import { type StoryOptions, tellStory } from '../../simulation/story.ts';
import { type Outcome, play } from '../../simulation/world.ts';

const world: Omit<StoryOptions, 'seed'> = { minutes: 5, clients: 30 };
const again = (seed: number): string =>
  `npx presence simulate --seed ${seed} --minutes ${world.minutes} --clients ${world.clients}`;

describe('With everything that can go wrong, no invariant breaks', () => {
  test.each([1, 2, 3, 5, 8, 13, 21, 34, 55, 89])('seed %i', async (seed) => {
    const { broken } = await play(tellStory({ ...world, seed }));
    expect(broken, again(seed)).toBeNull();
  });

  test.each([0, 1])('a fresh seed (%i)', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    process.stdout.write(`Fresh seed ${seed}: ${again(seed)}\n`);
    const { broken } = await play(tellStory({ ...world, seed }));
    expect(broken, again(seed)).toBeNull();
  });
});

describe('The figures hold', () => {
  test('at 5% loss false offline is under 0.01%, nobody is missed, clean and silent are told in time', async () => {
    const outcomes: Outcome[] = [];
    for (const seed of [1, 2, 3, 4]) outcomes.push(await play(tellStory({ ...world, seed, faults: 'clients', loss: 0.05 })));
    const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0);
    expect(sum(({ figures }) => figures.wrong_ms.calm) / sum(({ figures }) => figures.sessions_ms)).toBeLessThan(1e-4);
    expect(sum(({ figures }) => figures.missing.calm)).toBe(0);
    for (const { figures } of outcomes) {
      expect(figures.detection.clean.quantile(0.9) ?? 0).toBeLessThan(1_500);
      expect(figures.detection.silent.quantile(0.9) ?? 0).toBeLessThan(4_000);
    }
  });
});
