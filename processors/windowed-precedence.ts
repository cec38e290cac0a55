/**
 * windowedPrecedence: who speaks for the user, window by window.
 *
 * State: what each device claims (state and source), and the user's override. A claim's rank is its source's,
 * then its state's; the living device of the highest rank speaks for the user, unless an override holds. Which
 * devices live is offlineTimeout's to say: this stage ranks, that one drops the silent.
 *
 * The window is a cut of the partition's time at multiples of `window` (later by `stagger` for each partition, so
 * that not all commit at once). Between two cuts everything is applied in order; `diff` compares at the cut.
 *
 * **Claims.** A device that has said nothing is inferred online. A later session keeps what the device said while it
 * counts (contract.md: "coming back within it"), else begins anew. A state without a source is the app's.
 * **Override.** One at a time. `ttl_s` counts from the partition's time, never from a gateway's clock. One that is
 * over already only ends the one that it replaces.
 *
 * **Delivery and replay.** Pure. The end of an override is a stamp in the record; its timer is an index.
 */
import { type Override, type Signal, type Source, type State, sourceSymbols, stateSymbols } from '../schemas/generated.ts';
import type { Accepted, Happening, Ranked } from './happening.ts';
import type { Device, User } from './record.ts';
import type { Scope } from './scope.ts';
import { aName, aTime, faultsOf, listOf, optional, type Settings } from './settings.ts';
import { type BoundStage, defineStage, type Stage, type StageLogic } from './stage.ts';
import type { Millis } from './time.ts';

/** Fails to compile, naming them, when some value has no rank. */
export type RanksAll<R, T extends readonly unknown[]> = [Exclude<R, T[number]>] extends [never]
  ? unknown
  : { readonly unranked: Exclude<R, T[number]> };

/** States that a device or an override can put a user in, as others see them. */
export type RankedState = Exclude<State, 'invisible'>;

export interface WindowedPrecedenceOptions<S extends readonly Source[], T extends readonly RankedState[]> {
  /** The most trusted first. */
  readonly sources: S & RanksAll<Source, S>;
  /** Among equals: the first in this order. */
  readonly states: T & RanksAll<RankedState, T>;
  readonly window: Millis;
  /** How much later each partition cuts than the one before. Default 0. */
  readonly stagger?: Millis;
  readonly store: string;
}

const settings: Settings<WindowedPrecedenceOptions<readonly Source[], readonly RankedState[]>> = {
  sources: listOf(sourceSymbols),
  states: listOf(stateSymbols.filter((state) => state !== 'invisible')),
  window: aTime,
  stagger: optional(aTime),
  store: aName,
};

export function windowedPrecedence<const S extends readonly Source[], const T extends readonly RankedState[]>(
  name: string,
  options: WindowedPrecedenceOptions<S, T>,
): Stage<Accepted, Ranked> {
  const { window, stagger = 0, store } = options;
  const sources: readonly Source[] = options.sources;
  const states: readonly RankedState[] = options.states;
  return defineStage<Accepted, Ranked>(
    {
      kind: 'windowedPrecedence',
      name,
      config: { sources, states, window_ms: window, stagger_ms: stagger },
      stores: [{ name: store, part: 'claims' }],
      timers: [
        { name: `${name}.cut`, after_ms: window, clock: 'stamp' },
        { name: `${name}.override`, after_ms: null, clock: 'stamp' },
      ],
      ...faultsOf('windowedPrecedence', options, settings),
    },
    (scope, next) => {
      scope.cells.window = window;
      scope.cells.stagger = stagger;
      return new WindowedPrecedence(scope, rankTable(sources, states), next);
    },
  );
}

type Rank = (state: State, source: Source) => number;

function rankTable(sources: readonly Source[], states: readonly State[]): Rank {
  const ofSource = new Map(sources.map((source, i) => [source, (sources.length - i) * 16]));
  const ofState = new Map(states.map((state, i) => [state, states.length - i]));
  return (state, source) => (ofSource.get(source) ?? 0) + (ofState.get(state) ?? 0);
}

class WindowedPrecedence implements BoundStage<Accepted> {
  private readonly scope: Scope;
  private readonly rank: Rank;
  private readonly next: StageLogic<Ranked>;

  constructor(scope: Scope, rank: Rank, next: StageLogic<Ranked>) {
    this.scope = scope;
    this.rank = rank;
    this.next = next;
  }

  readonly entries = (): number => this.scope.devices;

  readonly on = (accepted: Accepted): void => {
    const happening = accepted as Happening; // see dedupe.ts
    if (happening.kind === 'override_due') this.end(happening, 'expired');
    else if (happening.kind === 'signal' && happening.user !== null && !this.take(happening)) return;
    this.next(happening);
  };

  loaded(user: User): void {
    for (const device of user.devices) device.rank = this.rank(device.state, device.source);
    for (const ghost of user.ghosts ?? []) ghost.rank = this.rank(ghost.state, ghost.source);
    this.scope.stampTimers.arm(user);
  }

  /** False: nothing comes of it. */
  private take(happening: Happening): boolean {
    const signal = happening.signal as Signal;
    const user = happening.user as User;
    switch (signal.kind) {
      case 'hello':
      case 'heartbeat':
        this.claim(happening, signal, happening.device as Device);
        return true;
      case 'override_set':
        return this.set(happening, signal, user);
      case 'override_cleared':
        // With an id, only that one: a late revocation must not end a newer override.
        if (user.override === null || (signal.override_id !== null && signal.override_id !== user.override.override_id))
          return false;
        this.end(happening, 'cleared');
        return true;
      default:
        return true;
    }
  }

  private claim(happening: Happening, signal: Signal, device: Device): void {
    const { state, source } = device;
    if (happening.session === 'first' || (happening.session === 'later' && !device.counts)) {
      device.state = 'online';
      device.source = 'inferred';
    }
    if (signal.state === 'offline') happening.said = 'offline';
    else {
      if (signal.state !== null) {
        device.state = signal.state;
        device.source = signal.source ?? 'app';
      } else if (signal.source !== null) device.source = signal.source;
      happening.said = device.state === state && device.source === source ? 'same' : 'other';
    }
    if (device.state !== state || device.source !== source || device.rank === 0)
      device.rank = this.rank(device.state, device.source);
  }

  private set(happening: Happening, signal: Signal, user: User): boolean {
    const until = signal.until ?? (signal.ttl_s === null ? null : happening.stamp + Math.round(signal.ttl_s * 1_000));
    if (until !== null && until <= happening.stamp) {
      if (user.override === null) return false;
      this.end(happening, 'cleared');
      return true;
    }
    const override: Override = {
      override_id: signal.override_id ?? '',
      state: signal.state ?? 'dnd',
      until,
      reason: signal.reason,
      set_at: happening.stamp,
      actor: signal.actor,
    };
    this.replace(happening, user, override, 'set');
    return true;
  }

  private end(happening: Happening, how: 'cleared' | 'expired'): void {
    this.replace(happening, happening.user as User, null, how);
  }

  private replace(happening: Happening, user: User, override: Override | null, how: Ranked['override']): void {
    const was = user.override?.state === 'invisible';
    const is = override?.state === 'invisible';
    happening.override = how;
    happening.veil = was === is ? 'as it was' : is ? 'drawn' : 'lifted';
    happening.replaces = user.override !== null && !was;
    user.override = override;
    this.scope.stampTimers.arm(user);
  }
}
