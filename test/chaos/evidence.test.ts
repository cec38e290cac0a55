/** The judge of chaos (evidence.ts) sees what is wrong: each fault is put into a log that was right. */
import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import type { Log } from '../../ports/log.ts';
import { swarm } from '../../processors/swarm.ts';
import { presenceWiring } from '../../replay/wiring.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { runTopology } from '../../runtime/runner.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Diff } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import { topicSpecs } from '../../topology/topics.ts';
import { readAll } from '../runtime/reference.ts';
import { caughtUp } from '../runtime/world.ts';
import { LegEvidence } from './evidence.ts';

const none = new Map<string, readonly number[]>();

describe('The judge of chaos', () => {
  let log: Log;
  let codecs: Codecs;

  /** A log on which the topology has run undisturbed. */
  beforeEach(async () => {
    const records = swarm({ seed: 7, records: 300, withoutOrdinals: true });
    let time = 0;
    log = await createEmbeddedLog({ now: () => time });
    codecs = await createCodecs({ registry: createEmbeddedRegistry() });
    await log.ensureTopics(topicSpecs(1));
    const producer = await log.producer();
    for (const { stamp, value } of records) {
      time = stamp;
      const record = { key: value.user_id || null, value: codecs.signal.encode(value), partition: 0 };
      await producer.send([{ topic: topicNames.signals, records: [record] }]);
    }
    const wiring = presenceWiring(codecs);
    const runner = await runTopology({ log, wiring, group: 'evidence', instanceId: 'one', logger: silentLogger });
    await caughtUp(log, [runner], undefined, topicNames.signals);
    await runner.close();
  });

  const look = async (guarantee: ProcessingGuarantee = 'exactly_once', ordinals = none) =>
    (await LegEvidence.open({ log, codecs, guarantee })).look(ordinals, true);

  const append = async (topic: string, key: Buffer | null, value: Buffer | null): Promise<void> => {
    const producer = await log.producer();
    await producer.send([{ topic, records: [{ key, value, partition: 0 }] }]);
  };

  test('finds nothing where all is right', async () => {
    expect(await look()).toMatchObject({ faults: [], repeats: 0 });
    expect((await look()).diffs).toBeGreaterThan(5);
  });

  test('a diff that comes again is a fault exactly once, and counted at least once', async () => {
    const [first] = await readAll(log, topicNames.diffs, 0);
    await append(topicNames.diffs, first!.key, first!.value);
    expect((await look()).faults).toHaveLength(1);
    expect(await look('at_least_once')).toMatchObject({ faults: [], repeats: 1 });
  });

  test('a diff that is not there is a fault under either guarantee', async () => {
    const whole = log;
    const lost = (await readAll(log, topicNames.diffs, 0))[4]!.offset;
    const read: Log['read'] = (options) =>
      whole.read({
        ...options,
        onBatch: (batch) => {
          const records = batch.records.filter(({ offset }) => options.topic !== topicNames.diffs || offset !== lost);
          return options.onBatch({ ...batch, records });
        },
      });
    log = new Proxy(whole, { get: (of, name) => (name === 'read' ? read : Reflect.get(of, name, of).bind?.(of)) });
    expect((await look()).faults).not.toEqual([]);
    expect((await look('at_least_once')).faults).not.toEqual([]);
  });

  test.each<[string, Partial<Diff>]>([
    ['its version', { version: 99 }],
    ['its stamp', { at: 1 }],
    ['its cause', { cause: 'failover' }],
  ])('a diff that is another by %s is a fault under either guarantee', async (_, change) => {
    const last = (await readAll(log, topicNames.diffs, 0)).at(-1)!;
    await append(topicNames.diffs, last.key, codecs.diff.encode({ ...codecs.diff.decode(last.value as Buffer), ...change }));
    expect((await look()).faults).toHaveLength(1);
    expect((await look('at_least_once')).faults).toHaveLength(1);
  });

  test('a state record that says something else, and one that is gone, are faults', async () => {
    const states = await readAll(log, topicNames.state, 0);
    const partition = states.filter(({ key }) => String(key) === '#0').at(-1)!;
    const { offset: position } = codecs.partitionState.decode(partition.value as Buffer);
    // What is said at the very position is judged by what comes after it: one that was written before.
    const latest = new Map(states.map((record) => [String(record.key), record]));
    latest.delete('#0');
    const user = [...latest.values()].find(({ value }) => codecs.userState.decode(value as Buffer).offset < position)!;
    const state = codecs.userState.decode(user.value as Buffer);
    for (const value of [codecs.userState.encode({ ...state, version: state.version + 1 }), null]) {
      await append(topicNames.state, user.key, value);
      await append(topicNames.state, partition.key, partition.value);
      expect((await look()).faults).not.toEqual([]);
    }
  });

  test('dead letters, and an ordinal that nobody heard, are faults', async () => {
    expect((await look('exactly_once', new Map([['g0', [7]]]))).faults).toHaveLength(1);
    await append(topicNames.deadLetters, null, Buffer.from('x'));
    expect((await look()).faults).toEqual(['1 dead letters']);
  });
});
