import { describe, expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { readSchema, type SchemaName } from './avsc.ts';
import { type Codecs, createCodecs } from './codec.ts';
import { createEmbeddedRegistry } from './embedded-registry.ts';
import { sampleValues } from './samples.ts';
import { signal } from './signal.ts';

const hello = signal({
  kind: 'hello',
  user_id: 'ada',
  gateway_id: 'g1',
  ordinal: 1,
  device_id: 'd',
  session_id: 's',
  connection_id: 'c',
});

const codecOf = (codecs: Codecs, name: SchemaName) =>
  ({
    Signal: codecs.signal,
    UserState: codecs.userState,
    PartitionState: codecs.partitionState,
    Diff: codecs.diff,
    Interest: codecs.interest,
    Audit: codecs.audit,
    Delivery: codecs.delivery,
    Route: codecs.route,
    RoutedDelivery: codecs.routedDelivery,
  })[name] as { encode(value: unknown): Buffer; decode(bytes: Buffer): unknown };

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'no error';
  } catch (error) {
    return error instanceof PresenceError ? `${error.code}: ${error.message}` : String(error);
  }
}

describe('codecs', () => {
  test('every value comes back as a plain object equal to what was written, byte for byte the same each time', async () => {
    const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
    for (const [name, values] of Object.entries(sampleValues)) {
      const codec = codecOf(codecs, name as SchemaName);
      for (const value of values) {
        const bytes = codec.encode(value);
        expect(bytes[0]).toBe(0);
        expect(codec.decode(bytes)).toStrictEqual(value);
        expect(Object.getPrototypeOf(codec.decode(bytes))).toBe(Object.prototype);
        expect(codec.encode(value).equals(bytes)).toBe(true);
        expect(codec.encode(codec.decode(bytes)).equals(bytes)).toBe(true);
        expect(bytes.buffer.byteLength - bytes.length).toBeLessThan(8 * 1024); // a copy, not a view of the growing buffer
      }
    }
  });

  test('a value beyond the buffer makes it grow, and what was encoded before stays as it was', async () => {
    const { interest } = await createCodecs({ registry: createEmbeddedRegistry() });
    const small = { watcher: 'ada', user_ids: ['bob'], updated_at: 1, revision: 'r' };
    const big = { ...small, user_ids: Array.from({ length: 10_000 }, (_, i) => `user-${i}`) };
    const first = interest.encode(small);
    const copy = Buffer.from(first);
    expect(interest.decode(interest.encode(big))).toStrictEqual(big);
    expect(first.equals(copy)).toBe(true);
  });

  test('bytes that are no value of the type are UNDECODABLE, and say why', async () => {
    const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
    const good = codecs.signal.encode(hello);
    const withId = (id: number) => {
      const bytes = Buffer.from(good);
      bytes.writeUInt32BE(id, 1);
      return bytes;
    };
    const body = (codec: { encode(value: never): Buffer }, value: unknown, ...tail: number[]) =>
      Buffer.concat([codec.encode(value as never).subarray(0, 5), Buffer.from(tail)]);
    const interest = { watcher: '', user_ids: [], updated_at: 0, revision: '' };
    const table: readonly [string, Buffer, keyof Omit<Codecs, 'prepare'>, RegExp][] = [
      ['empty', Buffer.alloc(0), 'signal', /not in Confluent wire format/],
      ['JSON', Buffer.from('{"kind":"hello"}'), 'signal', /not in Confluent wire format/],
      ['a header alone', good.subarray(0, 5), 'signal', /ends too early/],
      ['cut short', good.subarray(0, -1), 'signal', /ends too early/],
      ['a byte too many', Buffer.concat([good, Buffer.from([0])]), 'signal', /1 bytes too many/],
      [
        'an enum symbol that is not there',
        Buffer.concat([good.subarray(0, 5), Buffer.from([0x7e]), good.subarray(6)]),
        'signal',
        /invalid/,
      ],
      ['an id not met', withId(4_000_000), 'signal', /was not prepared/],
      ['the id of another type', codecs.diff.encode(sampleValues.Diff[0]!), 'signal', /cannot be read/],
      [
        'a field that its kind needs is missing',
        codecs.signal.encode({ ...hello, device_id: null }),
        'signal',
        /hello: device_id is missing/,
      ],
      // watcher '', then an array that says it holds 2^40 items
      [
        'an array longer than its bytes',
        body(codecs.interest, interest, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
        'interest',
        /longer than the bytes/,
      ],
      // watcher '', one item whose length is -2: it must not lead back to the count, for ever
      ['a string of negative length', body(codecs.interest, interest, 0, 2, 3, 0, 0, 0, 0, 0), 'interest', /ends too early/],
      ['a number beyond 2^53-1', body(codecs.signal, hello, 0, 0, 0, ...Array(9).fill(0xff), 1), 'signal', /beyond 2\^53-1/],
    ];
    for (const [what, bytes, name, message] of table) {
      const said = codeOf(() => codecs[name].decode(bytes));
      expect(said, what).toMatch(/^UNDECODABLE/);
      expect(said, what).toMatch(message);
    }
  });

  test('a value that is not of its type is not written, and the error names the field', async () => {
    const { signal: codec } = await createCodecs({ registry: createEmbeddedRegistry() });
    expect(codeOf(() => codec.encode({ ...hello, seq: 1.5 }))).toMatch(/^INTERNAL: Signal: .*seq/);
    expect(codeOf(() => codec.encode({ ...hello, ordinal: 2 ** 60 }))).toMatch(/^INTERNAL/);
  });

  test('what an earlier or later version wrote is read into the fields of today', async () => {
    const registry = createEmbeddedRegistry();
    const today = readSchema('Interest') as { fields: { name: string }[] };
    const older = { ...today, fields: today.fields };
    const later = { ...today, fields: [{ name: 'note', type: 'string', default: '' }, ...today.fields] };
    const now = await createCodecs({ registry, schemas: { Interest: older } });
    const next = await createCodecs({ registry, schemas: { Interest: later } });
    const value = { watcher: 'ada', user_ids: ['bob', 'cy'], updated_at: 5, revision: 'r' };

    const old = now.interest.encode(value);
    await next.prepare([old, null, old]);
    expect(next.prepare([old])).toBeUndefined();
    expect(next.interest.decode(old)).toStrictEqual({ note: '', ...value });

    const newer = next.interest.encode({ note: 'hi', ...value } as never);
    await now.prepare([newer]);
    expect(now.interest.decode(newer)).toStrictEqual(value);
  });

  test('an id unknown to the registry is asked for once; an unreachable registry rejects and is asked again', async () => {
    const embedded = createEmbeddedRegistry();
    const asked: number[] = [];
    let down = true;
    const registry: SchemaRegistry = {
      ...embedded,
      schema: async (id) => {
        asked.push(id);
        if (down) throw new PresenceError('LOG_UNAVAILABLE', 'down', { at: 'registry', retriable: true });
        return embedded.schema(id);
      },
    };
    const codecs = await createCodecs({ registry });
    const strange = codecs.signal.encode(hello);
    strange.writeUInt32BE(99, 1);

    await expect(codecs.prepare([strange])).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retriable: true });
    down = false;
    await Promise.all([codecs.prepare([strange]), codecs.prepare([strange, strange])]);
    expect(asked).toEqual([99, 99]);
    expect(codecs.prepare([strange])).toBeUndefined();
    expect(codeOf(() => codecs.signal.decode(strange))).toMatch(/the registry has no Avro schema with id 99/);
  });
});
