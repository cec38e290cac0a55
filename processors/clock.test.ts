import { describe, expect, test } from 'vitest';
import { PartitionClock } from './clock.ts';
import { random } from './swarm.ts';
import { ms, seconds } from './time.ts';

const options = { hole: ms(1_500), settle: seconds(2), leap: seconds(1) };
const start = 1_700_000_000_000;

/** The clocks after these stamps, since the start: stamp, lease, settle. */
function after(...stamps: readonly number[]): readonly [number, number, number] {
  const clock = new PartitionClock(options);
  for (const stamp of [0, ...stamps]) clock.pass(start + stamp);
  return [clock.stamp - start, clock.lease, clock.settle];
}

describe('steps, holes and leaps', () => {
  test.each([
    // stamps                        stamp   lease  settle
    ['the first record only sets the time', [], [0, 0, 0]],
    ['a step moves both', [1_500], [1_500, 1_500, 0]],
    ['a longer one is a hole', [1_501], [1_501, 0, 2_000]],
    ['after a hole 2 s of steps are left out', [10_000, 11_000, 12_500], [12_500, 500, 0]],
    ['a hole while settling settles anew', [10_000, 11_000, 20_000], [20_000, 0, 2_000]],
    ['a stamp 1 s below is no leap', [5, 5 - 1_000], [5, 5, 0]],
    ['one further below is', [1_200, 1_400, 399], [399, 1_400, 0]],
    ['time goes on from there', [1_400, 0, 300], [300, 1_700, 0]],
  ] as const)('%s', (_title, stamps, clocks) => {
    expect(after(...stamps)).toEqual(clocks);
  });

  test('stamps of a foreign clock: both clocks are the highest so far', () => {
    const clock = new PartitionClock(null);
    for (const stamp of [5_000, 1_000, 100_000, 99_000]) clock.pass(stamp);
    expect([clock.stamp, clock.lease, clock.settle]).toEqual([100_000, 100_000, 0]);
  });
});

test('however a step or a hole is divided, both clocks end at the same, also when the rest is judged anew', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const rnd = random(seed);
    const before = [0, Math.floor(rnd() * 3_000), 3_000 + Math.floor(rnd() * 3_000)];
    const step = 1 + Math.floor(rnd() * (seed % 2 === 0 ? 1_500 : 60_000));
    const whole = new PartitionClock(options);
    for (const stamp of before) whole.pass(start + stamp);
    const divided = new PartitionClock(options);
    divided.set(whole);
    const end = whole.stamp + step;
    whole.pass(end);
    // To some place within the step; what a record would keep; then the same record again.
    const arrival = divided.arrive(end);
    expect(arrival === 'step' || arrival === 'hole').toBe(true);
    divided.to(divided.stamp + Math.floor(rnd() * step));
    const restored = new PartitionClock(options);
    restored.set(divided);
    restored.pass(end);
    expect([seed, restored.stamp, restored.lease, restored.settle]).toEqual([seed, whole.stamp, whole.lease, whole.settle]);
  }
});

test('a lease deadline is reached at the stamp that stampOf says', () => {
  const clock = new PartitionClock(options);
  for (const stamp of [0, 1_000, 20_000, 20_500]) clock.pass(start + stamp);
  const deadline = clock.lease + 700;
  const reached = clock.stampOf(deadline);
  clock.to(reached);
  expect([reached - start, clock.lease]).toEqual([22_700, deadline]);
});
