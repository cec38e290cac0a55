/**
 * newest: every user's newest state, and what it was some minutes ago.
 *
 * State: of each user the last change in each view, and the record of presence.state where that is newer (a state read at a
 * takeover can be ahead of the diffs that are yet to be read); of the last minutes, every change's beginning (past.ts).
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
  type BoundLoading,
  type Change,
  type Heard,
  isNewer,
  type Known,
  type LoadingStage,
  sees,
  tell,
  type View,
  views,
} from './flow.ts';
import { PastChanges } from './past.ts';

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

type Standing = Pick<UserState, 'epoch' | 'version' | 'state' | 'source' | 'since'> & {
  readonly public: Pick<UserState['public'], 'version' | 'state' | 'source' | 'since'>;
};

interface Entry {
  standing: Standing | null;
  self: Change | null;
  others: Change | null;
}

class NewestStage implements BoundLoading {
  readonly #users = new Map<string, Entry>();
  readonly #past: PastChanges;
  readonly #next: (event: Known) => void;

  constructor({ remember, changes }: NewestOptions, next: (event: Known) => void) {
    this.#past = new PastChanges({ keep_ms: remember, most: changes });
    this.#next = next;
  }

  readonly entries = (): number => this.#users.size;

  readonly begin = (at: { readonly from: number; readonly position: number }): void => this.#past.begin(at);

  readonly load = ({ user_id, epoch, version, state, source, since, public: seen }: UserState): void => {
    const others = { version: seen.version, state: seen.state, source: seen.source, since: seen.since };
    this.#of(user_id).standing = { epoch, version, state, source, since, public: others };
  };

  readonly on = (heard: Heard): void => {
    if (heard.kind === 'route') {
      this.#next({ ...heard, answers: heard.wish.add.flatMap((add) => this.#answer(add)) });
      return;
    }
    const entry = this.#of(heard.diff.user_id);
    const change = { diff: heard.diff, offset: heard.offset, stamp: heard.stamp };
    for (const view of views) {
      const known = entry[view];
      if (sees(heard.diff, view) && (known === null || isNewer(heard.diff, known.diff, view))) entry[view] = change;
    }
    this.#past.add(change);
    this.#next(heard);
  };

  #of(user_id: string): Entry {
    let entry = this.#users.get(user_id);
    if (entry === undefined) this.#users.set(user_id, (entry = { standing: null, self: null, others: null }));
    return entry;
  }

  #answer({ user_id, since }: RouteAdd): readonly Told[] {
    const entry = this.#users.get(user_id);
    if (entry === undefined) return [];
    const asked = since ?? -1;
    if (since === null || !this.#past.covers(since))
      return this.#present(user_id, entry).map((change) => tell(change, { asked }));
    const changed = views.flatMap((view) => {
      const change = entry[view];
      const from = this.#past.stateAt(user_id, view, since);
      return change === null || from === null ? [] : [{ view, change, from }];
    });
    const [self, others] = changed;
    if (self !== undefined && others !== undefined && self.change === others.change && self.from === others.from)
      return [tell(self.change, { asked, from: self.from })];
    return changed.map(({ view, change, from }) => tell(only(change, view), { asked, from }));
  }

  #present(user_id: string, entry: Entry): readonly Change[] {
    const [self, others] = views.map((view) => {
      const standing = entry.standing === null ? null : standingIn(user_id, entry.standing, view);
      const known = entry[view];
      return known === null || (standing !== null && isNewer(standing.diff, known.diff, view)) ? standing : known;
    });
    if (self != null && self === others) return [self];
    return [self != null ? only(self, 'self') : null, others != null ? only(others, 'others') : null].filter(
      (one) => one !== null,
    );
  }
}

/** The same for one view alone. */
export const only = (change: Change, view: View): Change =>
  change.diff.audience === view ? change : { ...change, diff: { ...change.diff, audience: view } };

/** As a change of nothing, so that whoever reads it needs no other words. */
function standingIn(user_id: string, standing: Standing, view: View): Change {
  const { state, source, since } = view === 'self' ? standing : standing.public;
  const diff: Diff = {
    user_id,
    audience: view,
    from: state,
    to: state,
    at: since,
    epoch: standing.epoch,
    version: standing.version,
    public_version: standing.public.version,
    cause: 'signal',
    source,
    device_id: null,
    trace_id: null,
    received_at: 0,
    log: 0,
    offset: 0,
  };
  return { diff, offset: -1, stamp: since };
}
