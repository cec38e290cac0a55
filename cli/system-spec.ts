/** The spec of the whole system: a topology, all topics as they would be made here, and the schemas of the working tree. */
import { readSchema, schemaNames } from '../schemas/avsc.ts';
import { type SystemSpec, systemSpec, type TopologySpec } from '../topology/kit/index.ts';
import { topicSpecs } from '../topology/topics.ts';

/** `partitions`: how many the topics have; the topology's default, if not said. */
export const systemOf = (spec: TopologySpec, partitions?: number): SystemSpec =>
  systemSpec(spec, topicSpecs(partitions), Object.fromEntries(schemaNames.map((name) => [name, readSchema(name)])));
