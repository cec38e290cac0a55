/** What a naive reader makes of the signals of a partition: the laws that an outbox keeps. */
import { expect } from 'vitest';
import type { Signal } from '../../schemas/generated.ts';
import { addHolding, holdingHash } from '../../schemas/holdings.ts';

/** As a reader sees them: a resend repeats ordinals, and the repeats are dropped. */
function withoutRepeats(signals: readonly Signal[]): readonly Signal[] {
  let highest = 0;
  return signals.filter((signal) => {
    if (signal.kind === 'marker') return true;
    if (signal.ordinal <= highest) return false;
    highest = signal.ordinal;
    return true;
  });
}

/** The number and hash of the devices held after these signals. */
function holdingsAfter(signals: readonly Signal[]): { readonly devices: number; readonly devices_hash: number } {
  const held = new Map<string, number>();
  for (const { kind, user_id, device_id, connection_id, state } of signals) {
    const key = `${user_id} ${device_id}`;
    const hash = holdingHash(user_id, device_id ?? '', connection_id ?? '');
    if (kind === 'hello' && state !== 'offline') held.set(key, hash);
    if (kind === 'hello' && state === 'offline') held.delete(key);
    if ((kind === 'goodbye' || kind === 'silence') && held.get(key) === hash) held.delete(key);
  }
  const sum = { devices: 0, hash: 0 };
  for (const hash of held.values()) addHolding(sum, hash);
  return { devices: sum.devices, devices_hash: sum.hash };
}

/** One gateway's signals of one partition: no ordinal missing, and each marker says what lies before it. */
export function expectLedgerClosed(all: readonly Signal[]): void {
  const signals = withoutRepeats(all);
  const said = signals.filter(({ kind }) => kind !== 'marker');
  expect(said.map(({ ordinal }) => ordinal)).toEqual(said.map((_, i) => i + 1));
  let last = 0;
  signals.forEach((signal, i) => {
    if (signal.kind !== 'marker') {
      last = signal.ordinal;
      return;
    }
    // One batch is under way at a time, so a marker that is sent again has nothing newer before it.
    expect(signal.ordinal).toBe(last);
    expect({ devices: signal.devices, devices_hash: signal.devices_hash }).toEqual(holdingsAfter(signals.slice(0, i)));
  });
}
