/**
 * One view of a user (their own, or what others see): what was emitted last, and what has been decided since.
 *
 * After each happening the view is worked out again. When its state becomes something else than it was, that
 * happening is what decided it; at the cut the state is compared with the one last emitted. A change of source
 * alone decides nothing.
 */
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
  cause: Cause = 'signal';
  at = 0;
  device: string | null = null;
  trace: string | null = null;
  received = 0;
  offset = 0;

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
    this.cause = reason.cause;
    this.at = reason.at;
    this.device = reason.device;
    this.trace = reason.trace;
    this.received = reason.received;
    this.offset = reason.offset;
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
      this.at === other.at &&
      this.cause === other.cause &&
      this.device === other.device &&
      this.offset === other.offset
    );
  }

  /** What is decided becomes what is emitted. */
  emit(): void {
    if (this.changed) {
      this.state = this.now;
      this.since = this.at;
      this.version += 1;
    }
    this.source = this.nowSource;
  }
}
