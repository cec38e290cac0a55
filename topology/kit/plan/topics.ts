/** Topics as they are on the broker: nothing of one is changed by a start, which refuses what does not fit. */
import { printMillis } from '../../../processors/time.ts';
import type { SystemSpec, TopicSpec } from '../spec.ts';
import { type Change, compatible, migration, pairs, rebuild } from './change.ts';

interface Context {
  readonly at: string;
  readonly name: string;
  /** The input or an output of the topology. */
  readonly own: boolean;
  readonly input: boolean;
  readonly stores: readonly string[];
}

export function topics(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const own = new Set([after.source.topic, ...after.sinks.filter(({ writes }) => writes !== null).map(({ target }) => target)]);
  const states = new Set(after.sinks.filter(({ writes }) => writes === 'states').map(({ target }) => target));
  const all = after.stages.flatMap((stage) => stage.stores.map(({ name }) => name));
  return pairs(before.topics, after.topics, ({ name }) => name).flatMap(([was, is]) => {
    if (was === null || is === null) return was === null && is !== null ? [added(is)] : was !== null ? [removed(was)] : [];
    const { name } = is;
    const context = {
      at: `topics.${name}`,
      name,
      own: own.has(name),
      input: name === after.source.topic,
      stores: states.has(name) || name === after.source.topic ? all : [],
    };
    return [...partitions(context, was, is), ...key(context, was, is), ...kept(context, was, is)];
  });
}

const added = (topic: TopicSpec): Change =>
  compatible({
    at: `topics.${topic.name}`,
    before: null,
    after: `${topic.partitions} partitions, ${topic.cleanup}`,
    reason: 'It is made when the system starts.',
    topics: [topic.name],
  });

const removed = (topic: TopicSpec): Change =>
  (topic.cleanup === 'compact' ? migration : compatible)({
    at: `topics.${topic.name}`,
    before: `${topic.partitions} partitions, ${topic.cleanup}`,
    after: null,
    reason:
      topic.cleanup === 'compact'
        ? 'It holds the newest record of each key, and nobody reads it any more: what stands in for it begins empty.'
        : 'Nobody reads or writes it any more; it stays on the broker until somebody deletes it.',
    steps:
      topic.cleanup === 'compact'
        ? ['Copy it into the topic that stands in for it, while its writers are stopped.', 'Roll out.']
        : [],
    topics: [topic.name],
  });

function partitions({ at, name, own, stores }: Context, was: TopicSpec, is: TopicSpec): readonly Change[] {
  if (was.partitions === is.partitions) return [];
  const draft = { at: `${at}.partitions`, before: `${was.partitions}`, after: `${is.partitions}`, topics: [name], stores };
  if (own || is.cleanup === 'compact')
    return [
      rebuild({
        ...draft,
        reason:
          'A key’s partition is its hash over their number: keys would be in another partition than their records and ' +
          'their state. The number is fixed when a topic is made; a start refuses another (LOG_MISMATCH).',
        steps: [
          'Is it the deployment’s own number? Then say so: --partitions or PARTITIONS.',
          own
            ? 'Else replay the input into new topics, and cut over with a new epoch.'
            : `Else copy ${name}, key by key, into a new topic.`,
        ],
        sameDiffs: true,
      }),
    ];
  return [
    migration({
      ...draft,
      reason:
        'A start refuses a topic with another number (LOG_MISMATCH). What is in it is of the moment: nothing is lost ' +
        'that is not said again.',
      steps: ['Stop everything that reads or writes it.', `Delete ${name}: the next start makes it anew.`, 'Start again.'],
    }),
  ];
}

function key({ at, name, own, stores }: Context, was: TopicSpec, is: TopicSpec): readonly Change[] {
  if (was.key === is.key) return [];
  const draft = { at: `${at}.key`, before: was.key ?? 'its own', after: is.key ?? 'its own', topics: [name], stores };
  if (own || is.cleanup === 'compact')
    return [
      rebuild({
        ...draft,
        reason:
          `Records of one ${is.key ?? 'key'} lie in several partitions: they have no order, and old ones ` +
          `are never replaced.`,
      }),
    ];
  return [
    migration({
      ...draft,
      reason: 'Readers look for a record in the partition of its key: writers and readers must change together.',
      steps: ['Stop its writers.', 'When it is read to its end, roll out readers and writers.'],
    }),
  ];
}

function kept({ at, name, input, stores }: Context, was: TopicSpec, is: TopicSpec): readonly Change[] {
  if (was.cleanup !== is.cleanup) {
    const draft = { at: `${at}.cleanup`, before: was.cleanup, after: is.cleanup, topics: [name], stores };
    if (is.cleanup === 'delete' || input)
      return [
        rebuild({
          ...draft,
          reason:
            is.cleanup === 'delete'
              ? `${name} holds the newest record of each key: what is older than its retention would be gone, ` +
                `and with it users and their versions.`
              : 'Compaction keeps only the last signal of each user: what was not read yet is lost, and no restore or ' +
                'replay is right any more.',
        }),
      ];
    return [
      migration({
        ...draft,
        reason:
          'Only the newest record of each key would stay, whoever still reads older ones. A start refuses the topic ' +
          'until it is altered.',
        steps: [`kafka-configs --alter --topic ${name} --add-config cleanup.policy=${is.cleanup}`, 'Roll out.'],
      }),
    ];
  }
  if (was.retention_ms === is.retention_ms) return [];
  const say = (length: number | null): string => (length === null ? 'for ever' : printMillis(length));
  const shorter = is.retention_ms !== null && (was.retention_ms === null || is.retention_ms < was.retention_ms);
  const lost = input
    ? `A rebuild then reaches back ${say(is.retention_ms)} from its base, and the topology may stand still for no longer.`
    : `Readers further back than ${say(is.retention_ms)} find nothing.`;
  return [
    migration({
      at: `${at}.retention`,
      before: say(was.retention_ms),
      after: say(is.retention_ms),
      reason:
        `A topic that is there keeps its setting until it is altered; state is not touched. ` +
        `${shorter ? lost : 'What is deleted already does not come back.'}`,
      steps: [`kafka-configs --alter --topic ${name} --add-config retention.ms=${is.retention_ms ?? -1}`],
      topics: [name],
    }),
  ];
}
