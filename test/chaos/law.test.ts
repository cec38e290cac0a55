/**
 * However many instances share the log, and whatever happens to them and to the broker's answers, the diffs are those of one
 * undisturbed run, byte for byte, and so is what comes after a restore.
 *
 *     SEEDS=5000 FROM=1 npx vitest run test/chaos/law.test.ts     more of them
 *     SEED=17 npx vitest run test/chaos/law.test.ts               one alone
 */
import { expect, test } from 'vitest';
import { runSeed } from './law-world.ts';

const one = process.env.SEED;
const count = Number(process.env.SEEDS ?? 200);
const from = Number(process.env.FROM ?? 1);
/** They have found something once: partitions without an owner after an expulsion amid a rebalance, and a death on the way in. */
const found = process.env.SEEDS === undefined ? [2_255, 2_422, 2_461] : [];
const seeds = one === undefined ? [...Array.from({ length: count }, (_, i) => from + i), ...found] : [Number(one)];

test('the same diffs from any number of instances, whatever happens to them', { timeout: 24 * 3_600_000 }, async () => {
  const broken: string[] = [];
  const sum = { diffs: 0, instances: 0, kills: 0, stalls: 0, virtual_s: 0 };
  for (const seed of seeds) {
    try {
      const result = await runSeed(seed);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += result[key];
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      broken.push(`SEED=${seed} npx vitest run test/chaos/law.test.ts\n${why}`);
      if (broken.length > 5) break;
    }
  }
  console.log(`${seeds.length} seeds: ${JSON.stringify(sum)}`);
  expect(broken).toEqual([]);
  if (seeds.length >= 100) expect(Math.min(sum.diffs, sum.kills, sum.stalls)).toBeGreaterThan(seeds.length / 4);
});
