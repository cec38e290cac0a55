/** Ten rounds of chaos on real Kafka (rounds.ts), as CI runs them; the two hundred are a command. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWith } from '../stack/suite.ts';
import { faultKinds, planRound } from './plan.ts';
import { runRounds, summarize } from './rounds.ts';

const SEED = 19;
const ROUNDS = 10;

await describeWith(
  'Instances and the broker killed, paused and restarted under load',
  ['schemaRegistry'],
  ({ schemaRegistry }) => {
    test('the plan of these rounds has every kind of fault and every number of instances', () => {
      const plans = Array.from({ length: ROUNDS }, (_, round) => planRound(SEED, round));
      expect(new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set(faultKinds));
      expect(new Set(plans.map(({ instances }) => instances))).toEqual(new Set([1, 2, 3, 5]));
    });

    test('every diff is there once, and is what the input alone says, live and in replays', async () => {
      const state = mkdtempSync(join(tmpdir(), 'presence-rounds-'));
      const said: string[] = [];
      const legs = await runRounds({
        seed: SEED,
        from: 0,
        to: ROUNDS,
        leg: ROUNDS,
        users: 200,
        rate: 300,
        guarantee: 'exactly_once',
        state,
        registryUrl: schemaRegistry,
        say: (line) => said.push(line),
      });
      const faults = legs.flatMap((leg) => [...leg.faults, ...leg.rounds.flatMap((round) => round.faults)]);
      const where = `again: npm run chaos:rounds -- --seed ${SEED} --rounds ${ROUNDS}; kept in ${state}\n${said.join('\n')}`;
      expect(faults, where).toEqual([]);
      const { diffs, replays, replayed_diffs } = summarize(legs);
      expect(diffs).toBeGreaterThan(1_000);
      expect(replays).toBe(4);
      expect(replayed_diffs).toBeGreaterThanOrEqual(4 * diffs);
      rmSync(state, { recursive: true, force: true });
    }, 600_000);
  },
);
