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
import type { OperatorFunction } from 'rxjs';

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
