/** What a rule is, and what rules ask of a spec. */
import type { SpecValue, StageSpec } from '../../../processors/stage.ts';
import type { TopicSpec, TopologySpec } from '../spec.ts';

export type Level = 'error' | 'warning';

/** Says a fault: where (topology.stage, topology.sink or topics.name), what is wrong with its numbers, what to do. */
export type Report = (at: string, message: string, fix: string) => void;

export interface Rule {
  /** Also its section in docs/lint.md. */
  readonly id: string;
  readonly level: Level;
  readonly check: (spec: TopologySpec, report: Report) => void;
}

export const error = (id: string, check: Rule['check']): Rule => ({ id, level: 'error', check });
export const warning = (id: string, check: Rule['check']): Rule => ({ id, level: 'warning', check });

export interface Found<T> {
  /** topology.stage */
  readonly at: string;
  readonly stage: StageSpec;
  readonly value: T;
}

export const place = (spec: TopologySpec, name: string): string => `${spec.name}.${name}`;
export const topicPlace = ({ name }: Pick<TopicSpec, 'name'>): string => `topics.${name}`;

/** A number that some stage's config has under this name; null if none has. */
export function number(spec: TopologySpec, key: string): Found<number> | null {
  const found = setting(spec, key);
  return found !== null && typeof found.value === 'number' ? (found as Found<number>) : null;
}

export function setting(spec: TopologySpec, key: string): Found<SpecValue> | null {
  for (const stage of spec.stages) {
    const value = stage.config[key];
    if (value !== undefined) return { at: place(spec, stage.name), stage, value };
  }
  return null;
}

export const topic = (spec: TopologySpec, name: string): TopicSpec | null => spec.topics.find((one) => one.name === name) ?? null;

export const ofKind = (spec: TopologySpec, kind: string): StageSpec | null =>
  spec.stages.find((stage) => stage.kind === kind) ?? null;

/** The topic to which some sink writes `states` or `diffs`; null if none does. */
export function written(spec: TopologySpec, what: string): TopicSpec | null {
  const sink = spec.sinks.find(({ writes }) => writes === what);
  return sink === undefined ? null : topic(spec, sink.target);
}
