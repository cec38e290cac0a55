import type { CorpusEdit } from '../corpus.ts';

export const schemaEdits: readonly CorpusEdit[] = [
  {
    name: 'a field with a default in the state',
    edits: `
      user-state.avsc: { "name": "log", "type": "int", "default": 0, => { "name": "mood", "type": ["null",
        "string"], "default": null },
        { "name": "log", "type": "int", "default": 0,`,
    verdict: 'compatible',
    changes: ['compatible schemas.UserState: f8d5c1f825cef7e4 -> b168c8321a52ba60'],
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
    changes: ['compatible schemas.Signal: 21ca4968390b1475 -> 54e57f5a262260c7'],
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
    changes: ['rebuild schemas.UserState: f8d5c1f825cef7e4 -> 4d88bccef215f224'],
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
    changes: ['rebuild schemas.Signal: 21ca4968390b1475 -> 92379be563c5dad4'],
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
    changes: ['rebuild schemas.UserState: f8d5c1f825cef7e4 -> 0007563e5bf004ed'],
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
    changes: ['migration schemas.UserState: f8d5c1f825cef7e4 -> ef2f08322bb7b516'],
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
    changes: ['migration schemas.UserState: f8d5c1f825cef7e4 -> d1024a3181a50374'],
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
