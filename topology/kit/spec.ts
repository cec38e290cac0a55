/**
 * A topology as data: plain JSON, frozen. It is what describe prints, lint checks, plan compares, the page draws, and what
 * `presence.spec.json` keeps.
 */
import type { SettingFault } from '../../processors/settings.ts';
import type { StageSpec } from '../../processors/stage.ts';
import { fingerprint } from '../../schemas/fingerprint.ts';
import { subjects } from '../../schemas/topics.ts';
import type { Topic } from '../topics.ts';
import type { SinkSpec } from './sinks.ts';

export interface SourceSpec {
  readonly name: string;
  readonly topic: string;
  readonly key: string;
  readonly clock: { readonly hole_ms: number; readonly settle_ms: number; readonly leap_ms: number } | null;
  /** What is wrong with what it was told; left out where nothing is. */
  readonly faults?: readonly SettingFault[];
}

export interface TopicSpec {
  readonly name: string;
  /** What its records are keyed by, and so partitioned; null where they keep the key of another topic. */
  readonly key: string | null;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** null: records are kept until a newer one of their key replaces them. */
  readonly retention_ms: number | null;
  /** Names of the schemas of its values. */
  readonly schemas: readonly string[];
}

export interface SchemaSpec {
  readonly name: string;
  /** Under which it is registered. */
  readonly subject: string;
  /** CRC-64-AVRO of its canonical form. */
  readonly fingerprint: string;
  /** The schema itself, without docs. */
  readonly schema: SchemaPart;
}
export type SchemaPart = string | readonly SchemaPart[] | { readonly [key: string]: SchemaPart | number | boolean | null };

/** A topology, and the topics that it touches. */
export interface TopologySpec {
  readonly name: string;
  readonly version: number;
  readonly source: SourceSpec;
  readonly stages: readonly StageSpec[];
  readonly sinks: readonly SinkSpec[];
  readonly topics: readonly TopicSpec[];
}

/** The same with all topics of the system and their schemas: what presence.spec.json and /topology.json hold. */
export interface SystemSpec extends TopologySpec {
  readonly schemas: readonly SchemaSpec[];
}

/** The schemas of a topic's values, by the subjects under which they are registered. */
const schemasOf = (topic: string): readonly string[] =>
  Object.entries(subjects)
    .filter(([, subject]) => subject.startsWith(`${topic}-`))
    .map(([name]) => name);

export function topicSpec({ name, key, partitions, cleanup, retention_ms }: Topic<unknown>): TopicSpec {
  return deepFreeze({ name, key, partitions, cleanup, retention_ms: retention_ms ?? null, schemas: schemasOf(name) });
}

/** `schemas`: by name, as the .avsc files have them. */
export function systemSpec(
  { name, version, source, stages, sinks }: TopologySpec,
  topics: readonly Topic<unknown>[],
  schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): SystemSpec {
  const all = Object.entries(schemas).map(([schema, avsc]) => ({
    name: schema,
    subject: subjects[schema as keyof typeof subjects] ?? '',
    fingerprint: fingerprint(avsc),
    schema: withoutDocs(avsc) as SchemaPart,
  }));
  return deepFreeze({ name, version, source, stages, sinks, topics: topics.map(topicSpec), schemas: all });
}

function withoutDocs(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(withoutDocs);
  if (typeof part !== 'object' || part === null) return part;
  return Object.fromEntries(
    Object.entries(part)
      .filter(([key]) => key !== 'doc')
      .map(([key, value]) => [key, withoutDocs(value)]),
  );
}

/** So that a description stays what it was. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
