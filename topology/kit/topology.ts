/**
 * topology(): stages put together into something that can be described, checked and run.
 *
 * ```ts
 * topology('presence', 1, { name: 'signals', topic: topics.signals, … })
 *   .pipe(dedupe('drop-repeats', { … }), …)
 *   .to(kafkaSink('diffs', { writes: 'diffs', topic: topics.diffs }), …);
 * ```
 * Each stage must take what the one before hands on, and each sink what the last one does: else it does not compile.
 * What the compiler cannot see, lint.ts checks; a topology that breaks a rule is BAD_TOPOLOGY, with all faults at once.
 */
import { Observable, type OperatorFunction } from 'rxjs';
import { PresenceError } from '../../base/errors.ts';
import type { ClockOptions } from '../../processors/clock.ts';
import type { Heard } from '../../processors/happening.ts';
import { aName, aTime, faultsOf, group, oneOf, orNull, type Settings } from '../../processors/settings.ts';
import type { Batch, FieldOf, Stage } from '../../processors/stage.ts';
import type { UserImage } from '../../processors/stored.ts';
import type { Signal } from '../../schemas/generated.ts';
import type { Topic } from '../topics.ts';
import { aTopic, isTopic } from './a-topic.ts';
import type { Chain } from './bound-chain.ts';
import { type Fault, lint } from './lint.ts';
import { Partition, type PresenceEmission, type PresenceProcessor } from './partition.ts';
import type { Sink } from './sinks.ts';
import { deepFreeze, type TopologySpec, topicSpec } from './spec.ts';

/** Where signals come from. Time is the broker's stamp on them. */
export interface Source {
  readonly name: string;
  readonly topic: Topic<Signal>;
  /** Names the user: what records are partitioned by. */
  readonly key: FieldOf<Signal, string>;
  /** Which steps of time count (clock.ts); null for a topic whose stamps are some foreign clock's. */
  readonly clock: ClockOptions | null;
}

const sourceSettings: Settings<Source> = {
  name: aName,
  topic: aTopic,
  key: oneOf<Source['key']>({ user_id: true, gateway_id: true, kind: true }),
  clock: orNull(group<ClockOptions>({ hole: aTime, settle: aTime, leap: aTime })),
};

export interface Topology {
  readonly name: string;
  readonly version: number;
  readonly spec: TopologySpec;
  /**
   * A fresh processor of one partition: what the runtime, the test driver and replay run. Without an image it keeps
   * every user in memory.
   */
  processor(partition: number, image?: UserImage): PresenceProcessor;
  /** The same topology over a topic with these steps of time: null where others stamp it (a benchmark's, a foreign one's). */
  timedBy(clock: ClockOptions | null): Topology;
  /** The whole topology as one RxJS operator over the batches of one partition. */
  run(partition: number): OperatorFunction<Batch<Signal>, PresenceEmission>;
}

export interface Flow<Out> {
  pipe<A>(a: Stage<Out, A>): Flow<A>;
  pipe<A, B>(a: Stage<Out, A>, b: Stage<A, B>): Flow<B>;
  pipe<A, B, C>(a: Stage<Out, A>, b: Stage<A, B>, c: Stage<B, C>): Flow<C>;
  pipe<A, B, C, D>(a: Stage<Out, A>, b: Stage<A, B>, c: Stage<B, C>, d: Stage<C, D>): Flow<D>;
  pipe<A, B, C, D, E>(a: Stage<Out, A>, b: Stage<A, B>, c: Stage<B, C>, d: Stage<C, D>, e: Stage<D, E>): Flow<E>;
  to(...sinks: readonly Sink<Out>[]): Topology;
}

/** BAD_TOPOLOGY: a rule of lint.ts is broken. Names every fault. */
export class BadTopology extends PresenceError {
  readonly spec: TopologySpec;

  constructor(spec: TopologySpec, faults: readonly Fault[]) {
    const message = faults.map(({ at, message: fault, rule }) => `${at}: ${fault} [${rule}]`).join('\n');
    super('BAD_TOPOLOGY', message, { at: spec.name, retriable: false, help: 'docs/errors.md#bad_topology' });
    this.spec = spec;
  }
}

/** @throws BadTopology from `to`. */
export function topology(name: string, version: number, source: Source): Flow<Heard> {
  return flow(name, version, source, []);
}

function flow<Out>(name: string, version: number, source: Source, chain: Chain): Flow<Out> {
  return {
    // The overloads of Flow have checked that the stages fit; an array of them cannot say so.
    pipe: (...more: Chain) => flow(name, version, source, [...chain, ...more]),
    to: (...sinks: readonly Sink<Out>[]) => build(specOf(name, version, source, chain, sinks), source.clock, chain),
  };
}

function specOf(name: string, version: number, source: Source, chain: Chain, sinks: readonly Sink<never>[]): TopologySpec {
  const { clock, topic, key } = source;
  const touched = new Map([topic, ...sinks.flatMap((sink) => sink.topics)].filter(isTopic).map((one) => [one.name, one]));
  const timed = clock !== null && clock !== undefined;
  return deepFreeze({
    name,
    version,
    source: {
      name: source.name,
      topic: isTopic(topic) ? topic.name : '',
      key,
      clock: timed ? { hole_ms: clock.hole, settle_ms: clock.settle, leap_ms: clock.leap } : null,
      ...faultsOf('the source', source, sourceSettings),
    },
    stages: chain.map((stage) => stage.spec),
    sinks: sinks.map(({ spec }) => spec),
    topics: [...touched.values()].map(topicSpec),
  });
}

function build(spec: TopologySpec, clock: ClockOptions | null, chain: Chain): Topology {
  const faults = lint(spec).filter((fault) => fault.level === 'error');
  if (faults.length > 0) throw new BadTopology(spec, faults);
  const processor = (partition: number, image?: UserImage): PresenceProcessor =>
    new Partition({ partition, topology: `${spec.name}@${spec.version}`, clock, chain, image: image ?? null });
  const run =
    (partition: number): OperatorFunction<Batch<Signal>, PresenceEmission> =>
    (batches) =>
      new Observable((subscriber) => {
        const one = processor(partition);
        const emissions = one.emissions.subscribe(subscriber);
        emissions.add(
          batches.subscribe({
            next: (batch) => {
              one.process(batch);
            },
            error: (error) => subscriber.error(error),
            complete: () => subscriber.complete(),
          }),
        );
        return emissions;
      });
  const timedBy = (other: ClockOptions | null): Topology => build(spec, other, chain);
  return { name: spec.name, version: spec.version, spec, processor, timedBy, run };
}
