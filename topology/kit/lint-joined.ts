/** The rules of lint.ts that hold for a joined topology too, and those of its own. docs/fan-out.md has the latter. */
import { printMillis } from '../../processors/time.ts';
import type { JoinedSpec } from './joined.ts';
import { chain } from './lint/chain.ts';
import { RESUME_WITHIN_MS } from './lint/facts.ts';
import { names } from './lint/names.ts';
import { error, number, place, type Report, type Rule, topic } from './lint/rule.ts';
import { settings } from './lint/settings.ts';
import type { Fault } from './lint.ts';

/** A joined topology's state is no user's record. */
const shared = [...names.filter(({ id }) => id !== 'unknown-part'), ...chain.filter(({ id }) => id === 'bad-number')];

const positive = (spec: JoinedSpec, report: Report, key: string, what: string): void => {
  const found = number(spec, key);
  if (found !== null && found.value === 0) report(found.at, `${key} is 0: ${what}`, 'Give it at least 1.');
};

export const joinedRules: readonly Rule[] = [
  error('no-sink', (spec, report) => {
    if (spec.sinks.length === 0) report(spec.name, 'has no sink: nothing of it would be seen', 'Give to() a deliverySink.');
  }),
  error('partitions-differ', (spec, report) => {
    const { joins, table } = spec as JoinedSpec;
    const input = topic(spec, spec.source.topic);
    for (const name of [joins, table]) {
      const other = topic(spec, name);
      if (input === null || other === null || other.partitions === input.partitions) continue;
      const message = `${name} has ${other.partitions} partitions, ${input.name} has ${input.partitions}: they cannot be joined`;
      report(place(spec, spec.source.name), message, 'Give topics of one topology the same number.');
    }
  }),
  error('forgets-too-early', (spec, report) => {
    const remember = number(spec, 'remember_ms');
    if (remember !== null && remember.value < RESUME_WITHIN_MS)
      report(
        remember.at,
        `remember ${printMillis(remember.value)} is less than the ${printMillis(RESUME_WITHIN_MS)} of a resume`,
        'Raise it: a resume from before gets a snapshot instead of what changed.',
      );
  }),
  error('limit-zero', (spec, report) => {
    positive(spec as JoinedSpec, report, 'most', 'the newest state of a flapping user would never come');
    positive(spec as JoinedSpec, report, 'told', 'a record would hold nobody');
    positive(spec as JoinedSpec, report, 'lease_ms', 'every gateway would be dead');
  }),
];

export function lintJoined(spec: JoinedSpec): readonly Fault[] {
  const unset = broken(spec, settings);
  return unset.length > 0 ? unset : broken(spec, [...settings, ...shared, ...joinedRules]);
}

function broken(spec: JoinedSpec, by: readonly Rule[]): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { id, level, check } of by) check(spec, (at, message, fix) => faults.push({ level, rule: id, at, message, fix }));
  return faults;
}
