/** Topics: partitioned alike, kept as long as somebody needs them, and of the right kind. */
import { printMillis } from '../../../processors/time.ts';
import type { SystemSpec } from '../spec.ts';
import { RESUME_WITHIN_MS } from './facts.ts';
import { error, place, type Rule, topic, topicPlace, warning, written } from './rule.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const of = (partitions: number): string => `${partitions} partition${partitions === 1 ? '' : 's'}`;

export const topics: readonly Rule[] = [
  error('unknown-topic', (spec, report) => {
    const used = [[spec.source.topic, place(spec, spec.source.name)] as const].concat(
      spec.sinks.flatMap((sink) =>
        [...(sink.writes === null ? [] : [sink.target]), ...sink.reads].map((name) => [name, place(spec, sink.name)] as const),
      ),
    );
    for (const [name, at] of used)
      if (topic(spec, name) === null)
        report(at, `topic ${name} is not in topology/topics.ts: nobody would make it`, 'Declare it there.');
  }),
  error('partitions-differ', (spec, report) => {
    const input = topic(spec, spec.source.topic);
    for (const { name, writes, target } of spec.sinks) {
      const output = topic(spec, target);
      if (writes === null || input === null || output === null || output.partitions === input.partitions) continue;
      report(
        place(spec, name),
        `${target} has ${of(output.partitions)}, ${input.name} has ${input.partitions}: a user would be in ` +
          `another partition of each`,
        'Give topics of one topology the same number.',
      );
    }
  }),
  error('key-differs', (spec, report) => {
    for (const name of [spec.source.topic, ...spec.sinks.flatMap(({ writes, target }) => (writes === null ? [] : [target]))]) {
      const one = topic(spec, name);
      if (one !== null && one.key !== spec.source.key)
        report(
          topicPlace(one),
          `is keyed by ${one.key ?? 'nothing'}, and ${spec.name} by ${spec.source.key}`,
          'All topics of one topology have one key: a user’s records have one order.',
        );
    }
  }),
  error('key-field', (spec, report) => {
    const { schemas } = spec as Partial<SystemSpec>;
    for (const one of spec.topics) {
      const schema = schemas?.find(({ name }) => name === one.schemas[0])?.schema as
        | { readonly fields?: readonly { readonly name: string }[] }
        | undefined;
      if (schema?.fields === undefined || one.key === null || schema.fields.some(({ name }) => name === one.key)) continue;
      report(topicPlace(one), `is keyed by ${one.key}, which ${one.schemas[0]} does not have`, 'Name a field of its schema.');
    }
  }),
  error('no-schema', (spec, report) => {
    for (const name of [spec.source.topic, ...spec.sinks.flatMap(({ writes, target }) => (writes === null ? [] : [target]))]) {
      const one = topic(spec, name);
      if (one !== null && one.schemas.length === 0)
        report(topicPlace(one), 'has no schema: what is in it could not be read', `Give it one under the subject ${name}-value.`);
    }
  }),
  error('input-compacted', (spec, report) => {
    const input = topic(spec, spec.source.topic);
    if (input?.cleanup === 'compact')
      report(
        topicPlace(input),
        'is the input, and compacted: all but a user’s last signal would be lost',
        'Let it be deleted by time.',
      );
  }),
  error('state-not-compacted', (spec, report) => {
    const state = written(spec, 'states');
    if (state === null || state.cleanup === 'compact') return;
    const after = state.retention_ms === null ? 'some day' : `after ${printMillis(state.retention_ms)}`;
    report(
      topicPlace(state),
      `holds the state, and is deleted ${after}: users and their versions would be forgotten`,
      'Compact it.',
    );
  }),
  error('diffs-compacted', (spec, report) => {
    const diffs = written(spec, 'diffs');
    if (diffs?.cleanup === 'compact')
      report(
        topicPlace(diffs),
        'holds every diff, and is compacted: all but a user’s last would be lost',
        'Let it be deleted by time.',
      );
  }),
  error('diffs-before-resume', (spec, report) => {
    const diffs = written(spec, 'diffs');
    if (diffs === null || diffs.retention_ms === null || diffs.retention_ms >= RESUME_WITHIN_MS) return;
    report(
      topicPlace(diffs),
      `keeps ${printMillis(diffs.retention_ms)}; readers resume, and gateways begin, up to ${printMillis(RESUME_WITHIN_MS)} back`,
      'Keep diffs for at least an hour.',
    );
  }),
  warning('short-retention', (spec, report) => {
    const input = topic(spec, spec.source.topic);
    if (input === null || input.retention_ms === null || input.retention_ms >= DAY) return;
    report(
      topicPlace(input),
      `keeps ${printMillis(input.retention_ms)}: a topology that stood still for longer would have lost ` +
        `signals, and refuse to run`,
      'Keep the input for as long as an outage may last, at least a day.',
    );
  }),
  warning('one-partition', (spec, report) => {
    const input = topic(spec, spec.source.topic);
    if (input?.partitions === 1)
      report(
        topicPlace(input),
        'has 1 partition: one instance does all the work, and the number is fixed once the topic is made',
        'Take as many as the cores that may one day work on it.',
      );
  }),
];
