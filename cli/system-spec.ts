/** Specs of topologies as they would run here: with topics as they would be made, and the schemas of the working tree. */
import { readSchema, type SchemaName, schemaNames } from '../schemas/avsc.ts';
import { type SystemSpec, systemSpec, type TopologySpec } from '../topology/kit/index.ts';
import type { JoinedSpec } from '../topology/kit/joined.ts';
import type { JoinedSystemSpec } from '../topology/kit/joined-describe.ts';
import { topicSpecs } from '../topology/topics.ts';

/** With all topics and schemas of the system. `partitions`: how many the topics have; the topology's default, if not said. */
export const systemOf = (spec: TopologySpec, partitions?: number): SystemSpec =>
  systemSpec(spec, topicSpecs(partitions), read(schemaNames));

/** With those alone that it touches: the other topology's spec has all. */
export function joinedSystemOf(spec: JoinedSpec, partitions?: number): JoinedSystemSpec {
  const own = new Set(spec.topics.map(({ name }) => name));
  const topics = topicSpecs(partitions).filter(({ name }) => own.has(name));
  const schemas = new Set(spec.topics.flatMap((topic) => topic.schemas));
  const { name, version, source, joins, table } = spec;
  return {
    name,
    version,
    source,
    joins,
    table,
    ...partsOf(systemSpec(spec, topics, read(schemaNames.filter((one) => schemas.has(one))))),
  };
}

const partsOf = ({ stages, sinks, topics, schemas }: SystemSpec): Omit<SystemSpec, 'name' | 'version' | 'source'> => ({
  stages,
  sinks,
  topics,
  schemas,
});

const read = (names: readonly SchemaName[]) => Object.fromEntries(names.map((name) => [name, readSchema(name)]));
