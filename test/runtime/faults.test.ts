/**
 * Whatever goes wrong, a reader of committed records sees what an undisturbed run would have said, byte for
 * byte, and a restore gives the same state. Instances have snapshots and standbys, or not, as the seed has it. Run one seed:
 * SEED=7 npx vitest run test/runtime/faults.test.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { counterTopics, counterWiring } from './counter.ts';
import { mixOf, planOf } from './faults.ts';
import { random } from './faulty-log.ts';
import { judge, readAll } from './reference.ts';
import { bury, caughtUp, type Instance, makeTopics, sendAll, signals, startInstance } from './world.ts';

const SEEDS = Number(process.env.SEEDS ?? (process.env.SEED === undefined ? 40 : 1));
const FIRST = Number(process.env.SEED ?? 1);
async function runSeed(seed: number): Promise<void> {
  const next = random(seed);
  const weights = mixOf(next);
  const partitions = 1 + Math.floor(next() * 4);
  const log = await createEmbeddedLog({ batchRecordsMax: 1 + Math.floor(next() * 40) });
  const wiring = counterWiring({ cell_ms: 10, quiet_ms: 25, flush_ms: 20 });
  await makeTopics(log, partitions);
  let healed = false;
  const stateDir = await mkdtemp(join(tmpdir(), 'presence-faults-'));
  const start = () =>
    startInstance(log, wiring, {
      plan: planOf(next, weights, () => healed),
      standbyReplicas: Math.floor(next() * 3),
      ...(next() < 0.5 ? { stateDir } : {}),
    });
  const living: Instance[] = [];
  for (let n = 0; n < 1 + Math.floor(next() * 3); n += 1) living.push(await start());

  for (let round = 0; round < 12; round += 1) {
    await sendAll(log, signals(next, { count: Math.floor(next() * 60), keys: 12, garbage: 0.02 }));
    await sleep(Math.floor(next() * 15));
    for (const dead of living.filter((instance) => instance.log.dead)) {
      await bury(dead);
      living.splice(living.indexOf(dead), 1, await start());
    }
    // A rebalance in the middle of it all: one leaves or comes.
    const turn = next();
    if (turn < 0.2) living.push(await start());
    else if (turn < 0.35 && living.length > 1) {
      const leaving = living.pop() as Instance;
      if (leaving.log.dead) await bury(leaving);
      else await Promise.race([leaving.runner.close(), leaving.log.died.then(() => bury(leaving))]);
    }
  }
  healed = true;
  for (const dead of living.filter((instance) => instance.log.dead)) {
    await bury(dead);
    living.splice(living.indexOf(dead), 1, await start());
  }
  await caughtUp(
    log,
    living.map(({ runner }) => runner),
  );
  await sleep(40);
  await Promise.all(living.map(({ runner }) => runner.close()));

  let garbage = 0;
  for (let partition = 0; partition < partitions; partition += 1) {
    const verdict = await judge(log, wiring, partition);
    expect(verdict.found).toEqual(verdict.expected);
    expect(verdict.foundState).toEqual(verdict.expectedState);
    garbage += (await readAll(log, wiring.topics.input, partition)).filter(({ value }) =>
      value?.toString('utf8').startsWith('{garbage'),
    ).length;
  }
  const letters = await readAll(log, counterTopics.deadLetters, 0);
  expect(new Set(letters.map(({ headers }) => `${headers.partition}/${headers.offset}`)).size).toBe(garbage);
  await log.close();
  await rm(stateDir, { recursive: true, force: true });
}

describe('whatever goes wrong, the output is that of an undisturbed run', () => {
  test.concurrent.for(Array.from({ length: SEEDS }, (_, index) => FIRST + index))(
    'seed %i',
    { timeout: 60_000 },
    async (seed) => {
      await runSeed(seed);
    },
  );
});
