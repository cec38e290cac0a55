/**
 * newest: every user's newest state, and what it was some minutes ago.
 *
 * State: of each user how they stand in each view (standings.ts), as presence.state has it or changes of before have left it;
 * of those who changed in the last minutes the last change in each view, and every change's beginning (past.ts). A state read
 * at a takeover can be ahead of the diffs that are yet to be read: the newer one is the answer.
 *
 * An added route is answered: with the newest state, or, where its gateway says from which offset on it asks, with what
 * changed since, `from` what it was then. Nothing is said of a user who did not change: that the record is answered says it.
 *
 * **Delivery and replay.** Pure. All changes are handed on, repeats too: after a takeover the state may be ahead of what was
 * told. Gateways drop repeats by (epoch, version).
 */
import type { Diff, RouteAdd, Told, UserState } from '../../schemas/generated.ts';
import { aName, aNumber, aTime, faultsOf, type Settings } from '../settings.ts';
import type { Millis } from '../time.ts';
import {
  type Beginning,
  type BoundLoading,
  type Change,
  type Heard,
  isNewer,
  type Known,
  type LoadingStage,
  sees,
  tell,
  type View,
  versionOf,
  views,
} from './flow.ts';
import { PastChanges } from './past.ts';
import { type Standing, Standings } from './standings.ts';

export interface NewestOptions {
  /** For how long changes are remembered for resumes: five minutes, and what lies between a cursor and its use. */
  readonly remember: Millis;
  /** Changes remembered at most, of one partition. */
  readonly changes: number;
  readonly store: string;
}

const settings: Settings<NewestOptions> = { remember: aTime, changes: aNumber, store: aName };

export function newest(name: string, options: NewestOptions): LoadingStage<Known> {
  const { remember, changes, store } = options;
  return {
    spec: {
      kind: 'newest',
      name,
      config: { remember_ms: remember, changes },
      stores: [{ name: store, part: 'users' }],
      timers: [],
      ...faultsOf('newest', options, settings),
    },
    bind: (_place, next) => new NewestStage(options, next),
  };
}

/** The newest change in each view, for as long as it is remembered. */
type Changed = Record<View, Change | null>;

class NewestStage implements BoundLoading {
  readonly #standings = new Standings();
  readonly #changed = new Map<string, Changed>();
  readonly #past: PastChanges;
  readonly #next: (event: Known) => void;
  /** What was loaded may tell of changes below this offset. */
  #known = 0;

  constructor({ remember, changes }: NewestOptions, next: (event: Known) => void) {
    this.#past = new PastChanges({ keep_ms: remember, most: changes, left: (user, offset) => this.#settle(user, offset) });
    this.#next = next;
  }

  readonly entries = (): number => this.#standings.size;

  readonly begin = (at: Beginning): void => {
    this.#past.begin(at);
    this.#known = at.known ?? at.position;
  };

  readonly load = (user: UserState): void => {
    const { user_id, epoch, public: seen } = user;
    this.#standings.set(user_id, 'self', user);
    this.#standings.set(user_id, 'others', { ...seen, epoch });
  };

  readonly on = (heard: Heard): void => {
    if (heard.kind === 'route') {
      this.#next({ ...heard, answers: heard.wish.add.flatMap((add) => this.#answer(add)) });
      return;
    }
    const { user_id } = heard.diff;
    const change = { diff: heard.diff, offset: heard.offset, stamp: heard.stamp };
    const changed = this.#changed.get(user_id) ?? { self: null, others: null };
    this.#standings.know(user_id);
    this.#changed.set(user_id, changed);
    for (const view of views) {
      const known = changed[view];
      if (sees(heard.diff, view) && (known === null || isNewer(heard.diff, known.diff, view))) changed[view] = change;
    }
    this.#past.add(change);
    this.#next(heard);
  };

  /** A change is remembered no more: what is left of it is how the user stands. */
  #settle(user_id: string, offset: number): void {
    const changed = this.#changed.get(user_id);
    if (changed === undefined) return;
    for (const view of views) {
      const change = changed[view];
      if (change === null || change.offset > offset) continue;
      changed[view] = null;
      const { epoch, to: state, source, at: since } = change.diff;
      const standing = this.#standings.of(user_id, view);
      const settled = { epoch, version: versionOf(change.diff, view), state, source, since };
      if (standing === null || isLater(settled, standing)) this.#standings.set(user_id, view, settled);
    }
    if (changed.self === null && changed.others === null) this.#changed.delete(user_id);
  }

  #answer({ user_id, since }: RouteAdd): readonly Told[] {
    if (!this.#standings.has(user_id)) return [];
    const asked = since ?? -1;
    if (since === null || !this.#past.covers(since)) return this.#present(user_id).map((change) => tell(change, { asked }));
    const newest = this.#changed.get(user_id);
    if (newest === undefined) return [];
    const changed = views.flatMap((view) => {
      const change = newest[view];
      const from = this.#past.stateAt(user_id, view, since);
      return change === null || from === null ? [] : [{ view, change, from }];
    });
    const [self, others] = changed;
    if (self !== undefined && others !== undefined && self.change === others.change && self.from === others.from)
      return [tell(self.change, { asked, from: self.from })];
    return changed.map(({ view, change, from }) => tell(only(change, view), { asked, from }));
  }

  #present(user_id: string): readonly Change[] {
    const [self, others] = views.map((view) => {
      const standing = this.#standings.of(user_id, view);
      const known = this.#changed.get(user_id)?.[view] ?? null;
      if (standing === null) return known;
      const later = known === null || isLater(standing, { epoch: known.diff.epoch, version: versionOf(known.diff, view) });
      return later ? this.#standing(user_id, view, standing) : known;
    });
    if (self != null && self === others) return [self];
    return [self != null ? only(self, 'self') : null, others != null ? only(others, 'others') : null].filter(
      (one) => one !== null,
    );
  }

  /**
   * As a change of nothing, so that whoever reads it needs no other words. While diffs are yet to be read that it may tell of, it
   * has the place of the last of them: whoever is told of it knows more than any position says until then.
   */
  #standing(user_id: string, view: View, { epoch, version, state, source, since }: Standing): Change {
    const other = this.#standings.of(user_id, view === 'self' ? 'others' : 'self')?.version ?? 0;
    const diff: Diff = {
      user_id,
      audience: view,
      from: state,
      to: state,
      at: since,
      epoch,
      version: view === 'self' ? version : other,
      public_version: view === 'self' ? other : version,
      cause: 'signal',
      source,
      device_id: null,
      trace_id: null,
      received_at: 0,
      log: 0,
      offset: 0,
    };
    return { diff, offset: this.#past.next < this.#known ? this.#known - 1 : -1, stamp: since };
  }
}

/** The same for one view alone. */
export const only = (change: Change, view: View): Change =>
  change.diff.audience === view ? change : { ...change, diff: { ...change.diff, audience: view } };

const isLater = (a: Pick<Standing, 'epoch' | 'version'>, b: Pick<Standing, 'epoch' | 'version'>): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);
