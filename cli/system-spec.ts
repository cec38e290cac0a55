/** The spec of the whole system: presence, all topics as they would be made here, and the schemas of the working tree. */
import { readSchema, schemaNames } from '../schemas/avsc.ts';
import { type SystemSpec, systemSpec } from '../topology/kit/index.ts';
import { presence } from '../topology/presence.ts';
import { topicSpecs } from '../topology/topics.ts';

/** `partitions`: how many the topics have; the topology's default, if not said. */
export const presenceSpec = (partitions?: number): SystemSpec =>
  systemSpec(presence.spec, topicSpecs(partitions), Object.fromEntries(schemaNames.map((name) => [name, readSchema(name)])));
