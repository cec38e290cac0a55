/**
 * What happens in a partition, in one order: a signal, a gateway's sign of life, a deadline, the cut that ends
 * a window. One happening passes through the whole chain before the next (stage.ts, "Depth first").
 *
 * Along the chain it is the same object, filled in stage by stage; the types say how far it has come, so that
 * stages in a wrong order do not compile: Heard → Accepted → Ranked → Lived.
 */
import type { Cause, Signal, Source, State } from '../schemas/generated.ts';
import type { Gateway } from './gateway.ts';
import type { Device, Ghost, UnwrittenBeat, User } from './record.ts';

export type HappeningKind =
  | 'signal' // a record of the input
  | 'gateway_heard' // before each record of a gateway: it lives
  | 'repeat' // a record that was dropped, but that a restore's tail could not tell from a beat
  | 'override_due'
  | 'gateway_due'
  | 'device_due'
  | 'ghost_due'
  | 'beat_due' // a beat that was not written for long enough
  | 'cut'; // the window ends

/** Out of the source: what happens, and when. */
export interface Heard {
  readonly kind: HappeningKind;
  /** The partition's time, ms: of the signal, or the deadline. */
  readonly stamp: number;
  /** The lease clock, ms. */
  readonly lease: number;
  /** After a hole, how much of the coming steps the lease clock leaves out. */
  readonly settle: number;
  /** The input record: the signal's own, or the one at which the deadline was found passed. */
  readonly offset: number;
  readonly signal: Signal | null;
  readonly traceparent: string | null;
  readonly gateway: Gateway | null;
  readonly user: User | null;
  readonly device: Device | null;
  readonly ghost: Ghost | null;
  readonly beat: UnwrittenBeat | null;
}

/** Out of dedupe: nothing repeated, nothing from who may not speak. `device` is there for hello, heartbeat, goodbye, silence. */
export interface Accepted extends Heard {
  /** same: the device's session goes on; first: the device was not known; later: it replaced another one just now. */
  readonly session: 'none' | 'same' | 'first' | 'later';
}

/** Out of windowedPrecedence: claims and override are up to date, each device ranked. */
export interface Ranked extends Accepted {
  /** What a device said of itself. */
  readonly said: 'nothing' | 'same' | 'other' | 'offline';
  /** What became of the user's override. */
  readonly override: 'kept' | 'set' | 'cleared' | 'expired';
  /** drawn: the user became invisible; lifted: no longer. */
  readonly veil: 'as it was' | 'drawn' | 'lifted';
  /** An override that others saw is gone, or another one is there. */
  readonly replaces: boolean;
}

/** Out of offlineTimeout: who lives is known, and so both views. */
export interface Lived extends Ranked {
  /** A beat: nothing changed but seq, last_seen and ttl. */
  readonly onlyBeat: boolean;
  /** Why, if this decides something: for the user's own view and for what others see. */
  readonly cause: Cause;
  readonly publicCause: Cause;
  /** The device that did, where one did. */
  readonly decidedBy: string | null;
  readonly publicDecidedBy: string | null;
  /** traceparent of the signal behind it; of a goodbye, at the end of its grace. */
  readonly trace: string | null;
  /** Both views as they are now; after a beat they are as before, and not said again. */
  readonly selfState: State;
  readonly selfSource: Source;
  readonly publicState: State;
  readonly publicSource: Source;
}

export class Happening implements Lived {
  kind: HappeningKind = 'signal';
  stamp = 0;
  lease = 0;
  settle = 0;
  offset = 0;
  signal: Signal | null = null;
  traceparent: string | null = null;
  gateway: Gateway | null = null;
  user: User | null = null;
  device: Device | null = null;
  ghost: Ghost | null = null;
  beat: UnwrittenBeat | null = null;

  session: Accepted['session'] = 'none';
  said: Ranked['said'] = 'nothing';
  override: Ranked['override'] = 'kept';
  veil: Ranked['veil'] = 'as it was';
  replaces = false;
  onlyBeat = false;
  cause: Cause = 'signal';
  publicCause: Cause = 'signal';
  decidedBy: string | null = null;
  publicDecidedBy: string | null = null;
  trace: string | null = null;
  selfState: State = 'offline';
  selfSource: Source = 'inferred';
  publicState: State = 'offline';
  publicSource: Source = 'inferred';

  /** Ready for the next happening. The clocks and the offset stay. */
  clear(kind: HappeningKind): void {
    this.kind = kind;
    this.signal = null;
    this.traceparent = null;
    this.gateway = null;
    this.user = null;
    this.device = null;
    this.ghost = null;
    this.beat = null;
    this.session = 'none';
    this.said = 'nothing';
    this.override = 'kept';
    this.veil = 'as it was';
    this.replaces = false;
    this.onlyBeat = false;
    this.cause = 'signal';
    this.publicCause = 'signal';
    this.decidedBy = null;
    this.publicDecidedBy = null;
    this.trace = null;
  }

  copy(): Happening {
    return Object.assign(new Happening(), this);
  }
}
