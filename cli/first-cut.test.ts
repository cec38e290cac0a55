import { expect, test } from 'vitest';
import { silentLogger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import { signal } from '../schemas/signal.ts';
import { topicNames } from '../schemas/topics.ts';
import { ensureFirstCuts } from './first-cut.ts';

const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
const topics = [topicNames.signals, topicNames.state].map((name) => ({ name, partitions: 4, cleanup: 'delete' }) as const);

async function freshLog(): Promise<Log> {
  const log = await createEmbeddedLog();
  await log.ensureTopics(topics);
  return log;
}

const start = (log: Log, now_s: number): Promise<void> =>
  ensureFirstCuts({ log, codecs, logger: silentLogger, group: 'g', now: () => now_s * 1_000 + 999 });

/** By partition, the epochs of the cuts in it. */
async function epochs(log: Log): Promise<(number | null)[][]> {
  const found: (number | null)[][] = [];
  for (const { partition } of await log.offsets(topicNames.signals)) {
    const here: (number | null)[] = [];
    await log.read({
      topic: topicNames.signals,
      partition,
      from: 0,
      onBatch: ({ records }) => void here.push(...records.map((record) => codecs.signal.decode(record.value!).epoch)),
    });
    found.push(here);
  }
  return found;
}

test('every partition begins with a cut of the same epoch, the time in seconds, and gets no second one', async () => {
  const log = await freshLog();
  await start(log, 1_000);
  await start(log, 2_000);
  expect(await epochs(log)).toEqual([[1_000], [1_000], [1_000], [1_000]]);
  await log.close();
});

test('processes that start at once agree on one', async () => {
  const log = await freshLog();
  await Promise.all([1_000, 1_001, 1_002, 1_003, 1_004].map((now_s) => start(log, now_s)));
  const found = await epochs(log);
  expect(new Set(found.flat()).size).toBe(1);
  expect(found.map((cuts) => cuts.length)).toEqual([1, 1, 1, 1]);
  await log.close();
});

test('a partition that is still empty gets the epoch of the others', async () => {
  const log = await freshLog();
  const producer = await log.producer();
  await producer.send([
    {
      topic: topicNames.signals,
      records: [{ key: null, partition: 2, value: codecs.signal.encode(signal({ kind: 'cut', epoch: 500 })) }],
    },
  ]);
  await start(log, 1_000);
  expect(await epochs(log)).toEqual([[500], [500], [500], [500]]);
  await log.close();
});
