import type { CorpusEdit } from '../corpus.ts';

export const schemaEdits: readonly CorpusEdit[] = [
  {
    name: 'a field with a default in the state',
    edits: `
      user-state.avsc: { "name": "log", "type": "int", "default": 0, => { "name": "mood", "type": ["null",
        "string"], "default": null },
        { "name": "log", "type": "int", "default": 0,`,
    verdict: 'compatible',
    changes: ['compatible schemas.UserState: ed6ade86a70e00c1 -> ad4b2a323c726fc9'],
    says: ['use it once all are new'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'a field with a default in signals',
    edits: `
      signal.avsc: { "name": "reason", => { "name": "app_version", "type": ["null", "string"], "default": null },
        { "name": "reason",`,
    verdict: 'compatible',
    changes: ['compatible schemas.Signal: 61ab5913f6e3b931 -> e28a5618756be50a'],
    says: ['read each other'],
    stores: [],
    topics: ['presence.signals'],
    sameDiffs: true,
  },
  {
    name: 'a field without a default in the state',
    edits: `
      user-state.avsc: { "name": "log", "type": "int", "default": 0, => { "name": "mood", "type": "string" },
        { "name": "log", "type": "int", "default": 0,`,
    verdict: 'rebuild',
    changes: ['rebuild schemas.UserState: ed6ade86a70e00c1 -> b009d7e692880710'],
    says: ['could not be restored'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'a cause more',
    edits: `
      diff.avsc: "override_expired", "failover" => "override_expired", "failover", "shutdown"`,
    verdict: 'migration',
    changes: ['migration schemas.Diff: 96975af392cb1a7d -> 859d1ca06036cf85'],
    says: ['old ones do not read new records'],
    stores: [],
    topics: ['presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'a cause less',
    edits: `
      diff.avsc: "override_expired", "failover" => "override_expired"`,
    verdict: 'migration',
    changes: ['migration schemas.Diff: 96975af392cb1a7d -> ecca3e00f0a510be'],
    says: ['refuses the schema'],
    stores: [],
    topics: ['presence.diffs'],
    sameDiffs: true,
  },
  {
    name: 'a state less in signals',
    edits: `
      signal.avsc: "online", "away", => "online",`,
    verdict: 'rebuild',
    changes: ['rebuild schemas.Signal: 61ab5913f6e3b931 -> da497f6667043117'],
    says: ['Not even a replay'],
    stores: [],
    topics: ['presence.signals'],
    sameDiffs: true,
  },
  {
    name: 'a field of the state renamed without an alias',
    edits: `
      user-state.avsc: { "name": "streaming", "type": "boolean", "default": false, "doc": "A connection => {
        "name": "connected", "type": "boolean", "default": false, "doc": "A connection`,
    verdict: 'rebuild',
    changes: ['rebuild schemas.UserState: ed6ade86a70e00c1 -> 96552a103cb243cf'],
    says: ['an alias'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'a field of the state taken out',
    edits: `
      user-state.avsc: { "name": "set_at", "type": "long" }, { "name": "actor", "type": ["null", "string"],
        "default": null } => { "name": "set_at", "type": "long" }`,
    verdict: 'migration',
    changes: ['migration schemas.UserState: ed6ade86a70e00c1 -> e42eac19b4469341'],
    says: ['does not come back'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'a longer type',
    edits: `
      user-state.avsc: { "name": "log", "type": "int", "default": 0, => { "name": "log", "type": "long", "default": 0,`,
    verdict: 'migration',
    changes: ['migration schemas.UserState: ed6ade86a70e00c1 -> df85e9fbcab0482b'],
    says: ['old ones do not read new records'],
    stores: ['sessions', 'claims', 'lives', 'emitted'],
    topics: ['presence.state'],
    sameDiffs: true,
  },
  {
    name: 'words of a doc',
    edits: `
      diff.avsc: "doc": "The user's key." => "doc": "Whose it is."`,
    verdict: 'compatible',
    changes: [],
    says: [],
    stores: [],
    topics: [],
    sameDiffs: true,
  },
];
