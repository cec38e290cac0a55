/** Sinks: where results go, and whether they get there. */
import { topicNames } from '../../../schemas/topics.ts';
import type { SinkSpec } from '../sinks.ts';
import type { TopologySpec } from '../spec.ts';
import { CONNECTED } from './facts.ts';
import { error, ofKind, place, type Report, type Rule, warning } from './rule.ts';

/** A connector's tables or keys stand in one target. */
const partsOf = ({ target }: SinkSpec): readonly string[] => target.split(', ');
const targetsOf = (sink: SinkSpec): readonly string[] => partsOf(sink).map((one) => `${sink.kind} ${one}`);

/** What a connector's sink declares, and its connector does otherwise. */
function checkConnected(spec: TopologySpec, sink: SinkSpec, report: Report): void {
  if (sink.kind === 'kafka') return;
  const { reads, targets } = CONNECTED[sink.kind];
  const other = partsOf(sink).filter((part) => !(targets as readonly string[]).includes(part));
  const unread = sink.reads.filter((read) => !(reads as readonly string[]).includes(read));
  const wiring = 'Let the connector do it first: connectors/sinks/index.ts.';
  if (other.length > 0)
    report(
      place(spec, sink.name),
      `writes ${other.join(', ')}, and the ${sink.kind} connector writes ${targets.join(', ')}: nothing would come`,
      wiring,
    );
  if (unread.length > 0)
    report(
      place(spec, sink.name),
      `reads ${unread.join(', ')}, and the ${sink.kind} connector reads ${reads.join(', ')}`,
      wiring,
    );
}

export const sinks: readonly Rule[] = [
  error('no-sink', (spec, report) => {
    if (spec.sinks.length === 0)
      report(spec.name, 'has no sink: nothing of it would be seen', 'Give to() at least a kafkaSink of states.');
  }),
  error('no-state', (spec, report) => {
    if (spec.sinks.length > 0 && !spec.sinks.some(({ writes }) => writes === 'states'))
      report(
        spec.name,
        'writes its states nowhere: a restart would begin from nothing',
        "Add kafkaSink('state', { writes: 'states', topic: topics.state }).",
      );
  }),
  warning('no-diffs', (spec, report) => {
    if (spec.sinks.length > 0 && !spec.sinks.some(({ writes }) => writes === 'diffs'))
      report(
        spec.name,
        'writes its diffs nowhere: nobody would be told of a change',
        "Add kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }).",
      );
  }),
  error('wrong-output', (spec, report) => {
    const last = spec.stages.at(-1);
    for (const { name, writes } of spec.sinks)
      if (writes !== null && last !== undefined && ofKind(spec, 'diff') !== last)
        report(
          place(spec, name),
          `writes ${writes}, which ${last.name} (${last.kind}) does not hand on`,
          'States and diffs come out of diff: make it the last stage.',
        );
  }),
  error('same-target', (spec, report) => {
    const owners = new Map<string, string>();
    for (const sink of spec.sinks)
      for (const target of targetsOf(sink)) {
        const owner = owners.get(target);
        if (owner === undefined) owners.set(target, place(spec, sink.name));
        else
          report(
            place(spec, sink.name),
            `writes ${target}, which is already ${owner}'s`,
            'Two sinks on one target overwrite each other: give it another, or drop one.',
          );
      }
  }),
  error('unwritten-topic', (spec, report) => {
    const outputs = new Set(spec.sinks.filter(({ writes }) => writes !== null).map(({ target }) => target));
    for (const { name, reads } of spec.sinks)
      for (const read of reads)
        if (!outputs.has(read))
          report(place(spec, name), `reads ${read}, which no sink of this topology writes`, 'Add the kafkaSink that writes it.');
  }),
  error('not-wired', (spec, report) => {
    const { signals, state, diffs } = topicNames;
    const wiring = 'Let the runtime do it first: TopologyTopics in replay/wiring.ts.';
    if (spec.source.topic !== signals)
      report(
        place(spec, spec.source.name),
        `reads ${spec.source.topic}, and the runtime reads ${signals}: it would not be read`,
        wiring,
      );
    for (const { name, writes, target } of spec.sinks) {
      const wired = writes === 'states' ? state : writes === 'diffs' ? diffs : target;
      if (target !== wired)
        report(
          place(spec, name),
          `writes ${writes} to ${target}, and the runtime writes them to ${wired}: nothing would come`,
          wiring,
        );
    }
    for (const sink of spec.sinks) checkConnected(spec, sink, report);
  }),
  warning('undeclared-sink', (spec, report) => {
    if (spec.sinks.length === 0) return; // no-sink
    const declared = new Set(spec.sinks.flatMap(targetsOf));
    for (const [kind, { by, targets }] of Object.entries(CONNECTED)) {
      const missing = targets.filter((target) => !declared.has(`${kind} ${target}`));
      if (missing.length > 0)
        report(
          spec.name,
          `declares no sink of ${missing.join(', ')}, and the ${kind} connector writes it all the same`,
          `Add it to a ${by}; which connectors run is a setting of \`presence up\`.`,
        );
    }
  }),
  error('loop', (spec, report) => {
    for (const { name, target, writes } of spec.sinks)
      if (writes !== null && target === spec.source.topic)
        report(place(spec, name), `writes ${target}, which is the input: it would read its own output`, 'Write another topic.');
  }),
];
