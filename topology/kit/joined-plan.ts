/**
 * What an edit of a joined topology does to what is running. It keeps nothing in the log: whoever takes a partition makes its
 * stores anew, out of the table and what the inputs still have. So edits of stages take effect with the next start, instance by
 * instance; only what others write or read, its topics, has to be changed with them.
 */

import type { StageSpec } from '../../processors/stage.ts';
import { setting } from './describe-text.ts';
import type { JoinedSystemSpec } from './joined-describe.ts';
import { identity } from './plan/chain.ts';
import { type Change, compatible, type Draft, equal, migration, pairs, summaryOf } from './plan/change.ts';
import { type Incompatibility, schemas } from './plan/schemas.ts';
import { topics } from './plan/topics.ts';
import type { Plan } from './plan.ts';

export function planJoined(before: JoinedSystemSpec, after: JoinedSystemSpec, incompatibility: Incompatibility): Plan {
  const changes = [
    ...identity(before, after).map((change) => ({ ...change, reason: ANEW })),
    ...inputs(before, after),
    ...stages(before, after),
    ...sinks(before, after),
    ...topics(owning(before), owning(after)),
    ...schemas(before, after, incompatibility),
  ];
  return {
    before: `${before.name}@${before.version}`,
    after: `${after.name}@${after.version}`,
    ...summaryOf(changes),
    // Signals become diffs elsewhere.
    sameDiffs: true,
    notes: [],
  };
}

const ANEW = 'Nothing is stored under it: it stands in places and metrics, from the next start on.';

/** What it reads is what another topology writes: its number of partitions and its keys are as fixed as there. No store is. */
const owning = (spec: JoinedSystemSpec): JoinedSystemSpec => ({
  ...spec,
  stages: [],
  sinks: [{ kind: 'kafka', name: 'table', target: spec.table, writes: 'states', reads: [], idempotentBy: '' }],
});

function inputs(before: JoinedSystemSpec, after: JoinedSystemSpec): readonly Change[] {
  const at = `${after.name}.${after.source.name}`;
  const moved = (what: string, was: string, is: string, reason: string): readonly Change[] =>
    was === is ? [] : [migration({ at: `${at}.${what}`, before: was, after: is, reason, topics: [was, is], steps: STEPS })];
  const [was, is] = [before.source, after.source];
  return [
    ...(was.name === is.name ? [] : [compatible({ at: `${at}.name`, before: was.name, after: is.name, reason: ANEW })]),
    ...moved('topic', was.topic, is.topic, `Positions that gateways and cursors hold are of ${was.topic}.`),
    ...moved('joins', before.joins, after.joins, `Gateways write their routes to ${before.joins}: nobody would be told of.`),
    ...moved('table', before.table, after.table, `A takeover reads ${after.table} whole: whoever is not in it is unknown.`),
    ...clock(at, before, after),
  ];
}

const STEPS = [
  'Have the new topic written, with as many partitions, before anybody reads it.',
  'Stop the topology, roll out gateways and topology: clients get snapshots where their cursors say nothing any more.',
];

function clock(at: string, before: JoinedSystemSpec, after: JoinedSystemSpec): readonly Change[] {
  const [was, is] = [before.source.clock, after.source.clock];
  if (equal(was, is)) return [];
  const said = (of: typeof was): string | null =>
    of === null
      ? null
      : Object.entries(of)
          .map(([key, value]) => setting(key, value))
          .join(', ');
  const reason =
    'Lives of gateways are judged by the new numbers from the next start on; a gateway taken for dead says all anew.';
  return [compatible({ at: `${at}.clock`, before: said(was), after: said(is), reason })];
}

/** A stage is known by its store's part; one that is another kind is another stage. */
function stages(before: JoinedSystemSpec, after: JoinedSystemSpec): readonly Change[] {
  const part = ({ kind, stores }: StageSpec): string => `${kind} ${stores.map((store) => store.part).join(' ')}`;
  const changes: Change[] = pairs(before.stages, after.stages, part).flatMap(([was, is]) => {
    const at = `${after.name}.${(is ?? was)?.name}`;
    const stores = (is ?? was)?.stores.map(({ name }) => name) ?? [];
    if (was === null || is === null)
      return [
        anew({ at, before: was?.kind ?? null, after: is?.kind ?? null, stores, reason: 'Stages come and go with a start.' }),
      ];
    const names = [
      ['name', was.name, is.name],
      ['store', was.stores[0]?.name ?? '', is.stores[0]?.name ?? ''],
    ] as const;
    return [
      ...names
        .filter(([, old, name]) => old !== name)
        .map(([what, old, name]) => compatible({ at: `${at}.${what}`, before: old, after: name, stores, reason: ANEW })),
      ...settings(at, was, is, stores),
    ];
  });
  const order = (one: JoinedSystemSpec): readonly string[] => one.stages.map(part).sort();
  const places = (one: JoinedSystemSpec): string => one.stages.map(part).join(' > ');
  if (!equal(order(before), order(after)) || places(before) === places(after)) return changes;
  const names = (one: JoinedSystemSpec): string => one.stages.map(({ name }) => name).join(' > ');
  const reason = 'Stages have another place from the next start on.';
  return [...changes, anew({ at: `${after.name}.stages`, before: names(before), after: names(after), reason })];
}

const anew = ({ reason, ...draft }: Draft): Change =>
  compatible({ ...draft, reason: `${reason} What they hold is made anew by whoever takes a partition.` });

/** What each setting is to those who run beside each other for the time of a roll-out. */
const meanings: Readonly<Record<string, string>> = {
  'newest.remember_ms':
    'A takeover reads the first input from so far back; a resume from before that is answered with a snapshot.',
  'newest.changes': 'What is beyond the limit is forgotten from the next start on, and resumes from before it get snapshots.',
  'damp.changes': 'Who flaps is judged anew from the next start on; what waits is told at a takeover.',
  'damp.within_ms': 'Who flaps is judged anew from the next start on; what waits is told at a takeover.',
  'damp.most': 'Who flaps is told of by the new number from the next start on; what waits is told at a takeover.',
  'route.lease_ms': 'A gateway that the new number takes for dead is asked for its routes, and told what it missed.',
  'route.again_ms': 'Gateways are asked by the new number from the next start on.',
  'route.told': 'Records hold so many from the next start on; gateways read any number.',
};

function settings(at: string, was: StageSpec, is: StageSpec, stores: readonly string[]): readonly Change[] {
  const said = (key: string, of: StageSpec): string | null => {
    const value = of.config[key];
    return value === undefined ? null : setting(key, value);
  };
  return [...new Set([...Object.keys(is.config), ...Object.keys(was.config)])]
    .filter((key) => !equal(was.config[key], is.config[key]))
    .map((key) =>
      compatible({
        at: `${at}.${key.replace(/_ms$/, '')}`,
        before: said(key, was),
        after: said(key, is),
        stores,
        reason: `${meanings[`${is.kind}.${key}`] ?? 'It takes effect with the next start.'} Nothing that is kept was made by it.`,
      }),
    );
}

function sinks(before: JoinedSystemSpec, after: JoinedSystemSpec): readonly Change[] {
  return pairs(before.sinks, after.sinks, ({ target }) => target).flatMap(([was, is]) => {
    const at = `${after.name}.${(is ?? was)?.name}`;
    if (was !== null && is !== null)
      return was.name === is.name ? [] : [compatible({ at: `${at}.name`, before: was.name, after: is.name, reason: ANEW })];
    const draft = { at, before: was?.target ?? null, after: is?.target ?? null, topics: [(is ?? was)?.target ?? ''] };
    const reason = 'Gateways read what they are told from one topic, each its own partition of it: they must change with it.';
    return [migration({ ...draft, reason, steps: ['Stop the topology.', 'Roll out gateways and topology together.'] })];
  });
}
