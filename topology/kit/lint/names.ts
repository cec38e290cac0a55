/** Names: state, metrics and places in messages belong to them. */
import type { TopologySpec } from '../spec.ts';
import { KINDS, PARTS } from './facts.ts';
import { error, place, type Report, type Rule, topicPlace, warning } from './rule.ts';

const NAME = /^[a-z][a-z0-9-]{0,63}$/;
/** Of Kafka's topics. */
const TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

/** Reports each name that was given before. */
function claims(report: Report, what: string, why: string): (name: string, at: string) => void {
  const owners = new Map<string, string>();
  return (name, at) => {
    const owner = owners.get(name);
    if (owner === undefined) owners.set(name, at);
    else report(at, owner === at ? `there are two ${what}s "${name}"` : `${what} "${name}" is already ${owner}'s`, why);
  };
}

/** Everything that has a name of the author's, and where it stands. */
const named = (spec: TopologySpec): readonly (readonly [string, string])[] => [
  [spec.name, spec.name],
  [spec.source.name, place(spec, spec.source.name)],
  ...spec.stages.flatMap((stage) => {
    const at = place(spec, stage.name);
    return [[stage.name, at] as const, ...stage.stores.map((store) => [store.name, at] as const)];
  }),
  ...spec.sinks.map((sink) => [sink.name, place(spec, sink.name)] as const),
];

export const names: readonly Rule[] = [
  error('version', (spec, report) => {
    if (!Number.isInteger(spec.version) || spec.version < 1)
      report(spec.name, `version ${spec.version} is not a whole number from 1`, 'Begin with 1; raise it by 1 for a rebuild.');
  }),
  error('name', (spec, report) => {
    for (const [name, at] of named(spec))
      if (typeof name !== 'string' || !NAME.test(name))
        report(
          at,
          `"${name}" is not of a-z 0-9 - with a letter first, 64 at most`,
          'Names stand in metrics, places and drawings.',
        );
  }),
  error('topic-name', (spec, report) => {
    for (const topic of spec.topics) {
      if (!TOPIC.test(topic.name))
        report(
          topicPlace(topic),
          `"${topic.name}" is no name of a Kafka topic`,
          'Use A-Z a-z 0-9 . _ - and at most 249 of them.',
        );
      else if (topic.name.startsWith('__'))
        report(topicPlace(topic), `"${topic.name}" begins with __, as Kafka's own topics do`, 'Give it a name of your own.');
    }
  }),
  error('duplicate-stage', (spec, report) => {
    const claim = claims(report, 'stage', 'Give each stage a name of its own: metrics are counted by it.');
    for (const stage of spec.stages) claim(stage.name, place(spec, stage.name));
  }),
  error('duplicate-store', (spec, report) => {
    const claim = claims(report, 'store', 'Give each store a name of its own: state belongs to it.');
    for (const stage of spec.stages) for (const store of stage.stores) claim(store.name, place(spec, stage.name));
  }),
  error('duplicate-part', (spec, report) => {
    const claim = claims(report, 'part', 'Two stages would overwrite each other’s state: use each kind of stage once.');
    for (const stage of spec.stages) for (const store of stage.stores) claim(store.part, place(spec, stage.name));
  }),
  error('unknown-part', (spec, report) => {
    for (const stage of spec.stages)
      for (const { name, part } of stage.stores)
        if (!(PARTS as readonly string[]).includes(part))
          report(
            place(spec, stage.name),
            `store ${name} is part "${part}", which a user's record does not have (${PARTS.join(', ')})`,
            'What is not in the record is lost at the next restart: keep no state, or give the record a field.',
          );
  }),
  error('duplicate-timer', (spec, report) => {
    const claim = claims(report, 'timer', 'Name timers <stage>.<what>.');
    for (const stage of spec.stages) for (const timer of stage.timers) claim(timer.name, place(spec, stage.name));
  }),
  error('timer-without-store', (spec, report) => {
    for (const { name, stores, timers } of spec.stages)
      if (timers.length > 0 && stores.length === 0)
        report(
          place(spec, name),
          `has timer ${timers[0]?.name} but no store`,
          'A deadline must be in the record, or a restart forgets it: name the store that holds it.',
        );
  }),
  error('duplicate-sink', (spec, report) => {
    const claim = claims(report, 'sink', 'Give each sink a name of its own.');
    for (const sink of spec.sinks) claim(sink.name, place(spec, sink.name));
  }),
  warning('misleading-name', (spec, report) => {
    for (const { name, kind } of spec.stages) {
      const other = KINDS.find((one) => one !== kind && one.toLowerCase() === name.replaceAll('-', ''));
      if (other !== undefined)
        report(place(spec, name), `is called "${name}" and is a ${kind}`, `Who reads it expects ${other}: say what it does.`);
    }
  }),
];
