import type { CorpusEdit } from '../corpus.ts';

export const topicEdits: readonly CorpusEdit[] = [
  {
    name: 'more partitions',
    edits: `
      topics.ts: DEFAULT_PARTITIONS = 8 => DEFAULT_PARTITIONS = 16`,
    verdict: 'rebuild',
    changes: [
      'rebuild topics.presence.signals.partitions: 8 -> 16',
      'rebuild topics.presence.state.partitions: 8 -> 16',
      'rebuild topics.presence.diffs.partitions: 8 -> 16',
      'rebuild topics.presence.interest.partitions: 8 -> 16',
      'migration topics.presence.routes.partitions: 8 -> 16',
      'migration topics.presence.deliveries.partitions: 8 -> 16',
    ],
    says: ['hash over their number'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: [
      'presence.signals',
      'presence.state',
      'presence.diffs',
      'presence.interest',
      'presence.routes',
      'presence.deliveries',
    ],
    sameDiffs: true,
  },
  {
    name: 'more partitions for dead letters',
    edits: `
      topics.ts: key: null, partitions: 1 } => key: null, partitions: 4 }`,
    verdict: 'migration',
    changes: ['migration topics.presence.dlq.partitions: 1 -> 4'],
    says: ['LOG_MISMATCH'],
    stores: [],
    topics: ['presence.dlq'],
    sameDiffs: true,
  },
  {
    name: 'signals kept for a shorter time',
    edits: `
      topics.ts: days(7) => days(2)`,
    verdict: 'migration',
    changes: ['migration topics.presence.signals.retention: 7 d -> 2 d'],
    says: ['reaches back 2 d'],
    stores: [],
    topics: ['presence.signals'],
    sameDiffs: true,
  },
  {
    name: 'diffs kept longer',
    edits: `
      topics.ts: days(1)) => days(3))`,
    verdict: 'migration',
    changes: ['migration topics.presence.diffs.retention: 1 d -> 3 d'],
    says: ['until it is altered'],
    stores: [],
    topics: ['presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'the state deleted by time',
    edits: `
      topics.ts: state: compacted<UserState>({ name: topicNames.state, key: 'user_id', partitions }) => state:
        deleted<UserState>({ name: topicNames.state, key: 'user_id', partitions }, days(30))`,
    verdict: 'rebuild',
    changes: ['rebuild topics.presence.state.cleanup: compact -> delete'],
    says: ['users and their versions'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'the signals compacted',
    edits: `
      topics.ts: signals: deleted<Signal>({ name: topicNames.signals, key: 'user_id', partitions }, days(7)) =>
        signals: compacted<Signal>({ name: topicNames.signals, key: 'user_id', partitions })`,
    verdict: 'rebuild',
    changes: ['rebuild topics.presence.signals.cleanup: delete -> compact'],
    says: ['last signal of each user'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.signals'],
    sameDiffs: true,
  },
  {
    name: 'the diffs compacted',
    edits: `
      topics.ts: diffs: deleted<Diff>({ name: topicNames.diffs, key: 'user_id', partitions }, days(1)) => diffs:
        compacted<Diff>({ name: topicNames.diffs, key: 'user_id', partitions })`,
    verdict: 'migration',
    changes: ['migration topics.presence.diffs.cleanup: delete -> compact'],
    says: ['whoever still reads older ones'],
    stores: [],
    topics: ['presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'deliveries keyed by user',
    edits: `
      topics.ts: name: topicNames.deliveries, key: 'gateway_id' => name: topicNames.deliveries, key: 'user_id'`,
    verdict: 'migration',
    changes: ['migration topics.presence.deliveries.key: gateway_id -> user_id'],
    says: ['change together'],
    stores: [],
    topics: ['presence.deliveries'],
    sameDiffs: true,
  },
  {
    name: 'a topic more',
    edits: `
      topics.ts: deadLetters: => audit: deleted<Diff>({ name: 'presence.audit', key: 'user_id', partitions },
        days(90)),
        deadLetters:`,
    verdict: 'compatible',
    changes: ['compatible topics.presence.audit: none -> 8 partitions, delete'],
    says: ['made when the system starts'],
    stores: [],
    topics: ['presence.audit'],
    sameDiffs: true,
  },
  {
    name: 'the kept lists under another name',
    edits: `
      schemas/topics.ts: interest: 'presence.interest' => interest: 'presence.watching'`,
    verdict: 'migration',
    changes: [
      'compatible topics.presence.watching: none -> 8 partitions, compact',
      'migration topics.presence.interest: 8 partitions, compact -> none',
    ],
    says: ['begins empty'],
    stores: [],
    topics: ['presence.watching', 'presence.interest'],
    sameDiffs: true,
  },
];
