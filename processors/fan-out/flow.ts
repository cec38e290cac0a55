/**
 * What flows through the fan-out topology, and what its stages are.
 *
 * **Model.** It has two inputs, partitioned alike: diffs, and routes (which gateway wants which users of this partition). A
 * log orders each, and nobody orders them against each other: whichever way they come, a gateway is told the newest state of
 * whom it wants, versions rising. Given one order, how it is cut into batches changes nothing in what is said (the first law).
 *
 * **Time is data** here too. `time` is the highest stamp of both inputs so far: what waits for a deadline waits for that. Lives
 * of gateways run on the lease clock of the routes (clock.ts), in which a log that nobody could write to is no silence.
 */
import type { Diff, RouteAdd, State, Told, UserState } from '../../schemas/generated.ts';
import type { StageSpec } from '../stage.ts';

/** A change, or a user as presence.state has them. `offset` -1: no change is known by it. */
export interface Change {
  readonly diff: Diff;
  readonly offset: number;
  readonly stamp: number;
}

/** What a gateway says of itself in one route record. */
export interface Wish {
  readonly gateway_id: string;
  readonly number: number;
  readonly anew: boolean;
  readonly whole: boolean;
  readonly add: readonly RouteAdd[];
  readonly remove: readonly string[];
}

/** What the source hears. `lease`: the routes' lease clock. */
export type Heard =
  | ({ readonly kind: 'diff'; readonly time: number } & Change)
  | { readonly kind: 'route'; readonly time: number; readonly lease: number; readonly wish: Wish };

/** The same, with the answers to what was added: in order of the adds. */
export type Known =
  | Extract<Heard, { readonly kind: 'diff' }>
  | (Extract<Heard, { readonly kind: 'route' }> & { readonly answers: readonly Told[] });

/** What is to be told to every gateway that wants the user, and routes with their answers. */
export type Spoken = { readonly kind: 'tell'; readonly told: Told } | Extract<Known, { readonly kind: 'route' }>;

/** Views of a user: the truth, for the user themself; what others see. */
export const views = ['self', 'others'] as const;
export type View = (typeof views)[number];

export const sees = ({ audience }: Pick<Diff, 'audience'>, view: View): boolean => audience === 'all' || audience === view;

export const versionOf = (diff: Pick<Diff, 'version' | 'public_version'>, view: View): number =>
  view === 'self' ? diff.version : diff.public_version;

/** Whether `a` is later than `b` in a view. */
export const isNewer = (a: Diff, b: Diff, view: View): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && versionOf(a, view) > versionOf(b, view));

export interface TellOptions {
  readonly asked?: number;
  readonly from?: State | null;
  readonly withheld?: boolean;
}

/** Told as it comes, if not said otherwise. */
export const tell = ({ diff, offset, stamp }: Change, { asked, from, withheld }: TellOptions = {}): Told => ({
  diff,
  position: offset,
  stamp,
  asked: asked ?? null,
  from: from ?? null,
  withheld: withheld ?? false,
});

/** One stage in one partition. */
export interface BoundFlow<A> {
  readonly on: (event: A) => void;
  /** The end of what is read again at a takeover: from here on what is said is heard. */
  readonly restored?: () => void;
  /** The end of a batch. */
  readonly flush?: () => void;
  /** Entries of its store now. */
  readonly entries: () => number;
}

/** A stage: its spec, and its logic for one partition. `restoring` is true while nothing that is said is heard. */
export interface FlowStage<A, B> {
  readonly spec: StageSpec;
  bind(place: { readonly restoring: boolean }, next: (event: B) => void): BoundFlow<A>;
}

/** Offsets of the first input. */
export interface Beginning {
  readonly from: number;
  readonly position: number;
  /** Default `position`. */
  readonly known?: number;
}

/** The first stage: it can be told what users were before the inputs began. */
export interface BoundLoading extends BoundFlow<Heard> {
  /**
   * The first input is read from `from` on, and has been told before up to `position`. What was loaded can tell of changes below
   * `known` that are yet to be read.
   */
  readonly begin: (at: Beginning) => void;
  readonly load: (state: UserState) => void;
}

export interface LoadingStage<B> extends FlowStage<Heard, B> {
  bind(place: { readonly restoring: boolean }, next: (event: B) => void): BoundLoading;
}
