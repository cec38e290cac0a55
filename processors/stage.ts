/**
 * What flows through a topology, and what a stage is.
 *
 * **Time is data.** A partition's input is cut into batches wherever the log was polled; what comes out
 * must not depend on where (the first law, laws.ts). So no stage reads a clock: the partition's clock
 * (clock.ts) turns stamps into time, and hands every stage, in one order, what happens: a signal, a timer
 * that fell due between two signals, and the cut that ends a window.
 *
 * **Depth first.** Each happening passes through the whole chain before the next: a device's timer that
 * falls due between two signals must see what the first one did. Batches pay at the edges (decoding,
 * committing, fan-out); inside a batch the chain is plain loops.
 */
import { Observable, type OperatorFunction } from 'rxjs';
import type { UserOutline } from '../schemas/user-outline.ts';
import type { Gateway } from './gateway.ts';
import { Happening } from './happening.ts';
import type { User } from './record.ts';
import { Scope } from './scope.ts';
import type { SettingFault } from './settings.ts';

/** One decoded record of the input. */
export interface Input<V> {
  readonly offset: number;
  /** The broker's stamp, ms. */
  readonly stamp: number;
  readonly value: V;
  /** W3C traceparent, where the record carried one. */
  readonly traceparent?: string;
}

/** The records of one poll of one partition. */
export interface Batch<V> {
  readonly partition: number;
  readonly records: readonly Input<V>[];
  /** The input offset after the batch: beyond records that could not be decoded, and the log's own gaps. */
  readonly nextOffset: number;
}

/** A stage as data: what describe, lint, drawings and docs read. Plain JSON, frozen, no closures. */
export interface StageSpec {
  readonly kind: string;
  readonly name: string;
  readonly config: Readonly<Record<string, SpecValue>>;
  readonly stores: readonly StoreSpec[];
  readonly timers: readonly TimerSpec[];
  /** What is wrong with what it was told; left out where nothing is. */
  readonly faults?: readonly SettingFault[];
}
export type SpecValue = string | number | boolean | null | readonly string[];
export interface StoreSpec {
  /** State belongs to the store's name, not to the stage's place. */
  readonly name: string;
  /** Which part of the user's one record it is. */
  readonly part: string;
}
export interface TimerSpec {
  readonly name: string;
  readonly after_ms: number | null;
  readonly clock: 'lease' | 'stamp';
}

/** An RxJS operator that can say what it is: `source$.pipe(stage)` works, `stage.spec` is the node in the graph. */
export interface StageOperator<A, B> extends OperatorFunction<Batch<A>, Batch<B>> {
  readonly spec: StageSpec;
}

/** The names of V's fields that hold a T. Fields are named, not computed: a name can be printed, compared and linted. */
export type FieldOf<V, T> = { [K in keyof V & string]: V[K] extends T ? K : never }[keyof V & string];

/** The pure half of a stage in one partition: what is done with a happening; what comes of it is handed on by `next`. */
export type StageLogic<A> = (happening: A) => void;

/** One stage of one partition. */
export interface BoundStage<A> {
  readonly on: StageLogic<A>;
  /** Entries of its store now, for metrics; a stage without a store has none. */
  readonly entries?: () => number;
  /** At the restore, of each user, in memory or not: count what is to be counted. */
  readonly counted?: (outline: UserOutline, lease: number) => void;
  /** A user (or gateway) comes into memory: work out anew what the record does not hold, and arm its timers. */
  readonly loaded?: (user: User, lease: number) => void;
  readonly gatewayLoaded?: (gateway: Gateway, lease: number) => void;
}

/** A stage as a topology binds it: its operator, its spec, and its logic for one partition. */
export interface Stage<A, B> extends StageOperator<A, B> {
  bind(scope: Scope, next: StageLogic<B>): BoundStage<A>;
}

/** Deep-frozen, so that a description stays what it was. */
function frozen(spec: StageSpec): StageSpec {
  for (const part of [
    spec.config,
    ...Object.values(spec.config),
    ...spec.stores,
    ...spec.timers,
    spec.stores,
    spec.timers,
    spec.faults,
  ])
    Object.freeze(part);
  return Object.freeze(spec);
}

/**
 * Makes a stage of its spec and its logic. As an RxJS operator of its own, outside a topology, it has a scope of
 * its own for each partition, hands on copies, and no timers fire in it.
 */
export function defineStage<A, B>(spec: StageSpec, bind: Stage<A, B>['bind']): Stage<A, B> {
  const operator = (source: Observable<Batch<A>>): Observable<Batch<B>> =>
    new Observable((subscriber) => {
      const byPartition = new Map<number, BoundStage<A>>();
      let records: Input<B>[] = [];
      let from: Input<A> | undefined;
      const collect = (value: B): void => {
        if (from === undefined) return;
        // A happening is filled in along the chain, so what is handed on is a copy as of now; of the same class, hence the cast.
        records.push({ offset: from.offset, stamp: from.stamp, value: value instanceof Happening ? (value.copy() as B) : value });
      };
      return source.subscribe({
        next(batch) {
          let bound = byPartition.get(batch.partition);
          if (bound === undefined) byPartition.set(batch.partition, (bound = bind(new Scope(batch.partition), collect)));
          records = [];
          for (from of batch.records) bound.on(from.value);
          subscriber.next({ partition: batch.partition, records, nextOffset: batch.nextOffset });
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
    });
  return Object.assign(operator, { spec: frozen(spec), bind });
}
