/** presence.state and presence.diffs on an embedded log, written as the topology writes them, and sinks that read them. */
import { silentLogger } from '../../base/logger.ts';
import { runStateSinks, type StateSinks, type StateSinksOptions } from '../../connectors/sinks/index.ts';
import type { Log, LogRecord, OutRecord } from '../../ports/log.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Diff, UserState } from '../../schemas/generated.ts';
import { partitionKey, topicNames } from '../../schemas/topics.ts';
import { partitionState } from '../contract/states.ts';

export interface World {
  readonly log: Log;
  readonly codecs: Codecs;
  /** One transaction: users, then the partition record; `null` states are tombstones. */
  commit(
    states: readonly (UserState | { readonly user_id: string; readonly gone: true })[],
    options?: CommitOptions,
  ): Promise<void>;
  raw(topic: string, records: readonly OutRecord[]): Promise<void>;
  diffs(diffs: readonly Diff[]): Promise<void>;
  sinks(options: Omit<StateSinksOptions, 'log' | 'codecs' | 'logger'>): StateSinks;
  deadLetters(): Promise<readonly LogRecord[]>;
  /** Resolves once every partition's group position is the end. */
  committed(group: string, topic: string): Promise<void>;
  close(): Promise<void>;
}

export interface CommitOptions {
  readonly partition?: number;
  readonly stamp?: number;
  readonly epoch?: number;
  /** Without the partition record: the beginning of a larger transaction. */
  readonly open?: boolean;
}

export async function createWorld(partitions = 1): Promise<World> {
  const log = await createEmbeddedLog();
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  await log.ensureTopics([
    { name: topicNames.state, partitions, cleanup: 'compact' },
    { name: topicNames.diffs, partitions, cleanup: 'delete', retention_ms: 3_600_000 },
    { name: topicNames.deadLetters, partitions: 1, cleanup: 'delete', retention_ms: 3_600_000 },
  ]);
  const producer = await log.producer();
  const running: StateSinks[] = [];
  let inputs = 0;
  return {
    log,
    codecs,
    commit: async (states, { partition = 0, stamp = Date.now(), epoch = 1, open = false } = {}) => {
      const records: OutRecord[] = states.map((state) => ({
        key: state.user_id,
        value: 'gone' in state ? null : codecs.userState.encode(state),
        partition,
      }));
      inputs += states.length + 1;
      const own = {
        key: partitionKey(partition),
        value: codecs.partitionState.encode(partitionState({ partition, stamp, epoch, offset: inputs })),
        partition,
      };
      await producer.send([{ topic: topicNames.state, records: open ? records : [...records, own] }]);
    },
    raw: async (topic, records) => void (await producer.send([{ topic, records }])),
    diffs: async (diffs) =>
      void (await producer.send([
        { topic: topicNames.diffs, records: diffs.map((diff) => ({ key: diff.user_id, value: codecs.diff.encode(diff) })) },
      ])),
    sinks: (options) => {
      const sinks = runStateSinks({ commit_ms: 20, ...options, log, codecs, logger: silentLogger });
      running.push(sinks);
      return sinks;
    },
    deadLetters: async () => {
      const found: LogRecord[] = [];
      await log.read({
        topic: topicNames.deadLetters,
        partition: 0,
        from: 0,
        onBatch: ({ records }) => void found.push(...records),
      });
      return found;
    },
    committed: (group, topic) =>
      until(async () => {
        const ends = await log.offsets(topic);
        const at = await log.committed(group, topic);
        return ends.every(({ partition, end }) => end === 0 || at[partition] === end);
      }),
    close: async () => {
      await Promise.all(running.map((one) => one.close()));
      await producer.close();
      await log.close();
    },
  };
}

/** Waits until it holds; the test's own time-out is the limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
