/**
 * One partition of a joined topology: pure and synchronous. Its runner (runtime/joined.ts) knows no presence.
 *
 * Life: `load` every record of the table and `known` the epoch; `restore`; then, as often as wanted, batches of what has been
 * read before, of either input, of which nothing is said; `restored`; then `diffs` and `routes`, batch after batch, whose
 * answer is what is to be written. Positions are the runner's to take once that is written.
 */
import { type ClockOptions, PartitionClock } from '../../processors/clock.ts';
import type { Beginning, BoundFlow, BoundLoading, Heard, Wish } from '../../processors/fan-out/flow.ts';
import type { Said } from '../../processors/fan-out/route.ts';
import type { Batch } from '../../processors/stage.ts';
import type { Diff, Route, RoutedDelivery, UserState } from '../../schemas/generated.ts';
import type { JoinedChain } from './joined.ts';
import type { StageCounts, StoreSize } from './processor.ts';

export interface JoinedOptions {
  readonly partition: number;
  readonly clock: ClockOptions;
  readonly chain: JoinedChain;
}

interface Hop {
  readonly name: string;
  readonly store: string;
  readonly bound: BoundFlow<unknown>;
  given: number;
}

export class JoinedPartition {
  readonly #partition: number;
  readonly #clock: PartitionClock;
  readonly #place = { restoring: true };
  readonly #hops: Hop[] = [];
  readonly #first: (heard: Heard) => void;
  readonly #loading: BoundLoading;
  #said: RoutedDelivery[] = [];
  #counted = 0;
  #time = 0;
  #epoch = 0;
  /** Every diff below it has gone through the chain. null: none has been read yet. */
  #position: number | null = null;

  constructor({ partition, clock, chain }: JoinedOptions) {
    this.#partition = partition;
    this.#clock = new PartitionClock(clock);
    let after: (event: unknown) => void = (said) => this.#say(said as Said);
    for (const stage of [...chain].reverse()) {
      const bound = (stage as JoinedChain[1]).bind(this.#place, after) as BoundFlow<unknown>;
      const hop: Hop = { name: stage.spec.name, store: stage.spec.stores[0]?.name ?? '', bound, given: 0 };
      this.#hops.unshift(hop);
      after = (event) => {
        hop.given += 1;
        bound.on(event);
      };
    }
    this.#first = after;
    this.#loading = (this.#hops[0] as Hop).bound as BoundLoading;
  }

  /** A record of the table. */
  load(state: UserState): void {
    this.known(state.epoch);
    this.#loading.load(state);
  }

  /** The table knows of this epoch. */
  known(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /**
   * What is read from here on, diffs from `from` to `position` and routes, has been said before. The table may tell of diffs
   * below `known`.
   */
  restore(at: Beginning): void {
    this.#loading.begin(at);
    this.#position = at.position;
  }

  /** From here on what is said is heard. */
  restored(): void {
    for (const { bound } of this.#hops) bound.restored?.();
    this.#said = [];
    this.#place.restoring = false;
  }

  diffs({ records }: Batch<Diff>): readonly RoutedDelivery[] {
    for (const { offset, stamp, value } of records) {
      this.known(value.epoch);
      this.#time = Math.max(this.#time, stamp);
      this.#first({ kind: 'diff', time: this.#time, diff: value, offset, stamp });
      // Behind records, not behind the gaps after them: so that all who have read the same say the same.
      this.#position = Math.max(this.#position ?? 0, offset + 1);
    }
    return this.#answer();
  }

  routes({ records }: Batch<Route>): readonly RoutedDelivery[] {
    for (const { stamp, value } of records) {
      this.#time = Math.max(this.#time, stamp);
      this.#clock.pass(stamp);
      this.#first({ kind: 'route', time: this.#time, lease: this.#clock.lease, wish: value satisfies Wish });
    }
    return this.#answer();
  }

  get stores(): readonly StoreSize[] {
    return this.#hops.map(({ name, store, bound }) => ({ stage: name, store, entries: bound.entries() }));
  }

  /** What went into each stage and came out of it, since the last time. */
  takeCounts(): readonly StageCounts[] {
    const counts: StageCounts[] = [];
    let out = this.#counted;
    this.#counted = 0;
    for (const hop of [...this.#hops].reverse()) {
      counts.unshift({ name: hop.name, in: hop.given, out });
      out = hop.given;
      hop.given = 0;
    }
    return counts;
  }

  #answer(): readonly RoutedDelivery[] {
    for (const { bound } of this.#hops) bound.flush?.();
    const said = this.#said;
    this.#said = [];
    return said;
  }

  #say({ kind, gateway_id, answered, told, placed }: Said): void {
    this.#counted += 1;
    if (this.#place.restoring) return;
    const position = placed ? this.#position : null;
    this.#said.push({ kind, gateway_id, partition: this.#partition, epoch: this.#epoch, position, answered, told: [...told] });
  }
}
