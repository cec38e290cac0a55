/**
 * diff: what changed, once a window.
 *
 * State: of each user what was emitted last, for the user's own view and for what others see: state, source, since,
 * version; and the beats that no record holds yet (beats.ts).
 *
 * After each happening a user's views are compared with what was decided before; what decides a change is kept (view.ts).
 * At the cut each touched user's record is written, and each view whose state is another than the one last
 * emitted makes a diff: one for `all` where both views changed alike, else one for `self` and one for `others`.
 * A version rises by one with each diff of its view. A new epoch (a cut signal) goes on counting: versions never
 * go back, so that (epoch, version) does not either, and in an epoch they have no gaps.
 *
 * **Delivery and replay.** Pure. Records are written in order of user key, so are diffs; a record of a user is written only
 * at cuts, and bears the input offset up to which it holds.
 */
import type { Audience, Diff, UserState } from '../schemas/generated.ts';
import type { Lived } from './happening.ts';
import type { User } from './record.ts';
import type { Scope, Written } from './scope.ts';
import { aName, aTime, faultsOf, type Settings } from './settings.ts';
import { type BoundStage, defineStage, type Stage, type StageLogic } from './stage.ts';
import type { Millis } from './time.ts';
import type { Decision, Reason } from './view.ts';

export interface DiffOptions {
  /** A beat that changes nothing else is written so long after it came, at the latest (lease clock). */
  readonly flush: Millis;
  readonly store: string;
}

/** What one cut says: in order of user key. */
export interface Changes {
  readonly states: readonly Written<UserState>[];
  readonly diffs: readonly Written<Diff>[];
}

const settings: Settings<DiffOptions> = { flush: aTime, store: aName };

export function diff(name: string, options: DiffOptions): Stage<Lived, Changes> {
  const { flush, store } = options;
  return defineStage<Lived, Changes>(
    {
      kind: 'diff',
      name,
      config: { flush_ms: flush },
      stores: [{ name: store, part: 'emitted' }],
      timers: [{ name: `${name}.flush`, after_ms: flush, clock: 'lease' }],
      ...faultsOf('diff', options, settings),
    },
    (scope, next) => {
      scope.flush = flush;
      return new DiffStage(scope, next);
    },
  );
}

class DiffStage implements BoundStage<Lived> {
  private readonly scope: Scope;
  private readonly next: StageLogic<Changes>;

  constructor(scope: Scope, next: StageLogic<Changes>) {
    this.scope = scope;
    this.next = next;
  }

  readonly entries = (): number => this.scope.users.known;

  readonly on = (lived: Lived): void => {
    const { scope } = this;
    const { kind, user, signal } = lived;
    if (kind === 'cut') this.cut(lived);
    else if (user === null) {
      if (kind === 'signal' && signal?.kind === 'cut' && signal.epoch !== null && signal.epoch > scope.epoch)
        scope.epoch = signal.epoch;
    } else if (kind === 'repeat' || kind === 'beat_due') scope.touch(user);
    else if (lived.onlyBeat) scope.beats.add(user, lived.offset, lived);
    else this.decide(lived, user);
  };

  private decide(lived: Lived, user: User): void {
    const { self, others } = user;
    let why: Reason | null = null;
    if (self.now !== lived.selfState) {
      why = reason(lived, lived.cause, lived.decidedBy);
      self.decide(lived.selfState, lived.selfSource, why);
    } else self.nowSource = lived.selfSource;
    if (others.now !== lived.publicState) {
      const alike = lived.publicCause === lived.cause && lived.publicDecidedBy === lived.decidedBy;
      if (why === null || !alike) why = reason(lived, lived.publicCause, lived.publicDecidedBy);
      others.decide(lived.publicState, lived.publicSource, why);
    } else others.nowSource = lived.publicSource;
    user.trace = lived.trace;
    this.scope.touch(user);
  }

  private cut(lived: Lived): void {
    const { scope } = this;
    const touched = scope.touched.sort(byKey);
    scope.touched = [];
    const states: Written<UserState>[] = [];
    const diffs: Written<Diff>[] = [];
    for (const user of touched) {
      user.touched = false;
      user.epoch = scope.epoch;
      user.offset = lived.offset;
      scope.beats.written(user);
      if (user.self.changed || user.others.changed) this.compare(user, diffs);
      user.self.settle();
      user.others.settle();
      states.push(written(user.user_id, user.record(), user.trace));
      user.trace = null;
    }
    this.next({ states, diffs });
  }

  private compare(user: User, diffs: Written<Diff>[]): void {
    const { self, others } = user;
    const selfFrom = self.state;
    const othersFrom = others.state;
    const alike = self.sameChange(others);
    const seen = others.changed;
    if (self.changed) {
      const why = self.emit();
      if (alike) others.emit();
      diffs.push(toDiff(user, alike ? 'all' : 'self', self, selfFrom, why));
    }
    if (seen && !alike) {
      const why = others.emit();
      diffs.push(toDiff(user, 'others', others, othersFrom, why));
    }
  }
}

const byKey = (a: User, b: User): number => (a.user_id < b.user_id ? -1 : a.user_id > b.user_id ? 1 : 0);

function reason(lived: Lived, cause: Reason['cause'], device: string | null): Reason {
  // A gateway's death or return is nobody's signal; what it did is measured by the deadline.
  const received = lived.kind === 'signal' || lived.kind === 'gateway_heard' ? (lived.signal?.received_at ?? 0) : 0;
  return { cause, at: lived.stamp, device, trace: lived.trace, received, offset: lived.offset };
}

const written = <V>(key: string, value: V, traceparent: string | null): Written<V> =>
  traceparent === null ? { key, value } : { key, value, traceparent };

/** The trace-id of a W3C traceparent. */
const traceId = (traceparent: string | null): string | null =>
  traceparent === null ? null : (traceparent.split('-')[1] ?? null);

function toDiff(user: User, audience: Audience, view: Decision, from: Diff['from'], why: Reason): Written<Diff> {
  const value: Diff = {
    user_id: user.user_id,
    audience,
    from,
    to: view.state,
    at: why.at,
    epoch: user.epoch,
    version: user.self.version,
    public_version: user.others.version,
    cause: why.cause,
    source: view.nowSource,
    device_id: why.device,
    trace_id: traceId(why.trace),
    received_at: why.received,
    log: user.log,
    offset: why.offset,
  };
  return written(user.user_id, value, why.trace);
}
