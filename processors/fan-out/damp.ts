/**
 * damp: who changes too often is told of less often, and always with the newest state in the end.
 *
 * A user with more than `changes` changes within `within` is flapping, in each view by itself: what nobody else sees must not
 * slow down, and so give away, what they do see. While it lasts, watchers are told of one change in `within` / `most` (so at
 * most `most` in any such time); of those between, the newest waits, and goes out when its time has come or the flapping is
 * over. History and reads are not touched.
 *
 * Gateways are told when something begins to be withheld (`withheld`), so that the cursors they give say what each connection
 * was last told of such a user.
 *
 * State: of the users who changed within `within`, when they did, when watchers were last told, what waits. One with nothing to
 * wait for is forgotten.
 *
 * **Delivery and replay.** Pure: changes are counted by their own stamps, what waits goes out with the first record after its
 * time. Marks of gateways come every second, so it does so where nothing else happens, a second late at most. After a takeover
 * the newest of every flapping user is told again.
 */
import type { Told } from '../../schemas/generated.ts';
import { aName, aNumber, aTime, faultsOf, type Settings } from '../settings.ts';
import type { Millis } from '../time.ts';
import {
  type BoundFlow,
  type Change,
  type FlowStage,
  isNewer,
  type Known,
  type Spoken,
  sees,
  tell,
  type View,
  views,
} from './flow.ts';
import { only } from './newest.ts';

export interface DampOptions {
  /** More than this many changes within `within` are flapping. */
  readonly changes: number;
  readonly within: Millis;
  /** Changes of a flapping user that watchers are told of within `within`, at most. */
  readonly most: number;
  readonly store: string;
}

const settings: Settings<DampOptions> = { changes: aNumber, within: aTime, most: aNumber, store: aName };

export function damp(name: string, options: DampOptions): FlowStage<Known, Spoken> {
  const { changes, within, most, store } = options;
  return {
    spec: {
      kind: 'damp',
      name,
      config: { changes, within_ms: within, most },
      stores: [{ name: store, part: 'flapping' }],
      timers: [{ name: `${name}.wait`, after_ms: Math.ceil(within / most), clock: 'stamp' }],
      ...faultsOf('damp', options, settings),
    },
    bind: (place, next) => new DampStage(options, place, next),
  };
}

/** One view of one user. */
interface Gate {
  /** Stamps of the changes within `within`, oldest first; one more than are allowed is enough to know. */
  changes: number[];
  /** Since it began to flap: when watchers were last told. null: it does not. */
  toldAt: number | null;
  /** The newest change, told or not. */
  last: Change | null;
  /** `last` has not been told. */
  waits: boolean;
  /** It may have been, by the owner before: nobody was told here that something waits. */
  again: boolean;
}
type Gates = Readonly<Record<View, Gate>>;

const gate = (): Gate => ({ changes: [], toldAt: null, last: null, waits: false, again: false });

class DampStage implements BoundFlow<Known> {
  readonly #options: DampOptions;
  readonly #wait_ms: number;
  readonly #place: { readonly restoring: boolean };
  readonly #next: (event: Spoken) => void;
  /** In the order in which they last changed. */
  readonly #users = new Map<string, Gates>();
  /** Those of whom something waits. */
  readonly #waiting = new Set<string>();
  /** Nothing that waits is due earlier. */
  #due = Number.POSITIVE_INFINITY;

  constructor(options: DampOptions, place: { readonly restoring: boolean }, next: (event: Spoken) => void) {
    this.#options = options;
    this.#wait_ms = Math.ceil(options.within / options.most);
    this.#place = place;
    this.#next = next;
  }

  readonly entries = (): number => this.#users.size;

  readonly on = (event: Known): void => {
    if (!this.#place.restoring) this.#passTime(event.time);
    if (event.kind === 'diff') this.#change(event);
    else this.#next({ ...event, answers: event.answers.map((told) => this.#marked(told)) });
  };

  /** Before the takeover another may have withheld what is taken for told here. */
  readonly restored = (): void => {
    for (const [user, gates] of this.#users)
      for (const view of views) {
        const one = gates[view];
        if (one.toldAt === null || one.last === null) continue;
        one.waits = true;
        one.again = true;
        this.#waiting.add(user);
        this.#due = Number.NEGATIVE_INFINITY;
      }
  };

  #change(event: Extract<Known, { readonly kind: 'diff' }>): void {
    const user = event.diff.user_id;
    const gates = this.#users.get(user) ?? { self: gate(), others: gate() };
    this.#users.delete(user);
    this.#users.set(user, gates);
    const change: Change = { diff: event.diff, offset: event.offset, stamp: event.stamp };
    const judged = views
      .filter((view) => sees(event.diff, view))
      .map((view) => ({ view, is: this.#judge(gates[view], change, view) }));
    for (const is of ['told', 'withheld'] as const) {
      const to = judged.filter((one) => one.is === is).map(({ view }) => view);
      if (to.length > 0) this.#say(change, to, is === 'withheld');
    }
    if (views.some((view) => gates[view].waits)) this.#waiting.add(user);
    else this.#waiting.delete(user);
  }

  /** Counts it, and says what becomes of it: told, the first of some to be withheld, or one more of them. */
  #judge(one: Gate, change: Change, view: View): 'told' | 'withheld' | 'waits' {
    const { changes, within } = this.#options;
    // A repeat is no change.
    if (one.last !== null && !isNewer(change.diff, one.last.diff, view)) return one.waits ? 'waits' : 'told';
    one.last = change;
    one.changes = one.changes.filter((stamp) => stamp > change.stamp - within);
    one.changes.push(change.stamp);
    if (one.changes.length > changes + 1) one.changes.shift();
    const flapping = one.changes.length > changes;
    const passes = !flapping || one.toldAt === null || change.stamp >= one.toldAt + this.#wait_ms;
    if (!flapping) one.toldAt = null;
    else if (passes) one.toldAt = change.stamp;
    const began = one.waits && !one.again;
    one.waits = !passes;
    one.again = false;
    if (passes) return 'told';
    this.#due = Math.min(this.#due, this.#dueOf(one));
    return began ? 'waits' : 'withheld';
  }

  /** Its turn, or the end of the flapping: when as many changes as are allowed are left of the last ones. */
  #dueOf(one: Gate): number {
    const oldest = one.changes.length > this.#options.changes ? (one.changes[0] as number) : Number.NEGATIVE_INFINITY;
    return Math.min((one.toldAt ?? Number.NEGATIVE_INFINITY) + this.#wait_ms, oldest + this.#options.within);
  }

  #passTime(time: number): void {
    if (time >= this.#due) {
      this.#due = Number.POSITIVE_INFINITY;
      for (const user of [...this.#waiting].sort()) this.#release(user, this.#users.get(user) as Gates, time);
    }
    for (const [user, gates] of this.#users) {
      if (views.some((view) => gates[view].waits || (gates[view].changes.at(-1) ?? 0) > time - this.#options.within)) break;
      this.#users.delete(user);
    }
  }

  #release(user: string, gates: Gates, time: number): void {
    const due = views.filter((view) => gates[view].waits && this.#dueOf(gates[view]) <= time);
    for (const view of due) Object.assign(gates[view], { waits: false, again: false, toldAt: time });
    const [self, others] = due.map((view) => gates[view].last as Change);
    if (self !== undefined && self === others) this.#say(self, due, false);
    else for (const view of due) this.#say(gates[view].last as Change, [view], false);
    if (!views.some((view) => gates[view].waits)) this.#waiting.delete(user);
    else for (const view of views) if (gates[view].waits) this.#due = Math.min(this.#due, this.#dueOf(gates[view]));
  }

  #say(change: Change, to: readonly View[], withheld: boolean): void {
    const [view, more] = to;
    const said = view === undefined || more !== undefined ? change : only(change, view);
    this.#next({ kind: 'tell', told: tell(said, { withheld }) });
  }

  #marked(told: Told): Told {
    const gates = this.#users.get(told.diff.user_id);
    if (gates === undefined || !views.some((view) => sees(told.diff, view) && gates[view].waits)) return told;
    return { ...told, withheld: true };
  }
}
