/**
 * The presence topology through the runtime, on the swarm's logs (processors/swarm.ts: holes, leaps, resends and all), with
 * everything going wrong that can: the diffs are those of an undisturbed run, byte for byte, and so is what
 * comes after a restore.
 * One seed: SEED=7 npx vitest run test/runtime/presence.test.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Input } from '../../processors/stage.ts';
import { swarm } from '../../processors/swarm.ts';
import { presenceWiring } from '../../replay/wiring.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Signal } from '../../schemas/generated.ts';
import { signal } from '../../schemas/signal.ts';
import { topicSpecs } from '../../topology/topics.ts';
import { mixOf, planOf } from './faults.ts';
import { random } from './faulty-log.ts';
import { judgeFuture } from './reference.ts';
import { bury, caughtUp, startInstance } from './world.ts';

const SEEDS = Number(process.env.SEEDS ?? (process.env.SEED === undefined ? 20 : 1));
const FIRST = Number(process.env.SEED ?? 1);

/** Ticks a second apart: everything that waits for a lease, a grace or an override comes out. */
const futureFrom = (offset: number, stamp: number): Input<Signal>[] =>
  Array.from({ length: 900 }, (_, n) => ({
    offset: offset + n,
    stamp: stamp + (n + 1) * 1_000,
    value: signal({ kind: 'tick' }),
  }));

/** What a reader has who drops what it has seen before. */
const firstOfEach = (said: readonly string[]): readonly string[] => [...new Set(said)];

async function runSeed(seed: number, guarantee: ProcessingGuarantee): Promise<number> {
  const next = random(seed);
  const records = swarm({ seed, records: 250 });
  let time = records[0]?.stamp ?? 0;
  const log = await createEmbeddedLog({ now: () => time, batchRecordsMax: 1 + Math.floor(next() * 40) });
  const wiring = presenceWiring(await createCodecs({ registry: createEmbeddedRegistry() }));
  await log.ensureTopics(topicSpecs(1));
  let healed = false;
  const weights = mixOf(next);
  const stateDir = await mkdtemp(join(tmpdir(), 'presence-faults-'));
  const start = () =>
    startInstance(log, wiring, {
      plan: planOf(next, weights, () => healed),
      group: 'presence',
      guarantee,
      ...(seed % 2 === 0 ? { stateDir } : {}),
    });
  let instance = await start();
  const producer = await log.producer();
  for (const { stamp, value, traceparent } of records) {
    time = stamp;
    const headers = traceparent === undefined ? {} : { headers: { traceparent } };
    await producer.send([
      {
        topic: wiring.topics.input,
        records: [{ key: value.user_id || null, value: wiring.codecs.input.encode(value), partition: 0, ...headers }],
      },
    ]);
    if (next() < 0.15) await sleep(Math.floor(next() * 8));
    if (instance.log.dead) {
      await bury(instance);
      instance = await start();
    }
  }
  healed = true;
  if (instance.log.dead) {
    await bury(instance);
    instance = await start();
  }
  await caughtUp(log, [instance.runner], undefined, wiring.topics.input);
  await instance.runner.close();
  const [{ end } = { end: 0 }] = await log.offsets(wiring.topics.input);
  const verdict = await judgeFuture(log, wiring, 0, futureFrom(end, time));
  if (guarantee === 'exactly_once') expect(verdict.found).toEqual(verdict.expected);
  // Whatever is said again was said before, to the byte.
  else expect(firstOfEach(verdict.found)).toEqual(verdict.expected);
  expect(verdict.foundState).toEqual(verdict.expectedState);
  await log.close();
  await rm(stateDir, { recursive: true, force: true });
  return verdict.found.length;
}

describe.each([
  { guarantee: 'exactly_once', count: SEEDS },
  { guarantee: 'at_least_once', count: Math.ceil(SEEDS / 2) },
] as const)('presence through the runtime $guarantee, whatever goes wrong', ({ guarantee, count }) => {
  let diffs = 0;
  test.for(Array.from({ length: count }, (_, index) => FIRST + index))('seed %i', { timeout: 60_000 }, async (seed) => {
    diffs += await runSeed(seed, guarantee);
  });
  test('has said something', () => {
    expect(diffs).toBeGreaterThan(count);
  });
});
