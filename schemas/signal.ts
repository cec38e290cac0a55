/**
 * Signals: which fields each kind needs (what Avro cannot say), and a way to write them in short.
 *
 * The rules are contract.md's ("Rules of presence", "HTTP"). Fields that a kind does not need are not
 * looked at: a reader must not stop at what a later version says more.
 */
import { type Signal, type SignalKind, signalKindSymbols } from './generated.ts';

/** A signal in short: what is left out is the schema's default. */
export type SignalDraft = Pick<Signal, 'kind'> & Partial<Omit<Signal, 'kind'>>;

const blank: Omit<Signal, 'kind'> = {
  user_id: '',
  gateway_id: '',
  ordinal: 0,
  received_at: 0,
  held_ms: 0,
  device_id: null,
  session_id: null,
  connection_id: null,
  seq: null,
  state: null,
  source: null,
  ttl_ms: null,
  restated: false,
  silent_ms: null,
  devices: null,
  devices_hash: null,
  restated_from: null,
  override_id: null,
  until: null,
  ttl_s: null,
  reason: null,
  actor: null,
  epoch: null,
};

/** The whole signal of a draft. */
export const signal = (draft: SignalDraft): Signal => ({ ...blank, ...draft });

/** contract.md: user_id, device_id, session_id; ours (gateways, connections, overrides) keep to it too. */
export const ID_PATTERN = /^[A-Za-z0-9._:@|+=-]{1,128}$/;
const ID_LENGTH_MAX = 128;
const inIds = Uint8Array.from({ length: 128 }, (_, code) => (ID_PATTERN.test(String.fromCharCode(code)) ? 1 : 0));

/** The same as the pattern, on part of a text; several times as fast. */
function isId(text: string, from = 0): boolean {
  const { length } = text;
  if (length === from || length - from > ID_LENGTH_MAX) return false;
  for (let i = from; i < length; i += 1) if (inIds[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** user_id, or tenant/user_id. */
function isKey(text: string): boolean {
  const slash = text.indexOf('/');
  return slash < 0 ? isId(text) : isId(text.slice(0, slash)) && isId(text, slash + 1);
}

type Check = (signal: Signal, faults: string[]) => void;
type TextField = 'device_id' | 'session_id' | 'connection_id' | 'gateway_id' | 'override_id';
type NumberField =
  | 'ordinal'
  | 'received_at'
  | 'held_ms'
  | 'seq'
  | 'ttl_ms'
  | 'silent_ms'
  | 'devices'
  | 'devices_hash'
  | 'restated_from'
  | 'until'
  | 'epoch';

/** Of what can be nobody's id: faults are logged. */
const describe = (value: string): string => JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);

/** Ids that must be there. */
const ids =
  (...fields: readonly TextField[]): Check =>
  (signal, faults) => {
    for (const field of fields) {
      const value = signal[field];
      if (value === null || value === '') faults.push(`${field} is missing`);
      else if (!isId(value)) faults.push(`${field} ${describe(value)} is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -`);
    }
  };

/** A whole number within bounds that must be there. */
const whole =
  (field: NumberField, min: number, max: number = Number.MAX_SAFE_INTEGER): Check =>
  (signal, faults) => {
    const value = signal[field];
    if (value === null) faults.push(`${field} is missing`);
    else if (!Number.isSafeInteger(value) || value < min || value > max)
      faults.push(`${field} ${value} is not a whole number from ${min} to ${max}`);
  };

const wholeIfThere =
  (field: NumberField, min: number, max: number = Number.MAX_SAFE_INTEGER): Check =>
  (signal, faults) => {
    if (signal[field] !== null) whole(field, min, max)(signal, faults);
  };

const user: Check = (signal, faults) => {
  if (!isKey(signal.user_id)) faults.push(`user_id ${describe(signal.user_id)} is not a user's key (user_id or tenant/user_id)`);
};

const noUser: Check = (signal, faults) => {
  if (signal.user_id !== '') faults.push('a user_id on a signal without a user');
};

/** What a device says of itself: anything but what only an override can. */
const said: Check = (signal, faults) => {
  if (signal.state === 'invisible') faults.push('state invisible is for overrides only');
  if (signal.source === 'manual') faults.push('source manual is for overrides only');
};

const heldOrTimed: Check = (signal, faults) => {
  if (signal.connection_id === null) whole('ttl_ms', 1)(signal, faults);
  else {
    ids('connection_id', 'gateway_id')(signal, faults);
    if (signal.ttl_ms !== null) faults.push('ttl_ms on a heartbeat of a connection');
  }
};

const overrideEnd: Check = (signal, faults) => {
  if (signal.state === null) faults.push('state is missing');
  if (signal.until !== null && signal.ttl_s !== null) faults.push('until and ttl_s together');
  wholeIfThere('until', 0)(signal, faults);
  if (signal.ttl_s !== null && !(signal.ttl_s > 0 && Number.isFinite(signal.ttl_s)))
    faults.push(`ttl_s ${signal.ttl_s} is not above 0`);
};

const holdings: Check = (signal, faults) => {
  if ((signal.devices === null) !== (signal.devices_hash === null)) faults.push('devices and devices_hash go together');
  wholeIfThere('devices', 0)(signal, faults);
  wholeIfThere('devices_hash', 0, 0xffff_ffff)(signal, faults);
  wholeIfThere('restated_from', 0)(signal, faults);
};

const always: readonly Check[] = [whole('ordinal', 0), whole('received_at', 0), whole('held_ms', 0)];

const checks: Readonly<Record<SignalKind, readonly Check[]>> = {
  hello: [user, ids('device_id', 'session_id', 'connection_id', 'gateway_id'), said],
  heartbeat: [user, ids('device_id', 'session_id'), whole('seq', 0), said, heldOrTimed],
  goodbye: [user, ids('device_id', 'connection_id', 'gateway_id')],
  silence: [user, ids('device_id', 'connection_id', 'gateway_id'), whole('silent_ms', 0)],
  override_set: [user, ids('override_id'), overrideEnd],
  override_cleared: [user],
  marker: [noUser, ids('gateway_id'), holdings],
  tick: [noUser],
  cut: [noUser, whole('epoch', 1)],
};

const isWhole = (value: number | null, min: number): boolean => value !== null && value >= min && Number.isSafeInteger(value);
const isIdThere = (value: string | null): boolean => value !== null && isId(value);

/** A heartbeat without fault, which nearly every signal is: the checks of its kind at once, without a list of faults. */
function isSound(signal: Signal): boolean {
  const { connection_id, ttl_ms } = signal;
  const spoken = connection_id === null ? isWhole(ttl_ms, 1) : isId(connection_id) && isId(signal.gateway_id) && ttl_ms === null;
  return (
    spoken &&
    isKey(signal.user_id) &&
    isIdThere(signal.device_id) &&
    isIdThere(signal.session_id) &&
    isWhole(signal.seq, 0) &&
    isWhole(signal.ordinal, 0) &&
    isWhole(signal.received_at, 0) &&
    isWhole(signal.held_ms, 0) &&
    signal.state !== 'invisible' &&
    signal.source !== 'manual'
  );
}

/** What is wrong with a signal, all of it in one message; null if nothing is. */
export function checkSignal(signal: Signal): string | null {
  if (signal.kind === 'heartbeat' && isSound(signal)) return null;
  const faults: string[] = [];
  for (const check of always) check(signal, faults);
  for (const check of checks[signal.kind]) check(signal, faults);
  return faults.length === 0 ? null : `${signal.kind}: ${faults.join('; ')}`;
}

/** For tests and tools: every kind there is. */
export const signalKinds: readonly SignalKind[] = signalKindSymbols;
