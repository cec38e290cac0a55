/**
 * The outline by hand against what avsc decodes. A failure prints fast-check's seed and path; with them in `fc.assert`'s
 * parameters `npx vitest run schemas/user-outline.test.ts` repeats it.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { avroType, readSchema } from './avsc.ts';
import { sourceSymbols, stateSymbols, type UserState } from './generated.ts';
import { sampleValues } from './samples.ts';
import { outlineOf, UserOutline, userRecords } from './user-outline.ts';

const type = avroType(readSchema('UserState'));
const header = Buffer.from([0, 0, 0, 1, 200]);
let decoded = 0;
const codec = {
  encode: (value: UserState): Buffer => Buffer.concat([header, type.toBuffer(value)]),
  decode: (bytes: Buffer): UserState => {
    decoded += 1;
    return type.fromBuffer(bytes.subarray(header.length)) as UserState;
  },
};
const records = userRecords(codec);

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 200 }));
const long = fc.oneof(
  fc.integer(),
  fc.integer({ min: 0, max: 2 ** 52 }),
  fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 27, 2 ** 31, 2 ** 52, -(2 ** 52)),
);
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const said = { state: fc.constantFrom(...stateSymbols), source: fc.constantFrom(...sourceSymbols) };
const int = fc.integer({ min: 0, max: 2 ** 20 });

const users: fc.Arbitrary<UserState> = fc.record({
  user_id: text,
  epoch: long,
  version: long,
  ...said,
  since: long,
  last_seen: orNull(long),
  devices_live: int,
  streaming: fc.boolean(),
  override: orNull(
    fc.record({
      override_id: text,
      state: said.state,
      until: orNull(long),
      reason: orNull(text),
      set_at: long,
      actor: orNull(text),
    }),
  ),
  devices: fc.array(
    fc.record({
      device_id: text,
      session_id: text,
      seq: long,
      ...said,
      last_seen: long,
      connection_id: orNull(text),
      gateway_id: orNull(text),
      hold_ordinal: long,
      ttl_lease: orNull(long),
      grace_lease: orNull(long),
      forget_lease: orNull(long),
      silence_lease: orNull(long),
      spoke_at: long,
      trace: orNull(text),
      replaced: fc.array(fc.record({ session_id: text, until_lease: long }), { maxLength: 8 }),
    }),
    { maxLength: 6 },
  ),
  public: fc.record({
    version: long,
    ...said,
    since: long,
    last_seen: orNull(long),
    devices_live: int,
    streaming: fc.boolean(),
    ghosts: orNull(fc.array(fc.record({ device_id: text, ...said, grace_lease: long, trace: orNull(text) }), { maxLength: 4 })),
  }),
  log: int,
  offset: long,
});

const plain = ({ lease, stamp, devices, held, gateways, hashes }: UserOutline) => ({
  lease,
  stamp,
  devices,
  held: gateways.slice(0, held).map((gateway, i) => [gateway, hashes[i]]),
});

function outlines(user: UserState): void {
  const [skimmed, expected] = [new UserOutline(), new UserOutline()];
  records.outline(codec.encode(user), skimmed);
  outlineOf(user, expected);
  expect(plain(skimmed)).toEqual(plain(expected));
}

test('what is skimmed is what is decoded, and nothing is decoded for it', () => {
  decoded = 0;
  for (const sample of sampleValues.UserState as readonly UserState[]) outlines(sample);
  fc.assert(fc.property(users, outlines), { numRuns: 2_000 });
  expect(decoded).toBe(0);
});

test('a record of another schema is decoded', () => {
  decoded = 0;
  const bytes = codec.encode((sampleValues.UserState as readonly UserState[])[1] as UserState);
  bytes[4] = 9;
  const outline = new UserOutline();
  records.outline(bytes, outline);
  expect([decoded, outline.devices]).toEqual([1, 2]);
});

test('bytes too few or too many are refused as the codec refuses them', () => {
  const whole = codec.encode((sampleValues.UserState as readonly UserState[])[1] as UserState);
  for (let length = header.length; length < whole.length; length += 1)
    expect(() => records.outline(whole.subarray(0, length), new UserOutline()), `${length} bytes`).toThrow();
});

describe('a length below 0 is refused: it must not lead back to what has been read', () => {
  // Each field one byte: 0, and 2 for "there is one" and for a block of one item. 1 is a length of -1, and is met again as the
  // next field, so that without the rule all of it would fit to the last byte.
  const zeros = (n: number): readonly number[] => Array<number>(n).fill(0);
  interface Parts {
    readonly head?: readonly number[];
    readonly override?: readonly number[];
    readonly devices?: readonly number[];
    readonly ghosts?: readonly number[];
  }
  const record = ({ head = zeros(9), override = [0], devices = [0], ghosts = [0] }: Parts): Buffer =>
    Buffer.from([...header, ...head, ...override, ...devices, ...zeros(7), ...ghosts, ...zeros(2)]);
  const device = zeros(16);

  test('what they are made from is a record', () => {
    const outline = new UserOutline();
    records.outline(record({ devices: [2, ...device, 0], ghosts: [2, 2, ...zeros(5), 0] }), outline);
    expect(outline.devices).toBe(1);
  });

  test.for<[string, Parts]>([
    ['the user', { head: [1, ...zeros(7)] }],
    ['an override', { override: [2, 1, ...zeros(4)] }],
    ['its reason', { override: [2, ...zeros(3), 2, 1, 0] }],
    ['its actor', { override: [2, ...zeros(5), 2], devices: [1, 0, ...device, 0] }],
    ['a device', { devices: [2, 1, ...zeros(13), 0] }],
    ['its session', { devices: [2, 0, 1, ...zeros(13), 0] }],
    ['its connection', { devices: [2, ...zeros(6), 2, 1, ...zeros(8), 0] }],
    ['its gateway', { devices: [2, ...zeros(7), 2, 1, ...zeros(7), 0] }],
    ['its trace', { devices: [2, ...zeros(14), 2, 1, ...zeros(4), 0] }],
    ['a session before', { devices: [2, ...zeros(15), 2, 1, 0, 0] }],
    ['a ghost', { ghosts: [2, 2, 1, ...zeros(3), 0] }],
  ])('of %s', ([, parts]) => {
    expect(() => records.outline(record(parts), new UserOutline())).toThrow();
  });
});
