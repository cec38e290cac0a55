/** The topology itself: its name and version, its source, and which stages there are. */
import type { StageSpec } from '../../../processors/stage.ts';
import { printMillis } from '../../../processors/time.ts';
import { KINDS } from '../lint/facts.ts';
import type { SystemSpec } from '../spec.ts';
import { type Change, compatible, equal, pairs, rebuild } from './change.ts';
import { settingChanges } from './settings.ts';

const outputs = (spec: SystemSpec): readonly string[] =>
  spec.sinks.filter(({ writes }) => writes !== null).map(({ target }) => target);
const stores = (spec: SystemSpec): readonly string[] => spec.stages.flatMap((stage) => stage.stores.map(({ name }) => name));

export function identity(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const changes: Change[] = [];
  if (before.name !== after.name)
    changes.push(
      compatible({
        at: `${after.name}.name`,
        before: before.name,
        after: after.name,
        reason:
          'The name stands in partition records, logs and places. Group, transactions and records do not go by it: ' +
          'nothing is read anew. Dashboards that name it must be changed.',
      }),
    );
  if (before.version !== after.version)
    changes.push(
      compatible({
        at: `${after.name}.version`,
        before: `${before.version}`,
        after: `${after.version}`,
        reason:
          after.version > before.version
            ? 'Each partition record says the new version from its next commit on. By itself a version changes nothing.'
            : 'Each partition record says the older version from its next commit on, as if what was rebuilt were not: ' +
              'take a higher one.',
      }),
    );
  return changes;
}

export function source(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const [was, is] = [before.source, after.source];
  const at = `${after.name}.${is.name}`;
  const touched = { stores: stores(after), topics: [...new Set([was.topic, is.topic, ...outputs(after)])], sameDiffs: false };
  const changes: Change[] = [];
  if (was.name !== is.name)
    changes.push(
      compatible({ at: `${at}.name`, before: was.name, after: is.name, reason: 'A label: nothing is stored under it.' }),
    );
  if (was.topic !== is.topic)
    changes.push(
      rebuild({
        at: `${at}.topic`,
        before: was.topic,
        after: is.topic,
        reason:
          'Positions and offsets in all records are of the old topic, and transactions are fenced by its name: ' +
          'two topologies would write one state. What is in the old topic and not yet read would be lost.',
        steps: [
          'Stop every instance of the old one.',
          `Replay ${is.topic} from its start into new state topics.`,
          'Cut over with a new epoch.',
        ],
        ...touched,
      }),
    );
  if (was.key !== is.key)
    changes.push(
      rebuild({
        at: `${at}.key`,
        before: was.key,
        after: is.key,
        reason: `State is kept by ${was.key}, and signals are partitioned by it: by ${is.key} nobody's signals have one order.`,
        steps: [`Let gateways write signals keyed by ${is.key} into a new topic.`, 'Rebuild from that.'],
        ...touched,
      }),
    );
  return [...changes, ...clock(at, was.clock, is.clock, touched)];
}

type Clock = SystemSpec['source']['clock'];

function clock(at: string, was: Clock, is: Clock, touched: Pick<Change, 'stores' | 'topics' | 'sameDiffs'>): readonly Change[] {
  if (was === null && is === null) return [];
  if (was === null || is === null)
    return [
      compatible({
        at: `${at}.clock`,
        before: was === null ? 'null' : 'on',
        after: is === null ? 'null' : 'on',
        reason:
          'Both clocks go on from where the partition record has them, so deadlines stay right. From now on ' +
          (is === null
            ? 'every gap of the log is time: a pause longer than the lease takes everybody offline.'
            : 'holes and leaps of the log count for nothing.') +
          ' A replay across the edit gives other diffs than were given.',
        ...touched,
        stores: [],
      }),
    ];
  const meanings = {
    hole_ms: 'How long a step of time counts as a hole',
    settle_ms: 'What is left to settle of a hole is in the partition record and stays; how much the next one leaves out',
    leap_ms: 'How large a step back is a leap',
  } as const;
  return (Object.keys(meanings) as (keyof typeof meanings)[])
    .filter((key) => was[key] !== is[key])
    .map((key) =>
      compatible({
        at: `${at}.clock.${key.replace('_ms', '')}`,
        before: printMillis(was[key]),
        after: printMillis(is[key]),
        reason:
          `${meanings[key]} is judged by the new number from the next record on; both clocks go on from where they stand. ` +
          'A replay across the edit gives other diffs than were given.',
        ...touched,
        stores: [],
      }),
    );
}

const builtIn = ({ kind }: StageSpec): boolean => (KINDS as readonly string[]).includes(kind);
/** State belongs to the part of the record; a stage without one is known by its name. */
const identityOf = (stage: StageSpec): string =>
  stage.stores.length > 0 ? `part ${stage.stores.map(({ part }) => part).join(' ')}` : `name ${stage.name}`;

export function stages(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const changes: Change[] = [];
  for (const [was, is] of pairs(before.stages, after.stages, identityOf)) {
    if (was === null && is !== null) changes.push(added(after, is));
    else if (is === null && was !== null) changes.push(removed(before, was));
    else if (was !== null && is !== null) changes.push(...kept(after, was, is));
  }
  return [...changes, ...moved(before, after)];
}

function kept(after: SystemSpec, was: StageSpec, is: StageSpec): readonly Change[] {
  const at = `${after.name}.${is.name}`;
  const changes: Change[] = [];
  if (was.kind !== is.kind)
    changes.push(
      rebuild({
        at: `${at}.kind`,
        before: was.kind,
        after: is.kind,
        reason: 'Another kind of stage works on the same part of the record: what stands there was worked out by another rule.',
        stores: is.stores.map(({ name }) => name),
        topics: outputs(after),
        sameDiffs: false,
      }),
    );
  if (was.name !== is.name)
    changes.push(
      compatible({
        at: `${at}.name`,
        before: was.name,
        after: is.name,
        reason: 'State belongs to the store, not to the stage. Metrics, places and timers have the new name: change dashboards.',
      }),
    );
  is.stores.forEach((store, i) => {
    const old = was.stores[i];
    if (old !== undefined && old.name !== store.name)
      changes.push(
        compatible({
          at: `${at}.store`,
          before: old.name,
          after: store.name,
          reason:
            `The record's fields are those of the part ${store.part}, which stays: nothing is read anew, and instances of both ` +
            'names can run beside each other. Metrics count the store under its new name: change dashboards.',
          stores: [old.name, store.name],
        }),
      );
  });
  return [...changes, ...(was.kind === is.kind ? settingChanges(at, was, is, after) : [])];
}

function added(spec: SystemSpec, stage: StageSpec): Change {
  const at = `${spec.name}.${stage.name}`;
  const store = stage.stores.map(({ name }) => name);
  const draft = { at, before: null, after: stage.kind, stores: store, topics: outputs(spec), sameDiffs: false };
  const replays = 'A replay across the edit gives other diffs than were given.';
  if (builtIn(stage)) return rebuild({ ...draft, reason: `No record holds what ${stage.kind} would have kept. ${replays}` });
  if (store.length > 0)
    return rebuild({
      ...draft,
      reason: `The store ${store.join(', ')} begins empty: what it would hold of the past is only in the signals. ${replays}`,
    });
  return compatible({
    ...draft,
    reason:
      `It keeps nothing: records stay as they are. It works on what happens from now on, in each ` +
      `partition from the moment its instance is new. ${replays}`,
  });
}

function removed(spec: SystemSpec, stage: StageSpec): Change {
  const at = `${spec.name}.${stage.name}`;
  const store = stage.stores.map(({ name }) => name);
  const draft = { at, before: stage.kind, after: null, stores: store, topics: outputs(spec), sameDiffs: false };
  const replays = 'A replay across the edit gives other diffs than were given.';
  if (store.length === 0)
    return compatible({
      ...draft,
      reason: `It kept nothing: records stay as they are, and it does nothing from now on. ${replays}`,
    });
  return rebuild({
    ...draft,
    reason:
      `What ${store.join(', ')} holds would stand still, and be wrong for whoever reads it or brings the ` +
      `stage back. ${replays}`,
  });
}

/** Stages that are on both sides, in another order. */
function moved(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const on = (one: SystemSpec, other: SystemSpec): readonly StageSpec[] =>
    one.stages.filter((stage) => other.stages.some((also) => identityOf(also) === identityOf(stage)));
  const [was, is] = [on(before, after), on(after, before)];
  if (equal(was.map(identityOf), is.map(identityOf))) return [];
  const names = (list: readonly StageSpec[]): string => list.map(({ name }) => name).join(' > ');
  const draft = {
    at: `${after.name}.stages`,
    before: names(was),
    after: names(is),
    stores: stores(after),
    topics: outputs(after),
    sameDiffs: false,
  };
  const order = (list: readonly StageSpec[]): readonly string[] => list.filter(builtIn).map(identityOf);
  return equal(order(was), order(is))
    ? [
        compatible({
          ...draft,
          stores: [],
          reason:
            'A stage that keeps nothing has another place: it sees what happens from now on as the stages before it left it. ' +
            'A replay across the edit gives other diffs than were given.',
        }),
      ]
    : [
        rebuild({
          ...draft,
          reason: 'Stages that keep state work on what others left: each record was worked out in the old order.',
        }),
      ];
}
