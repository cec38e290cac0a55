import type { CorpusEdit } from '../corpus.ts';

export const sinkEdits: readonly CorpusEdit[] = [
  {
    name: 'a sink renamed',
    edits: `
      presence.ts: kafkaSink('diffs', => kafkaSink('changes-out',`,
    verdict: 'compatible',
    changes: ['compatible presence.changes-out.name: diffs -> changes-out'],
    says: ['from where it was'],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'the state into another topic',
    edits: `
      presence.ts: writes: 'states', topic: topics.state => writes: 'states', topic: { ...topics.state, name:
        'presence.state-v2' }`,
    verdict: 'rebuild',
    changes: ['rebuild presence.state.target: presence.state -> presence.state-v2'],
    says: ['which is empty'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state', 'presence.state-v2'],
    sameDiffs: true,
  },
  {
    name: 'the diffs into another topic',
    edits: `
      presence.ts: writes: 'diffs', topic: topics.diffs => writes: 'diffs', topic: { ...topics.diffs, name:
        'presence.changes' }`,
    verdict: 'migration',
    changes: ['migration presence.diffs.target: presence.diffs -> presence.changes'],
    says: ['Diffs of before stay'],
    stores: [],
    topics: ['presence.diffs', 'presence.changes'],
    sameDiffs: true,
  },
  {
    name: 'the diffs into a second topic too',
    edits: `
      presence.ts: kafkaSink('diffs', => kafkaSink('audit', { writes: 'diffs', topic: { ...topics.diffs, name:
        'presence.audit' } }),
        kafkaSink('diffs',`,
    verdict: 'compatible',
    changes: ['compatible presence.audit: none -> kafka presence.audit'],
    says: ['none of before'],
    stores: [],
    topics: ['presence.audit'],
    sameDiffs: true,
  },
  {
    name: 'the diffs written nowhere',
    edits: `
      presence.ts: kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }), =>`,
    verdict: 'migration',
    changes: ['migration presence.diffs: kafka presence.diffs -> none'],
    says: ['is told nothing more'],
    stores: [],
    topics: ['presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'the state written nowhere',
    edits: `
      presence.ts: kafkaSink('state', { writes: 'states', topic: topics.state }), =>`,
    verdict: 'rebuild',
    changes: ['rebuild presence.state: kafka presence.state -> none'],
    says: ['written nowhere'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'a cache more',
    edits: `
      presence.ts: redisSink('hot', => redisSink('near', { state: topics.state, keys: ['near:{n}'] }),
        redisSink('hot',`,
    verdict: 'compatible',
    changes: ['compatible presence.near: none -> redis near:{n}'],
    says: ['from the beginning'],
    stores: [],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'the cache taken out',
    edits: `
      presence.ts: redisSink('hot', … ), ); => );`,
    verdict: 'migration',
    changes: ['migration presence.hot: redis presence:state:{n}, presence:last_seen:{n} -> none'],
    says: ['grows old'],
    stores: [],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'other tables',
    edits: `
      presence.ts: ['presence', 'presence_users', 'presence_history'] => ['devices', 'users', 'history']`,
    verdict: 'migration',
    changes: ['migration presence.durable.target: presence, presence_users, presence_history -> devices, users, history'],
    says: ['begins empty'],
    stores: [],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: true,
  },
];
