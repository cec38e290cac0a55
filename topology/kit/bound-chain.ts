/** The stages of a topology, bound to one partition, and what passes each of them. */
import type { Changes } from '../../processors/diff.ts';
import type { Gateway } from '../../processors/gateway.ts';
import type { Heard } from '../../processors/happening.ts';
import type { User } from '../../processors/record.ts';
import type { Scope } from '../../processors/scope.ts';
import type { BoundStage, Stage, StageLogic } from '../../processors/stage.ts';
import type { UserOutline } from '../../schemas/user-outline.ts';
import type { StageCounts, StoreSize } from './processor.ts';

/** The chain of a topology: each stage takes what the one before it hands on (checked where it was put together). */
export type Chain = readonly Stage<never, unknown>[];

/** A stage in its place: how many happenings were given to it, since they were last taken. */
interface Hop {
  readonly name: string;
  readonly store: string;
  readonly bound: BoundStage<never>;
  given: number;
}

export class BoundChain {
  /** What the first stage does with a happening. */
  readonly first: StageLogic<Heard>;
  private readonly hops: readonly Hop[];
  /** What the last stage handed on, since the counts were taken. */
  private said = 0;

  constructor(chain: Chain, scope: Scope, collect: (changes: Changes) => void) {
    const hops: Hop[] = [];
    // From the last stage to the first, each bound to the one after it. `Chain` has forgotten the types between.
    let after = ((changes: Changes) => {
      this.said += 1;
      collect(changes);
    }) as StageLogic<unknown>;
    for (const { spec, bind } of [...chain].reverse()) {
      const bound = bind(scope, after);
      const hop: Hop = { name: spec.name, store: spec.stores[0]?.name ?? '', bound, given: 0 };
      hops.unshift(hop);
      const on = bound.on as StageLogic<unknown>;
      after = (happening) => {
        hop.given += 1;
        on(happening);
      };
    }
    this.hops = hops;
    this.first = after;
  }

  get stores(): readonly StoreSize[] {
    return this.hops.map(({ name, store, bound }) => ({ stage: name, store, entries: bound.entries?.() ?? 0 }));
  }

  /** Since the last time. */
  takeCounts(): readonly StageCounts[] {
    const stages: StageCounts[] = [];
    let out = this.said;
    for (const hop of [...this.hops].reverse()) {
      stages.unshift({ name: hop.name, in: hop.given, out });
      out = hop.given;
      hop.given = 0;
    }
    this.said = 0;
    return stages;
  }

  counted(outline: UserOutline, lease: number): void {
    for (const { bound } of this.hops) bound.counted?.(outline, lease);
  }

  loaded(user: User, lease: number): void {
    for (const { bound } of this.hops) bound.loaded?.(user, lease);
  }

  gatewayLoaded(gateway: Gateway, lease: number): void {
    for (const { bound } of this.hops) bound.gatewayLoaded?.(gateway, lease);
  }
}
