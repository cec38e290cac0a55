/** Sinks: who writes what where. Those of Kafka hold the state or feed readers; connectors can be filled again from topics. */
import type { SinkSpec } from '../sinks.ts';
import type { SystemSpec } from '../spec.ts';
import { type Change, compatible, migration, rebuild } from './change.ts';

const isKafka = ({ writes }: SinkSpec): boolean => writes !== null;
const touches = ({ writes, target, reads }: SinkSpec): readonly string[] => (writes === null ? reads : [target]);

/** A sink is known by where it writes; one that writes the same kind of thing elsewhere has been moved. */
export function sinks(before: SystemSpec, after: SystemSpec): readonly Change[] {
  const changes: Change[] = [];
  const old = [...before.sinks];
  const take = (is: (sink: SinkSpec) => boolean): SinkSpec | undefined => {
    const i = old.findIndex(is);
    return i < 0 ? undefined : old.splice(i, 1)[0];
  };
  const rest: SinkSpec[] = [];
  for (const sink of after.sinks) {
    const same = take(({ kind, target, writes }) => kind === sink.kind && target === sink.target && writes === sink.writes);
    if (same === undefined) rest.push(sink);
    else if (same.name !== sink.name) changes.push(renamed(after, same, sink));
  }
  for (const sink of rest) {
    const moved = take(
      ({ kind, writes, name }) => kind === sink.kind && writes === sink.writes && (isKafka(sink) || name === sink.name),
    );
    changes.push(moved === undefined ? added(after, sink) : retargeted(after, moved, sink));
  }
  return [...changes, ...old.map((sink) => removed(before, sink))];
}

const renamed = (spec: SystemSpec, was: SinkSpec, is: SinkSpec): Change =>
  compatible({
    at: `${spec.name}.${is.name}.name`,
    before: was.name,
    after: is.name,
    reason: 'Nothing is stored under a sink’s name: it writes the same target, from where it was.',
  });

function added(spec: SystemSpec, sink: SinkSpec): Change {
  const draft = { at: `${spec.name}.${sink.name}`, before: null, after: `${sink.kind} ${sink.target}`, topics: touches(sink) };
  if (isKafka(sink))
    return compatible({
      ...draft,
      reason:
        `${sink.target} is made when the system starts, and gets the ${sink.writes} of each partition ` +
        `from its first new instance on; none of before.`,
    });
  return compatible({
    ...draft,
    reason: `It reads ${sink.reads.join(' and ')} from the beginning: the state whole, the diffs as far back as they are kept.`,
  });
}

function removed(spec: SystemSpec, sink: SinkSpec): Change {
  const draft = { at: `${spec.name}.${sink.name}`, before: `${sink.kind} ${sink.target}`, after: null, topics: touches(sink) };
  if (sink.writes === 'states')
    return rebuild({
      ...draft,
      stores: spec.stages.flatMap((stage) => stage.stores.map(({ name }) => name)),
      reason:
        'The state is written nowhere any more: the next restart or rebalance would begin from what is there now, and ' +
        'lose what came since.',
    });
  if (sink.writes !== null)
    return migration({
      ...draft,
      reason:
        `Who reads ${sink.target} is told nothing more; what changes while it is gone is in no diff, ` +
        `though versions count it.`,
      steps: [`Stop or move every reader of ${sink.target} (gateways, the history).`, 'Roll the topology out.'],
    });
  return migration({
    ...draft,
    reason: `What it wrote into ${sink.target} stays and grows old: whoever reads it would take old presence for new.`,
    steps: ['Move readers elsewhere.', 'Roll out.', `Empty ${sink.target}, and delete its group’s offsets.`],
  });
}

function retargeted(spec: SystemSpec, was: SinkSpec, is: SinkSpec): Change {
  const draft = {
    at: `${spec.name}.${is.name}.target`,
    before: was.target,
    after: is.target,
    topics: [...new Set([...touches(was), ...touches(is)])],
  };
  if (is.writes === 'states')
    return rebuild({
      ...draft,
      stores: spec.stages.flatMap((stage) => stage.stores.map(({ name }) => name)),
      reason: `A restore reads ${is.target}, which is empty: every user and version would begin anew.`,
      steps: [`Replay the input into ${is.target}, or copy ${was.target} while nothing runs.`, 'Cut over with a new epoch.'],
    });
  if (is.writes !== null)
    return migration({
      ...draft,
      reason:
        `Diffs of before stay in ${was.target}, those from now on are in ${is.target}; versions go on ` +
        `without a gap over both.`,
      steps: [`Let readers read ${is.target} too.`, 'Roll the topology out.', `Drop ${was.target} once it is read to its end.`],
    });
  return migration({
    ...draft,
    reason:
      `${is.target} begins empty, and the sink’s group goes on from where it was: users who do not change ` +
      `would not be in it.`,
    steps: [
      'Stop the sinks.',
      'Set their groups back to the beginning.',
      'Start them; when they have caught up, move readers over.',
    ],
  });
}
