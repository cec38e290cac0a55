/** What a topology's author needs. */
export { type DescribeFormat, describe } from './describe.ts';
export { type Fault, helpOf, lint } from './lint.ts';
export type { PresenceEmission, PresenceProcessor } from './partition.ts';
export { cockroachSink, kafkaSink, redisSink, type Sink, type SinkSpec } from './sinks.ts';
export { type SystemSpec, systemSpec, type TopicSpec, type TopologySpec } from './spec.ts';
export { BadTopology, type Source, type Topology, topology } from './topology.ts';
