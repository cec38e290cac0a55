/** The judge of the runtime's tests: it must find no fault where there is none. */
import { expect, test } from 'vitest';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { counterTopics, counterWiring } from './counter.ts';
import { judge } from './reference.ts';
import { caughtUp, makeTopics, sendAll, startInstance, until } from './world.ts';

const record = (kind: 'add' | 'tick') => ({
  key: 'ada',
  value: Buffer.from(JSON.stringify({ kind, key: 'ada', amount: 1 })),
  partition: 0,
});

/** One key counts, and falls back to 0 with a tick that comes while somebody runs, or once nobody does. */
async function run({ tickWhileRunning }: { readonly tickWhileRunning: boolean }) {
  let now = 1_000_000;
  const log = await createEmbeddedLog({ now: () => now });
  await makeTopics(log, 1);
  const wiring = counterWiring({ cell_ms: 100, quiet_ms: 10_000 });
  const { runner } = await startInstance(log, wiring);
  const committed = async (): Promise<void> => {
    await caughtUp(log, [runner]);
    const [{ end } = { end: 0 }] = await log.offsets(counterTopics.input);
    await until('it is committed', async () => ((await log.committed('counter', counterTopics.input))[0] ?? 0) >= end);
  };
  await sendAll(log, [record('add')]);
  now += 200;
  await sendAll(log, [record('tick')]);
  await committed();
  if (tickWhileRunning) {
    now += 20_000;
    await sendAll(log, [record('tick')]);
    await committed();
  }
  await runner.close();
  if (!tickWhileRunning) {
    now += 20_000;
    await sendAll(log, [record('tick')]);
  }
  const verdict = await judge(log, wiring, 0);
  await log.close();
  return verdict;
}

test.for([
  ['a record that nobody has processed has said nothing, though what it would say bears the position committed', false, 1],
  ['what the last record said is expected', true, 2],
] as const)('%s', async ([, tickWhileRunning, changes]) => {
  const verdict = await run({ tickWhileRunning });
  expect(verdict.found).toHaveLength(changes);
  expect(verdict.found).toEqual(verdict.expected);
  expect(verdict.foundState).toEqual(verdict.expectedState);
});
