/**
 * The outline by hand against what avsc decodes. A failure prints fast-check's seed and path; with them in `fc.assert`'s
 * parameters `npx vitest run schemas/user-outline.test.ts` repeats it.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
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
