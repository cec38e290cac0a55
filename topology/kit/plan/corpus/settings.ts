import type { CorpusEdit } from '../corpus.ts';

export const settingEdits: readonly CorpusEdit[] = [
  {
    name: 'a longer window',
    edits: `
      presence.ts: window: ms(200) => window: ms(500)`,
    verdict: 'compatible',
    changes: ['compatible presence.strongest-signal.window: 200 ms -> 500 ms'],
    says: ['No record holds a window'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'another stagger',
    edits: `
      presence.ts: stagger: ms(25) => stagger: ms(50)`,
    verdict: 'compatible',
    changes: ['compatible presence.strongest-signal.stagger: 25 ms -> 50 ms'],
    says: ['No record holds it'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'two sources change places',
    edits: `
      presence.ts: ['manual', 'app', 'inferred'] => ['manual', 'inferred', 'app']`,
    verdict: 'rebuild',
    changes: ['rebuild presence.strongest-signal.sources: manual > app > inferred -> manual > inferred > app'],
    says: ['decided by the old order'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'two states change places',
    edits: `
      presence.ts: ['dnd', 'busy', 'online', 'away', 'offline'] => ['busy', 'dnd', 'online', 'away', 'offline']`,
    verdict: 'rebuild',
    changes: [
      'rebuild presence.strongest-signal.states: dnd > busy > online > away > offline -> busy > dnd > online > away > offline',
    ],
    says: ['decided by the old order'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a state taken out of the order',
    edits: `
      presence.ts: 'online', 'away', 'offline'] => 'online', 'offline']`,
    verdict: 'rebuild',
    changes: ['rebuild presence.strongest-signal.states: dnd > busy > online > away > offline -> dnd > busy > online > offline'],
    says: ['has no place any more'],
    stores: ['claims'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a state more in the order, and in the schemas',
    edits: `
      presence.ts: ['dnd', 'busy', 'online', => ['dnd', 'busy', 'focus', 'online',
      signal.avsc: ["dnd", "busy", => ["dnd", "busy", "focus",
      user-state.avsc: ["dnd", "busy", => ["dnd", "busy", "focus",
      diff.avsc: ["dnd", "busy", => ["dnd", "busy", "focus",`,
    verdict: 'migration',
    changes: [
      'compatible presence.strongest-signal.states: dnd > busy > online > away > offline -> dnd > busy > focus > ' +
        'online > away > offline',
      'migration schemas.Signal: 21ca4968390b1475 -> 4fb16c8b89fac5bb',
      'migration schemas.UserState: f8d5c1f825cef7e4 -> ed874c6966677740',
      'migration schemas.Diff: 96975af392cb1a7d -> 7ee8c90e454c9a6b',
    ],
    says: ['No record has it until somebody says it'],
    stores: ['claims', 'sessions', 'lives', 'emitted'],
    topics: ['presence.state', 'presence.diffs', 'presence.signals'],
    sameDiffs: false,
  },
  {
    name: 'a longer lease',
    edits: `
      presence.ts: lease: seconds(3) => lease: seconds(4)`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.lease: 3 s -> 4 s'],
    says: ['holds at once, also for gateways about to die'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'a shorter lease',
    edits: `
      presence.ts: lease: seconds(3) => lease: seconds(2)`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.lease: 3 s -> 2 s'],
    says: ['the shorter lease holds at once'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'no grace',
    edits: `
      presence.ts: grace: seconds(1) => grace: ms(0)`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.grace: 1 s -> 0 ms'],
    says: ['running grace'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'devices forgotten later',
    edits: `
      presence.ts: forget: minutes(10), => forget: minutes(20),`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.forget: 10 min -> 20 min'],
    says: ['moment of forgetting'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'dead gateways forgotten earlier',
    edits: `
      presence.ts: lease: seconds(3), => lease: seconds(3), forgetGateway: minutes(30),`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.forget_gateway: 1 h -> 30 min'],
    says: ['Worked out anew'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'gateways asked to restate less often',
    edits: `
      presence.ts: lease: seconds(3), => lease: seconds(3), restate: seconds(30),`,
    verdict: 'compatible',
    changes: ['compatible presence.silence.restate: 5 s -> 30 s'],
    says: ['Not kept in records'],
    stores: ['lives'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'fewer replaced sessions remembered',
    edits: `
      presence.ts: sessions: 8 => sessions: 4`,
    verdict: 'compatible',
    changes: ['compatible presence.drop-repeats.remember_sessions: 8 -> 4'],
    says: ['until a session of that device is replaced'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'more replaced sessions remembered',
    edits: `
      presence.ts: sessions: 8 => sessions: 16`,
    verdict: 'compatible',
    changes: ['compatible presence.drop-repeats.remember_sessions: 8 -> 16'],
    says: ['grow as sessions are replaced'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'replaced sessions remembered for a shorter time',
    edits: `
      presence.ts: for: minutes(10) => for: minutes(5)`,
    verdict: 'compatible',
    changes: ['compatible presence.drop-repeats.remember: 10 min -> 5 min'],
    says: ['from now on'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'fewer devices a user',
    edits: `
      presence.ts: devices: 100 => devices: 10`,
    verdict: 'compatible',
    changes: ['compatible presence.drop-repeats.devices: 100 -> 10'],
    says: ['keeps them'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'more devices a user',
    edits: `
      presence.ts: devices: 100 => devices: 200`,
    verdict: 'compatible',
    changes: ['compatible presence.drop-repeats.devices: 100 -> 200'],
    says: ['larger records'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'beats flushed less often',
    edits: `
      presence.ts: flush: seconds(30) => flush: minutes(2)`,
    verdict: 'compatible',
    changes: ['compatible presence.changes.flush: 30 s -> 2 min'],
    says: ['reads more of the input'],
    stores: ['emitted'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'beats flushed more often',
    edits: `
      presence.ts: flush: seconds(30) => flush: seconds(10)`,
    verdict: 'compatible',
    changes: ['compatible presence.changes.flush: 30 s -> 10 s'],
    says: ['shorter restore'],
    stores: ['emitted'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'repeats told by another field',
    edits: `
      presence.ts: by: 'seq' => by: 'received_at'`,
    verdict: 'rebuild',
    changes: ['rebuild presence.drop-repeats.by: seq -> received_at'],
    says: ['keeps the last seq'],
    stores: ['sessions'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
  {
    name: 'several settings at once',
    edits: `
      presence.ts: window: ms(200) => window: ms(100)
      presence.ts: flush: seconds(30) => flush: minutes(1)`,
    verdict: 'compatible',
    changes: [
      'compatible presence.strongest-signal.window: 200 ms -> 100 ms',
      'compatible presence.changes.flush: 30 s -> 1 min',
    ],
    says: ['No record holds a window'],
    stores: ['claims', 'emitted'],
    topics: ['presence.state', 'presence.diffs'],
    sameDiffs: false,
  },
];
