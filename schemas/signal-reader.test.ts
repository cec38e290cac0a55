/**
 * The reader by hand against avsc: what it reads is what avsc reads, and where it says nothing, avsc decides. A failure prints
 * fast-check's seed and path; `npx vitest run schemas/signal-reader.test.ts` with them in `fc.assert`'s parameters repeats it.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { avroType, readSchema } from './avsc.ts';
import { type Signal, signalKindSymbols, sourceSymbols, stateSymbols } from './generated.ts';
import { sampleValues } from './samples.ts';
import { SignalReader } from './signal-reader.ts';
import { SLOTS, Strings } from './strings.ts';

const type = avroType(readSchema('Signal'));
const reader = new SignalReader();
const read = (bytes: Buffer): Signal | null => reader.read(bytes, 0, bytes.length);

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 80 }), fc.constant(''));
const long = fc.oneof(
  fc.integer(),
  fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }),
  fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 27, 2 ** 28 - 1, 2 ** 52 - 1, -(2 ** 52)),
);
const wideLong = fc.oneof(long, fc.maxSafeInteger(), fc.constantFrom(2 ** 53 - 1, 1 - 2 ** 53));
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });

const signalsWith = (long: fc.Arbitrary<number>): fc.Arbitrary<Signal> =>
  fc.record({
    kind: fc.constantFrom(...signalKindSymbols),
    user_id: text,
    gateway_id: text,
    ordinal: long,
    received_at: long,
    held_ms: long,
    device_id: orNull(text),
    session_id: orNull(text),
    connection_id: orNull(text),
    seq: orNull(long),
    state: orNull(fc.constantFrom(...stateSymbols)),
    source: orNull(fc.constantFrom(...sourceSymbols)),
    ttl_ms: orNull(long),
    restated: fc.boolean(),
    silent_ms: orNull(long),
    devices: orNull(long),
    devices_hash: orNull(long),
    restated_from: orNull(long),
    override_id: orNull(text),
    until: orNull(long),
    ttl_s: orNull(fc.double()),
    reason: orNull(text),
    actor: orNull(text),
    epoch: orNull(long),
  });

const signals = signalsWith(long);

/** What avsc says: the value, or nothing where it refuses, or would leave bytes over. */
function byAvsc(bytes: Buffer): unknown {
  try {
    const { value, offset } = type.decode(bytes, 0);
    return offset === bytes.length ? value : null;
  } catch {
    return null;
  }
}

/** It may say nothing of what avsc reads, but never anything else. */
function expectAvsc(bytes: Buffer): void {
  const value = read(bytes);
  if (value !== null) expect(value).toStrictEqual(byAvsc(bytes));
}

describe('the reader of signals', () => {
  test('reads every value as avsc does, as a plain object with its fields in the same order', () => {
    fc.assert(
      fc.property(signals, (signal) => {
        const bytes = type.toBuffer(signal);
        const value = read(bytes);
        expect(value).toStrictEqual(byAvsc(bytes));
        expect(Object.keys(value ?? {})).toEqual(Object.keys(signal));
      }),
      { numRuns: 2_000 },
    );
    for (const value of sampleValues.Signal) expectAvsc(type.toBuffer(value));
  });

  test('says nothing of a value that is cut off or goes on, at whatever byte', () => {
    fc.assert(
      fc.property(signals, (signal) => {
        const bytes = type.toBuffer(signal);
        for (let end = 0; end < bytes.length; end += 1) expect(read(bytes.subarray(0, end))).toBeNull();
        expect(read(Buffer.concat([bytes, Buffer.from([0])]))).toBeNull();
        // Within a larger buffer the end is the value's, not the buffer's.
        const among = Buffer.concat([Buffer.from([1, 2, 3]), bytes, Buffer.from([4, 5])]);
        expect(reader.read(among, 3, 3 + bytes.length)).toStrictEqual(byAvsc(bytes));
        expect(reader.read(among, 3, 2 + bytes.length)).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  test('never reads anything else than avsc, whatever the bytes are', () => {
    const change = fc.tuple(fc.nat(200), fc.nat(255));
    fc.assert(
      fc.property(signalsWith(wideLong), fc.array(change, { minLength: 1, maxLength: 4 }), (signal, changes) => {
        const bytes = Buffer.from(type.toBuffer(signal));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        expectAvsc(bytes);
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => expectAvsc(Buffer.from(bytes))),
      { numRuns: 5_000 },
    );
  });

  test('knows the schema of today: whoever changes signal.avsc changes it too', () => {
    expect(
      (readSchema('Signal').fields as { name: string; type: unknown }[]).map(({ name, type: of }) => [name, shapeOf(of)]),
    ).toEqual([
      ['kind', 'enum'],
      ['user_id', 'string'],
      ['gateway_id', 'string'],
      ['ordinal', 'long'],
      ['received_at', 'long'],
      ['held_ms', 'long'],
      ['device_id', 'null|string'],
      ['session_id', 'null|string'],
      ['connection_id', 'null|string'],
      ['seq', 'null|long'],
      ['state', 'null|enum'],
      ['source', 'null|enum'],
      ['ttl_ms', 'null|long'],
      ['restated', 'boolean'],
      ['silent_ms', 'null|long'],
      ['devices', 'null|long'],
      ['devices_hash', 'null|long'],
      ['restated_from', 'null|long'],
      ['override_id', 'null|string'],
      ['until', 'null|long'],
      ['ttl_s', 'null|double'],
      ['reason', 'null|string'],
      ['actor', 'null|string'],
      ['epoch', 'null|long'],
    ]);
  });
});

function shapeOf(of: unknown): string {
  if (typeof of === 'string') return of;
  return Array.isArray(of) ? of.map(shapeOf).join('|') : shapeOf((of as { readonly type: unknown }).type);
}

describe('strings out of bytes', () => {
  test('are right however many fall into one slot, and the same object while they are remembered', () => {
    const strings = new Strings();
    const ids = Array.from({ length: SLOTS }, (_, i) => `user-${i}`);
    for (const id of [...ids, ...ids]) {
      const bytes = Buffer.from(`..${id}..`);
      expect(strings.read(bytes, 2, id.length) === id).toBe(true);
    }
  });
});
