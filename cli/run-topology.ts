/** The role `topology`: the presence topology, wired to the log. */
import type { Logger } from '../base/logger.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import type { Wiring } from '../runtime/wiring.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Delivery, Diff, PartitionState, Signal, UserState } from '../schemas/generated.ts';
import { signal } from '../schemas/signal.ts';
import { partitionKey, topicNames } from '../schemas/topics.ts';
import { userRecords } from '../schemas/user-outline.ts';
import { presence } from '../topology/presence.ts';
import type { Settings } from './config.ts';
import { instanceName, type LogParts } from './parts.ts';

/** Its consumer group, and the stem of its transactional ids. */
export const TOPOLOGY_GROUP = 'presence.topology';

/** What the runtime must know of the presence topology. */
export function presenceWiring(codecs: Codecs): Wiring<Signal, UserState, PartitionState, Diff, Delivery> {
  const records = userRecords(codecs.userState);
  return {
    name: `${presence.name}@${presence.version}`,
    topics: {
      input: topicNames.signals,
      state: topicNames.state,
      output: topicNames.diffs,
      controls: topicNames.deliveries,
      deadLetters: topicNames.deadLetters,
    },
    codecs: {
      input: codecs.signal,
      state: codecs.userState,
      partition: codecs.partitionState,
      output: codecs.diff,
      controls: codecs.delivery,
      prepare: (values) => codecs.prepare(values),
    },
    partitionKey,
    tick: codecs.signal.encode(signal({ kind: 'tick' })),
    processor: (partition, stored) => presence.processor(partition, stored && { stored, records }),
    rebuildCommand: 'presence replay plan --partition <partition>',
  };
}

export function runPresence(settings: Settings, { log, codecs }: LogParts, logger: Logger): Promise<Runner> {
  return runTopology({
    log,
    wiring: presenceWiring(codecs),
    group: TOPOLOGY_GROUP,
    instanceId: instanceName(settings),
    logger,
  });
}
