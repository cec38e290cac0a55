/** The presence topology as the runtime runs it: on the system's own topics, or in a replay on others. */
import type { TopologyTopics, Wiring } from '../runtime/wiring.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Delivery, Diff, PartitionState, Signal, UserState } from '../schemas/generated.ts';
import { signal } from '../schemas/signal.ts';
import { partitionKey, topicNames } from '../schemas/topics.ts';
import { userRecords } from '../schemas/user-outline.ts';
import type { Topology } from '../topology/kit/index.ts';
import { presence } from '../topology/presence.ts';

export type PresenceWiring = Wiring<Signal, UserState, PartitionState, Diff, Delivery>;

export interface PresenceWiringOptions {
  /** Default: the system's own. */
  readonly topics?: TopologyTopics;
  /** Default: presence, on the broker's stamps. */
  readonly topology?: Topology;
}

const ownTopics: TopologyTopics = {
  input: topicNames.signals,
  state: topicNames.state,
  output: topicNames.diffs,
  controls: topicNames.deliveries,
  deadLetters: topicNames.deadLetters,
};

/** What the runtime must know of the presence topology. */
export function presenceWiring(codecs: Codecs, options: PresenceWiringOptions = {}): PresenceWiring {
  const { topics = ownTopics, topology = presence } = options;
  const records = userRecords(codecs.userState);
  return {
    name: `${topology.name}@${topology.version}`,
    topics,
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
    processor: (partition, stored) => topology.processor(partition, stored && { stored, records }),
    restorePlanCommand: 'presence replay plan --partition <partition>',
  };
}
