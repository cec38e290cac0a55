/** A stream connection that has said hello, as devices.ts keeps it: what it said, and whether it holds its device. */
import { PresenceError } from '../base/errors.ts';
import type { Source, State } from '../schemas/generated.ts';
import type { Connection, SaidState, SignalDraft } from './parts.ts';

/**
 * - `bound`: it holds the device; its beats count; it is on the wheel.
 * - `silent`: silence was said of it, its socket is open; a beat brings it back, by a restated hello.
 * - `waiting`: another connection here claims its device in another session (takeovers.ts); it goes on as if bound.
 * - `none`: after a goodbye or `offline`; only a hello or a heartbeat binds it anew. Also after it was replaced.
 */
export type Hold = 'bound' | 'silent' | 'waiting' | 'none';

/** One hello and what follows it. Cancelled with its hello: nothing of it must reach the log then. */
export interface Binding {
  cancelled: boolean;
}

/** A heartbeat that the outbox has: everything up to this seq is in the log once `done` resolves. */
export interface Written {
  readonly seq: number;
  readonly done: Promise<void>;
}

export class Speaker {
  readonly connection: Connection;
  readonly device_id: string;
  readonly session_id: string;
  readonly partition: number;
  /** User key and device id. */
  readonly key: string;
  hold: Hold = 'none';
  binding: Binding = { cancelled: false };
  /** The socket has closed without a goodbye; the device waits for its silence. */
  gone = false;
  /** What the session last said on this connection; null: nothing known, so whatever is stated is written. */
  state: State | null = null;
  source: Source | null = null;
  /** The highest seq that came on this connection; -1: none. */
  seq = -1;
  written: Written | null = null;
  /** The last beat, by loop time and by real (monotonic) time. */
  beatLoop = 0;
  beatReal = 0;
  /** Since when it waits, by loop time. */
  waitsLoop = 0;
  onWheel = false;

  constructor(connection: Connection, device_id: string, session_id: string, partition: number) {
    this.connection = connection;
    this.device_id = device_id;
    this.session_id = session_id;
    this.partition = partition;
    this.key = deviceKey(connection.userKey, device_id);
  }

  /** Whether it speaks for its device, as far as this gateway knows. */
  get speaks(): boolean {
    return this.hold === 'bound' || this.hold === 'waiting';
  }

  /** Whether this says anything else than what was last said here. A state without a source is the app's. */
  changes(said: SaidState): boolean {
    if (said.state !== undefined) return said.state !== this.state || (said.source ?? 'app') !== this.source;
    return said.source !== undefined && said.source !== this.source;
  }

  says(said: SaidState): void {
    if (said.state !== undefined) {
      this.state = said.state;
      this.source = said.source ?? 'app';
    } else if (said.source !== undefined) this.source = said.source;
  }

  /** What was said did not get out: whatever comes next is written. */
  forgetSaid(): void {
    this.state = null;
    this.source = null;
    this.written = null;
  }
}

export const deviceKey = (userKey: string, deviceId: string): string => `${userKey}\n${deviceId}`;

/** What only an override can say is refused before anything changes. */
export function checkSaid(said: SaidState): void {
  if (said.state === 'invisible') throw badInput('state: invisible is for overrides only');
  if (said.source === 'manual') throw badInput('source: manual is for overrides only');
}

export function badInput(message: string): PresenceError {
  return new PresenceError('BAD_INPUT', message, { at: 'stream', retriable: false });
}

const whoSpeaks = ({ connection, device_id, session_id }: Speaker) => ({
  user_id: connection.userKey,
  device_id,
  session_id,
  connection_id: connection.id,
});

export function helloDraft(speaker: Speaker, state: Speaker['state'], source: Speaker['source'], restated: boolean): SignalDraft {
  return { kind: 'hello', ...whoSpeaks(speaker), state, source, restated };
}

export function heartbeatDraft(speaker: Speaker, seq: number, { state, source }: SaidState): SignalDraft {
  return { kind: 'heartbeat', ...whoSpeaks(speaker), seq, state: state ?? null, source: source ?? null };
}

/** `silent_ms`: of a silence. */
export function endDraft(speaker: Speaker, kind: 'goodbye' | 'silence', silent_ms: number | null): SignalDraft {
  return { kind, ...whoSpeaks(speaker), silent_ms };
}

/** A property only where there is a value. */
export function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}
