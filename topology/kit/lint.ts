/**
 * What the compiler cannot see of a topology: names used twice, times that do not go together, topics of the wrong kind.
 * All faults are reported at once, each with its place, its rule, what is wrong, and what to do. docs/lint.md has a section
 * a rule, with an example that breaks it and one that does not.
 */
import { chain } from './lint/chain.ts';
import { names } from './lint/names.ts';
import type { Level, Rule } from './lint/rule.ts';
import { settings } from './lint/settings.ts';
import { sinks } from './lint/sinks.ts';
import { times } from './lint/times.ts';
import { topics } from './lint/topics.ts';
import type { TopologySpec } from './spec.ts';

export interface Fault {
  readonly level: Level;
  readonly rule: string;
  /** topology.stage, topology.sink, or topics.name */
  readonly at: string;
  /** What is wrong, with the numbers. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

/** In the order of docs/lint.md. */
export const rules: readonly Rule[] = [...settings, ...names, ...chain, ...times, ...topics, ...sinks];

/** The help page of a rule. */
export const helpOf = (rule: string): string => `docs/lint.md#${rule}`;

/**
 * Rules that need all topics, or the schemas, look at what the spec has. Where settings are missing, they are told alone: the
 * other rules measure by them.
 */
export function lint(spec: TopologySpec): readonly Fault[] {
  const unset = broken(spec, settings);
  return unset.length > 0 ? unset : broken(spec, rules);
}

function broken(spec: TopologySpec, by: readonly Rule[]): readonly Fault[] {
  const faults: Fault[] = [];
  for (const { id, level, check } of by) check(spec, (at, message, fix) => faults.push({ level, rule: id, at, message, fix }));
  return faults;
}
