/** Replays on the embedded log: what they say is what the processor alone says of the same records, however they are run. */
import { expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import type { Log, OutRecord, ReadOptions, Stamps } from '../ports/log.ts';
import type { Input } from '../processors/stage.ts';
import { swarm } from '../processors/swarm.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import type { Signal } from '../schemas/generated.ts';
import { signal } from '../schemas/signal.ts';
import { topicNames } from '../schemas/topics.ts';
import { faultyLog } from '../test/runtime/faulty-log.ts';
import { judgeFuture, readAll } from '../test/runtime/reference.ts';
import { presence } from '../topology/presence.ts';
import { type ReplayOptions, type ReplayResult, runReplay } from './run.ts';
import { presenceWiring } from './wiring.ts';

const PARTITIONS = 3;
const into = { state: 'again.state', diffs: 'again.diffs' };

interface Given {
  readonly stamps: Stamps;
  readonly seed: number;
  /** Written into each partition behind the rest. */
  readonly garbage?: number;
}

/** A topic of signals of one swarm a partition; its stamps are the swarm's. */
async function topicOf({ stamps, seed, garbage = 0 }: Given) {
  let time = 0;
  let written = 0;
  const log = await createEmbeddedLog({ now: () => time, batchRecordsMax: 50 });
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  await log.ensureTopics([{ name: 'old.signals', partitions: PARTITIONS, cleanup: 'delete', stamps }]);
  const producer = await log.producer();
  const send = async (record: OutRecord): Promise<void> => {
    written += 1;
    await producer.send([{ topic: 'old.signals', records: [record] }]);
  };
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    for (const { stamp, value } of swarm({ seed: seed + partition, records: 300 })) {
      time = stamp;
      await send({ key: value.user_id || null, value: codecs.signal.encode(value), partition, timestamp: stamp });
    }
    for (let i = 0; i < garbage; i += 1) await send({ key: 'x', value: Buffer.from(`garbage ${i}`), partition, timestamp: time });
  }
  return { log, codecs, written };
}

const replay = (log: Log, codecs: Codecs, more: Partial<ReplayOptions> = {}): Promise<ReplayResult> =>
  runReplay({ log, codecs, topic: 'old.signals', group: 'again', into, logger: silentLogger, ...more });

/** Ticks that bring out whatever waits. */
const futureFrom = (offset: number, stamp: number): Input<Signal>[] =>
  Array.from({ length: 900 }, (_, n) => ({
    offset: offset + n,
    stamp: stamp + (n + 1) * 1_000,
    value: signal({ kind: 'tick' }),
  }));

async function expectExact(log: Log, codecs: Codecs, clock: 'on' | 'off'): Promise<number> {
  const topics = {
    input: 'old.signals',
    state: into.state,
    output: into.diffs,
    controls: null,
    deadLetters: topicNames.deadLetters,
  };
  const wiring = presenceWiring(codecs, { topics, topology: clock === 'on' ? presence : presence.timedBy(null) });
  let said = 0;
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const input = await readAll(log, 'old.signals', partition);
    const future = futureFrom((input.at(-1)?.offset ?? 0) + 1, Math.max(...input.map(({ timestamp }) => timestamp)));
    const { expected, found, expectedState, foundState } = await judgeFuture(log, wiring, partition, future);
    expect(found).toEqual(expected);
    expect(foundState).toEqual(expectedState);
    said += found.length;
  }
  return said;
}

test.each([
  { stamps: 'broker', clock: 'on' },
  { stamps: 'writer', clock: 'off' },
] as const)(
  'a topic with the stamps of its $stamps is replayed to its end, with holes judged: $clock',
  async ({ stamps, clock }) => {
    const { log, codecs, written } = await topicOf({ stamps, seed: 1, garbage: 2 });
    const before = await log.offsets('old.signals');
    const result = await replay(log, codecs);
    const said = await expectExact(log, codecs, clock);
    expect(result).toMatchObject({ records: written, diffs: said, complete: true });
    expect(said).toBeGreaterThan(10);
    // Nothing was said into the input, and all of it counts as read.
    expect(await log.offsets('old.signals')).toEqual(before);
    expect(await log.committed('again', 'old.signals')).toEqual(before.map(({ end }) => end));
    expect(await readAll(log, topicNames.deadLetters, 0)).toHaveLength(PARTITIONS * 2);
    await log.close();
  },
);

test('a replay that was given up, and is started again, says the rest', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 11 });
  const giveUp = new AbortController();
  let commits = 0;
  const watched = faultyLog(log, (step) => {
    if (step === 'commit' && ++commits === 4) giveUp.abort();
    return undefined;
  });
  const first = await replay(watched, codecs, { signal: giveUp.signal, limits: { transactionRecords: 1 } });
  expect(first.complete).toBe(false);
  const rest = await replay(log, codecs);
  expect(rest.complete).toBe(true);
  expect(await expectExact(log, codecs, 'on')).toBe(first.diffs + rest.diffs);
  await log.close();
});

test('two members of one group share the partitions, and both end when all is done', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 21 });
  const results = await Promise.all([replay(log, codecs), replay(log, codecs)]);
  expect(results.every(({ complete }) => complete)).toBe(true);
  await expectExact(log, codecs, 'on');
  await log.close();
});

test('nothing left to do is done at once', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 31 });
  await replay(log, codecs);
  expect(await replay(log, codecs)).toMatchObject({ diffs: 0, complete: true });
  await expectExact(log, codecs, 'on');
  await log.close();
});

/** The same log, some of whose calls are these instead. */
const through = (log: Log, instead: Partial<Log>): Log =>
  new Proxy(log, {
    get: (inner, name) => {
      const found: unknown = Reflect.get(name in instead ? instead : inner, name);
      return typeof found === 'function' ? found.bind(inner) : found;
    },
  });

test('a partition that stands still is asked about once, and not read', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 41 });
  let [read, stands] = [0, true];
  const watched = through(log, {
    read: (options: ReadOptions) =>
      log.read({
        ...options,
        onBatch: (batch) => {
          if (options.topic === 'old.signals') read += 1;
          return options.onBatch(batch);
        },
      }),
    // The first batch of each partition comes late.
    consume: (options) =>
      log.consume({
        ...options,
        onBatch: async (batch) => {
          if (stands) await new Promise((resolve) => setTimeout(resolve, 800));
          stands = false;
          await options.onBatch(batch);
        },
      }),
  });
  await replay(watched, codecs);
  await expectExact(log, codecs, 'on');
  expect(read).toBe(PARTITIONS);
  await log.close();
});

test('a log that cannot be reached for a while does not end a replay', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 51 });
  const away = new PresenceError('LOG_UNAVAILABLE', 'The log did not answer.', { at: 'committed', retriable: true });
  let asked = 0;
  const committed: Log['committed'] = async (group, topic) => {
    asked += 1;
    if (asked % 3 !== 0) throw away;
    return log.committed(group, topic);
  };
  const results = await Promise.all([replay(through(log, { committed }), codecs), replay(log, codecs)]);
  expect(results.every(({ complete }) => complete)).toBe(true);
  expect(asked).toBeGreaterThan(2);
  await log.close();
});

test('what parks a partition ends a replay, with its code', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 61 });
  await log.ensureTopics([{ name: into.state, partitions: PARTITIONS, cleanup: 'compact' }]);
  const producer = await log.producer();
  await producer.send([{ topic: into.state, records: [{ key: 'ada', value: Buffer.from('garbage'), partition: 1 }] }]);
  await expect(replay(log, codecs)).rejects.toMatchObject({ code: 'UNDECODABLE', at: 'partition 1' });
  await log.close();
});

test('a member for whom no partition is left has taken no time', async () => {
  const { log, codecs } = await topicOf({ stamps: 'broker', seed: 71 });
  await replay(log, codecs);
  const consume: Log['consume'] = (options) => log.consume({ ...options, onAssigned: async () => {} });
  const { complete, seconds } = await replay(through(log, { consume }), codecs);
  expect(complete).toBe(true);
  expect(seconds).toBeGreaterThanOrEqual(0);
  await log.close();
});
