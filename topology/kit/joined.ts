/**
 * joined(): a topology of two inputs that are partitioned alike, as fan-out is.
 *
 * ```ts
 * joined('fan-out', 1, { name: 'diffs', topic: topics.diffs, joins: topics.routes, table: topics.state, … })
 *   .pipe(newest('users', { … }), damp('flapping', { … }), route('gateways', { … }))
 *   .to(deliverySink('deliveries', { topic: topics.deliveries }));
 * ```
 * As with topology(), what does not fit does not compile, and what breaks a rule is BAD_TOPOLOGY with all faults at once. Its
 * spec is a TopologySpec: describe prints and draws it. It keeps no state of its own in the log (a takeover makes it anew out of
 * the table and the inputs), so any edit of it is compatible and may be rolled out as it is.
 */
import { PresenceError } from '../../base/errors.ts';
import type { ClockOptions } from '../../processors/clock.ts';
import type { FlowStage, LoadingStage } from '../../processors/fan-out/flow.ts';
import type { Said } from '../../processors/fan-out/route.ts';
import { aName, aTime, faultsOf, group, type Settings } from '../../processors/settings.ts';
import type { Diff, Route, UserState } from '../../schemas/generated.ts';
import type { Topic } from '../topics.ts';
import { aTopic, isTopic } from './a-topic.ts';
import { JoinedPartition } from './joined-partition.ts';
import type { Fault } from './lint.ts';
import { lintJoined } from './lint-joined.ts';
import type { Sink, SinkSpec } from './sinks.ts';
import { deepFreeze, type TopologySpec, topicSpec } from './spec.ts';

export interface JoinedSource {
  readonly name: string;
  readonly topic: Topic<Diff>;
  /** What is joined with it: partitioned as it is, whatever its keys. */
  readonly joins: Topic<Route>;
  /** Read whole at a takeover, before either. */
  readonly table: Topic<UserState>;
  readonly key: 'user_id';
  /** Of `joins`: what gateways' lives run on. */
  readonly clock: ClockOptions;
}

const sourceSettings: Settings<JoinedSource> = {
  name: aName,
  topic: aTopic,
  joins: aTopic,
  table: aTopic,
  key: { is: 'user_id', fits: (value) => value === 'user_id', optional: false },
  clock: group<ClockOptions>({ hole: aTime, settle: aTime, leap: aTime }),
};

export interface JoinedSpec extends TopologySpec {
  readonly joins: string;
  readonly table: string;
}

export interface Joined {
  readonly name: string;
  readonly version: number;
  readonly spec: JoinedSpec;
  /** How far back the first input is read again at a takeover, ms of its stamps. */
  readonly remember_ms: number;
  /** A fresh processor of one partition. */
  processor(partition: number): JoinedPartition;
}

export interface JoinedFlow {
  to(...sinks: readonly Sink<Said>[]): Joined;
}

export interface JoinedStart {
  pipe<A, B>(a: LoadingStage<A>, b: FlowStage<A, B>, c: FlowStage<B, Said>): JoinedFlow;
  pipe<A>(a: LoadingStage<A>, b: FlowStage<A, Said>): JoinedFlow;
}

/** The stages in order, their types forgotten: `pipe` has checked that they fit. */
export type JoinedChain = readonly [LoadingStage<unknown>, ...FlowStage<unknown, unknown>[]];

interface DeliveryOptions {
  readonly topic: Topic<unknown>;
}

/** Writes what is said to each gateway to the partition that the gateway reads. */
export const deliverySink = (name: string, options: DeliveryOptions): Sink<Said> => {
  const target = isTopic(options.topic) ? options.topic.name : '';
  const faults = faultsOf('deliverySink', options, { topic: aTopic });
  const idempotentBy = 'gateways drop repeats by (user, epoch, version)';
  const spec: SinkSpec = { kind: 'kafka', name, target, writes: 'said', reads: [], idempotentBy, ...faults };
  return Object.freeze({ spec, topics: [options.topic].filter(isTopic) });
};

/** @throws PresenceError BAD_TOPOLOGY from `to`. */
export function joined(name: string, version: number, source: JoinedSource): JoinedStart {
  const pipe = (...chain: readonly unknown[]): JoinedFlow => ({
    to: (...sinks) => build(specOf(name, version, source, chain as JoinedChain, sinks), source, chain as JoinedChain),
  });
  return { pipe } as JoinedStart;
}

function specOf(
  name: string,
  version: number,
  source: JoinedSource,
  chain: JoinedChain,
  sinks: readonly Sink<Said>[],
): JoinedSpec {
  const { clock, topic, joins, table, key } = source;
  const touched = [topic, joins, table, ...sinks.flatMap((sink) => sink.topics)].filter(isTopic);
  const nameOf = (one: Topic<unknown>): string => (isTopic(one) ? one.name : '');
  return deepFreeze({
    name,
    version,
    source: {
      name: source.name,
      topic: nameOf(topic),
      key,
      clock: clock == null ? null : { hole_ms: clock.hole, settle_ms: clock.settle, leap_ms: clock.leap },
      ...faultsOf('the source', source, sourceSettings),
    },
    joins: nameOf(joins),
    table: nameOf(table),
    stages: chain.map((stage) => stage.spec),
    sinks: sinks.map(({ spec }) => spec),
    topics: [...new Map(touched.map((one) => [one.name, one])).values()].map(topicSpec),
  });
}

function build(spec: JoinedSpec, source: JoinedSource, chain: JoinedChain): Joined {
  const faults = lintJoined(spec).filter((fault) => fault.level === 'error');
  if (faults.length > 0) throw badTopology(spec, faults);
  const remember = spec.stages.map(({ config }) => config.remember_ms).find((value) => typeof value === 'number');
  return {
    name: spec.name,
    version: spec.version,
    spec,
    remember_ms: typeof remember === 'number' ? remember : 0,
    processor: (partition) => new JoinedPartition({ partition, clock: source.clock, chain }),
  };
}

const badTopology = (spec: JoinedSpec, faults: readonly Fault[]): PresenceError =>
  new PresenceError('BAD_TOPOLOGY', faults.map(({ at, message, rule }) => `${at}: ${message} [${rule}]`).join('\n'), {
    at: spec.name,
    retriable: false,
    help: 'docs/errors.md#bad_topology',
  });
