/** Instances of the counter on one log, with faults, writers that go on, and the verdict at the end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger } from '../../base/logger.ts';
import { partitionOf } from '../../base/murmur2.ts';
import type { Log, OutRecord } from '../../ports/log.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { type Runner, runTopology } from '../../runtime/runner.ts';
import type { RuntimeLimits, Wiring } from '../../runtime/wiring.ts';
import { type Count, counterTopicSpecs, counterTopics } from './counter.ts';
import { type Fault, type FaultyLog, faultyLog, type Step } from './faulty-log.ts';

/** Everything quick, so that a seed takes a fraction of a second. */
export const quick: Partial<RuntimeLimits> = {
  patience_ms: 10,
  checkpoint_ms: 15,
  idleTick_ms: 20,
  backoff_ms: 1,
  backoffMax_ms: 8,
  fencedPause_ms: 10,
};

export interface Instance {
  readonly runner: Runner;
  readonly log: FaultyLog;
}

export async function startInstance<I, S, P, D, C>(
  log: Log,
  wiring: Wiring<I, S, P, D, C>,
  options: {
    readonly plan?: (step: Step) => Fault | undefined;
    readonly limits?: Partial<RuntimeLimits>;
    readonly group?: string;
    readonly stateDir?: string;
    readonly standbyReplicas?: number;
    readonly guarantee?: ProcessingGuarantee;
  } = {},
): Promise<Instance> {
  const faulty = faultyLog(log, options.plan ?? (() => undefined));
  const runner = await runTopology({
    log: faulty,
    wiring,
    group: options.group ?? 'counter',
    instanceId: 'test',
    logger: silentLogger,
    limits: options.limits ?? quick,
    standbyReplicas: options.standbyReplicas ?? 0,
    guarantee: options.guarantee ?? 'exactly_once',
    // Snapshots at every chance: what they are taken in the midst of must not matter.
    ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir, snapshots: { every_ms: 5, pause_ms: 0 } }),
  });
  return { runner, log: faulty };
}

/** Takes a dead instance out of its group, as a broker does once the session is over. */
export async function bury(instance: Instance): Promise<void> {
  await instance.log.consumer?.close();
}

export const makeTopics = (log: Log, partitions: number) => log.ensureTopics(counterTopicSpecs(partitions));

/** `count` signals over `keys` keys: adds and touches, a few of them no JSON at all. */
export function signals(
  random: () => number,
  options: { readonly count: number; readonly keys: number; readonly garbage?: number },
): OutRecord[] {
  return Array.from({ length: options.count }, (_, index) => {
    const key = `key-${Math.floor(random() * options.keys)}`;
    if (random() < (options.garbage ?? 0)) return { key, value: Buffer.from(`{garbage ${index}`), headers: { topic: 'mine' } };
    const kind: Count['kind'] = random() < 0.5 ? 'touch' : 'add';
    const value = Buffer.from(JSON.stringify({ kind, key, amount: 1 + Math.floor(random() * 6) }));
    return random() < 0.3 ? { key, value, headers: { traceparent: `trace-${index}` } } : { key, value };
  });
}

export const sendAll = async (log: Log, records: readonly OutRecord[], topic = counterTopics.input): Promise<void> => {
  const producer = await log.producer();
  await producer.send([{ topic, records }]);
  await producer.close();
};

/** Polls; the deadline is a guard against hanging, not an expectation. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, guard_ms = 15_000): Promise<void> {
  const end = Date.now() + guard_ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}.`);
    await sleep(2);
  }
}

/** Every partition is run by one of these, and has processed the input up to where it ended at the call. */
export async function caughtUp(
  log: Log,
  runners: readonly Runner[],
  guard_ms?: number,
  topic = counterTopics.input,
): Promise<void> {
  const ends = await log.offsets(topic);
  await until(
    'all input is processed',
    () => {
      const all = runners.flatMap((runner) => runner.partitions);
      return ends.every(({ partition, end }) =>
        all.some(
          (one) => one.partition === partition && (one.state === 'running' || one.state === 'committing') && one.position >= end,
        ),
      );
    },
    guard_ms,
  ).catch((error: Error) => {
    throw new Error(`${error.message} ${JSON.stringify({ ends, runners: runners.map(({ partitions }) => partitions) })}`);
  });
}

export const keyIn = (partition: number, partitions: number): string => {
  for (let n = 0; ; n += 1) if (partitionOf(`k${n}`, partitions) === partition) return `k${n}`;
};

/** A log's methods as a plain object, some of which may be replaced. */
export const bound = (log: Log): Log => ({
  ensureTopics: (specs) => log.ensureTopics(specs),
  partitions: (topic) => log.partitions(topic),
  stamps: (topic) => log.stamps(topic),
  identity: (topic) => log.identity(topic),
  offsets: (topic) => log.offsets(topic),
  committed: (group, topic) => log.committed(group, topic),
  producer: () => log.producer(),
  transactions: (id) => log.transactions(id),
  consume: (options) => log.consume(options),
  follow: (options) => log.follow(options),
  read: (options) => log.read(options),
  ping: () => log.ping(),
  close: () => log.close(),
});
