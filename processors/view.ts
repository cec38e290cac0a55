/**
 * One view of a user (their own, or what others see): what was emitted last, and what has been decided since.
 *
 * After each happening the view is worked out again. When its state becomes something else than it was, that
 * happening is what decided it; at the cut the state is compared with the one last emitted. A change of source
 * alone decides nothing.
 */
import { PresenceError } from '../base/errors.ts';
import type { Cause, Source, State } from '../schemas/generated.ts';

/** What decided a state: the happening, as diffs tell it. */
export interface Reason {
  readonly cause: Cause;
  /** The signal's stamp, or the deadline. */
  readonly at: number;
  readonly device: string | null;
  readonly trace: string | null;
  readonly received: number;
  readonly offset: number;
}

export class Decision {
  /** As last emitted. */
  state: State = 'offline';
  source: Source = 'inferred';
  since = 0;
  version = 0;
  /** As decided now. */
  now: State = 'offline';
  nowSource: Source = 'inferred';
  /** What decided it; null where nothing has since the last cut. */
  why: Reason | null = null;

  load(emitted: { readonly state: State; readonly source: Source; readonly since: number; readonly version: number }): void {
    this.state = emitted.state;
    this.source = emitted.source;
    this.since = emitted.since;
    this.version = emitted.version;
    this.now = emitted.state;
    this.nowSource = emitted.source;
  }

  /** Takes a state that is another than the one decided before, and why. */
  decide(state: State, source: Source, reason: Reason): void {
    this.nowSource = source;
    this.now = state;
    this.why = reason;
  }

  get changed(): boolean {
    return this.now !== this.state;
  }

  /** Whether the other view's change is the same diff. */
  sameChange(other: Decision): boolean {
    return (
      this.changed &&
      other.changed &&
      this.state === other.state &&
      this.now === other.now &&
      this.nowSource === other.nowSource &&
      sameReason(this.why, other.why)
    );
  }

  /** The change that is decided is being emitted; `why` is of it until the cut is over. */
  emit(): Reason {
    const { why } = this;
    if (why === null)
      throw new PresenceError('INTERNAL', 'A state that nothing decided.', { at: 'processors/view.ts', retriable: false });
    this.state = this.now;
    this.since = why.at;
    this.version += 1;
    return why;
  }

  /** The cut is over: what is decided is what was emitted. */
  settle(): void {
    this.source = this.nowSource;
    this.why = null;
  }
}

/** Whether both say the same of one happening. */
const sameReason = (a: Reason | null, b: Reason | null): boolean =>
  a === b || (a !== null && b !== null && a.at === b.at && a.cause === b.cause && a.device === b.device && a.offset === b.offset);
