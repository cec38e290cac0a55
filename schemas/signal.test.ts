import { expect, test } from 'vitest';
import { sampleValues } from './samples.ts';
import { checkSignal, type SignalDraft, signal, signalKinds } from './signal.ts';

const ids = { user_id: 'ada', gateway_id: 'g', device_id: 'd', session_id: 's', connection_id: 'c' } as const;
const http = { user_id: 'ada', gateway_id: 'g', device_id: 'd', session_id: 's', seq: 0, ttl_ms: 1 } as const;

test('every kind of signal with all that it needs is accepted', () => {
  for (const value of sampleValues.Signal) expect(checkSignal(value)).toBeNull();
  expect([...new Set(sampleValues.Signal.map((value) => value.kind))].sort()).toEqual([...signalKinds].sort());
});

test('what a kind lacks, or has too much of, is named', () => {
  const table: readonly [SignalDraft, string][] = [
    [{ kind: 'hello', ...ids, user_id: '' }, `hello: user_id "" is not a user's key (user_id or tenant/user_id)`],
    [{ kind: 'hello', ...ids, user_id: 'a/b/c' }, `hello: user_id "a/b/c" is not a user's key (user_id or tenant/user_id)`],
    [{ kind: 'hello', ...ids, user_id: '/b' }, `hello: user_id "/b" is not a user's key (user_id or tenant/user_id)`],
    [{ kind: 'hello', ...ids, user_id: 'ada\n' }, `hello: user_id "ada\\n" is not a user's key (user_id or tenant/user_id)`],
    [{ kind: 'hello', ...ids, device_id: null }, 'hello: device_id is missing'],
    [
      { kind: 'hello', ...ids, device_id: 'a/b' },
      'hello: device_id "a/b" is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -',
    ],
    [
      { kind: 'hello', ...ids, session_id: 'é' },
      'hello: session_id "é" is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -',
    ],
    [{ kind: 'hello', ...ids, connection_id: null }, 'hello: connection_id is missing'],
    [{ kind: 'hello', ...ids, gateway_id: '' }, 'hello: gateway_id is missing'],
    [{ kind: 'hello', ...ids, state: 'invisible' }, 'hello: state invisible is for overrides only'],
    [{ kind: 'hello', ...ids, ordinal: -1 }, 'hello: ordinal -1 is not a whole number from 0 to 9007199254740991'],
    [{ kind: 'heartbeat', ...ids }, 'heartbeat: seq is missing'],
    [{ kind: 'heartbeat', ...ids, seq: -1 }, 'heartbeat: seq -1 is not a whole number from 0 to 9007199254740991'],
    [{ kind: 'heartbeat', ...ids, seq: 1, ttl_ms: 5 }, 'heartbeat: ttl_ms on a heartbeat of a connection'],
    [{ kind: 'heartbeat', ...http, ttl_ms: null }, 'heartbeat: ttl_ms is missing'],
    [{ kind: 'heartbeat', ...http, ttl_ms: 0 }, 'heartbeat: ttl_ms 0 is not a whole number from 1 to 9007199254740991'],
    [{ kind: 'heartbeat', ...http, source: 'manual' }, 'heartbeat: source manual is for overrides only'],
    [{ kind: 'goodbye', ...ids, connection_id: null }, 'goodbye: connection_id is missing'],
    [{ kind: 'silence', ...ids }, 'silence: silent_ms is missing'],
    [{ kind: 'override_set', user_id: 'ada', state: 'dnd' }, 'override_set: override_id is missing'],
    [{ kind: 'override_set', user_id: 'ada', override_id: 'o' }, 'override_set: state is missing'],
    [{ kind: 'override_set', user_id: 'ada', override_id: 'o', state: 'dnd', ttl_s: 0 }, 'override_set: ttl_s 0 is not above 0'],
    [
      { kind: 'override_set', user_id: 'ada', override_id: 'o', state: 'dnd', ttl_s: Number.NaN },
      'override_set: ttl_s NaN is not above 0',
    ],
    [
      { kind: 'override_set', user_id: 'ada', override_id: 'o', state: 'dnd', until: 1, ttl_s: 1 },
      'override_set: until and ttl_s together',
    ],
    [{ kind: 'marker', gateway_id: 'g', devices: 1 }, 'marker: devices and devices_hash go together'],
    [
      { kind: 'marker', gateway_id: 'g', devices: 1, devices_hash: 2 ** 32 },
      'marker: devices_hash 4294967296 is not a whole number from 0 to 4294967295',
    ],
    [{ kind: 'tick', user_id: 'ada' }, 'tick: a user_id on a signal without a user'],
    [{ kind: 'cut' }, 'cut: epoch is missing'],
    [{ kind: 'cut', epoch: 0 }, 'cut: epoch 0 is not a whole number from 1 to 9007199254740991'],
  ];
  for (const [draft, message] of table) expect(checkSignal(signal(draft))).toBe(message);
});

test('all faults come in one message', () => {
  expect(checkSignal(signal({ kind: 'heartbeat', ttl_ms: 0.5 }))?.split('; ')).toEqual([
    `heartbeat: user_id "" is not a user's key (user_id or tenant/user_id)`,
    'device_id is missing',
    'session_id is missing',
    'seq is missing',
    'ttl_ms 0.5 is not a whole number from 1 to 9007199254740991',
  ]);
});
