import type { CorpusEdit } from '../corpus.ts';

export const chainEdits: readonly CorpusEdit[] = [
  {
    name: 'a stage renamed',
    edits: `
      presence.ts: offlineTimeout('silence', => offlineTimeout('who-lives',`,
    verdict: 'compatible',
    changes: ['compatible presence.who-lives.name: silence -> who-lives'],
    says: ['State belongs to the store'],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'a store renamed',
    edits: `
      presence.ts: store: 'lives' => store: 'leases'`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.store: lives -> leases'],
    says: ['which stays'],
    stores: ['lives', 'leases'],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'a stage and its store renamed at once',
    edits: `
      presence.ts: dedupe('drop-repeats', => dedupe('once',
      presence.ts: store: 'sessions' => store: 'heard'`,
    verdict: 'compatible',
    changes: ['compatible presence.once.name: drop-repeats -> once', 'compatible presence.once.store: sessions -> heard'],
    says: ['State belongs to the store'],
    stores: ['sessions', 'heard'],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'the topology renamed',
    edits: `
      presence.ts: topology('presence', 1, => topology('who-is-online', 1,`,
    verdict: 'compatible',
    changes: ['compatible who-is-online.name: presence -> who-is-online'],
    says: ['do not go by it'],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'the version raised, nothing else',
    edits: `
      presence.ts: topology('presence', 1, => topology('presence', 2,`,
    verdict: 'compatible',
    changes: ['compatible presence.version: 1 -> 2'],
    says: ['By itself a version changes nothing'],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'the source renamed',
    edits: `
      presence.ts: name: 'signals' => name: 'what-is-said'`,
    verdict: 'compatible',
    changes: ['compatible presence.what-is-said.name: signals -> what-is-said'],
    says: ['A label'],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
  {
    name: 'another input topic',
    edits: `
      presence.ts: topic: topics.signals, => topic: { ...topics.signals, name: 'mirror.signals' },`,
    verdict: 'rebuild',
    changes: ['rebuild presence.signals.topic: presence.signals -> mirror.signals'],
    says: ['Positions and offsets'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.signals', 'mirror.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'another key',
    edits: `
      presence.ts: key: 'user_id' => key: 'device_id'`,
    verdict: 'rebuild',
    changes: ['rebuild presence.signals.key: user_id -> device_id'],
    says: ['one order'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a longer hole',
    edits: `
      presence.ts: hole: ms(1_500) => hole: ms(2_500)`,
    verdict: 'compatible',
    changes: ['compatible presence.signals.clock.hole: 1500 ms -> 2500 ms'],
    says: ['from the next record on'],
    stores: [],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a longer time to settle',
    edits: `
      presence.ts: settle: seconds(2) => settle: seconds(3)`,
    verdict: 'compatible',
    changes: ['compatible presence.signals.clock.settle: 2 s -> 3 s'],
    says: ['stays'],
    stores: [],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'larger leaps only',
    edits: `
      presence.ts: leap: seconds(1) => leap: seconds(5)`,
    verdict: 'compatible',
    changes: ['compatible presence.signals.clock.leap: 1 s -> 5 s'],
    says: ['from the next record on'],
    stores: [],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'the clock switched off',
    edits: `
      presence.ts: clock: { hole: ms(1_500), settle: seconds(2), leap: seconds(1) } => clock: null`,
    verdict: 'compatible',
    changes: ['compatible presence.signals.clock: on -> null'],
    says: ['every gap of the log is time'],
    stores: [],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a stage of one’s own, without a store',
    edits: `
      presence.ts: import { topics } from => import { defineStage } from '../processors/stage.ts';
        import { topics } from
      presence.ts: diff('changes', => defineStage({ kind: 'calm', name: 'calm', config: { least_ms: 500 },
        stores: [], timers: [] },
        (_, next) => ({ on: next })),
        diff('changes',`,
    verdict: 'compatible',
    changes: ['compatible presence.calm: none -> calm'],
    says: ['It keeps nothing'],
    stores: [],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a stage of one’s own, with a store',
    edits: `
      presence.ts: import { topics } from => import { defineStage } from '../processors/stage.ts';
        import { topics } from
      presence.ts: diff('changes', => defineStage({ kind: 'calm', name: 'calm', config: { least_ms: 500 },
        stores: [{ name: 'moods', part: 'moods' }], timers: [] },
        (_, next) => ({ on: next })),
        diff('changes',`,
    verdict: 'rebuild',
    changes: ['rebuild presence.calm: none -> calm'],
    says: ['begins empty'],
    stores: ['moods'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a stage that others need taken out',
    edits: `
      presence.ts: windowedPrecedence('strongest-signal', … store: 'claims', }), =>`,
    verdict: 'rebuild',
    changes: ['rebuild presence.strongest-signal: windowedPrecedence -> none'],
    says: ['would stand still'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a rebuild whose version is raised',
    edits: `
      presence.ts: key: 'user_id' => key: 'device_id'
      presence.ts: topology('presence', 1, => topology('presence', 2,`,
    verdict: 'rebuild',
    changes: ['compatible presence.version: 1 -> 2', 'rebuild presence.signals.key: user_id -> device_id'],
    says: ['one order'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.signals', 'presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
];
