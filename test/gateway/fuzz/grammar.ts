/** What clients may say, as the contract has it (not as our schemas do), and what goes wrong with it on the way. */
import fc from 'fast-check';

const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+=-'];
export const id = fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: 128 });
const ids = fc.array(id, { maxLength: 30 });
const seq = fc.maxSafeNat();
const deviceState = fc.constantFrom('dnd', 'busy', 'online', 'away', 'offline');
const source = fc.constantFrom('app', 'inferred');
const maybe = { requiredKeys: [] as [] };
const said = fc.record({ state: deviceState, source, traceparent: fc.string({ maxLength: 80 }) }, maybe);

const merged = <A extends object, B extends object>(a: fc.Arbitrary<A>, b: fc.Arbitrary<B>) =>
  fc.tuple(a, b).map(([one, other]) => ({ ...one, ...other }));

/** Frames that must be taken. */
export const goodFrame: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  merged(fc.record({ type: fc.constant('hello'), device_id: id, session_id: id }), said),
  fc.record({ type: fc.constant('token'), token: fc.string({ minLength: 1, maxLength: 200 }) }),
  merged(fc.record({ type: fc.constant('heartbeat'), seq, ack: fc.boolean() }, { requiredKeys: ['type', 'seq'] }), said),
  fc.record({ type: fc.constantFrom('subscribe', 'unsubscribe'), user_ids: ids }),
  fc.record(
    { type: fc.constant('resume'), cursor: fc.string({ minLength: 1, maxLength: 300 }), user_ids: ids },
    { requiredKeys: ['type', 'cursor'] },
  ),
  fc.record({ type: fc.constant('goodbye') }),
);

const soon = fc.integer({ min: 1, max: 1_000_000 }).map((s) => new Date(Date.now() + 60_000 + s * 1_000).toISOString());
const reason = fc.option(fc.string({ maxLength: 200 }));
const state = fc.constantFrom('dnd', 'busy', 'online', 'away', 'offline', 'invisible');

/** Bodies that must be taken, by the request that they are of. */
export const goodBodies = {
  heartbeat: fc.record(
    { device_id: id, session_id: id, seq, state: deviceState, source, ttl_ms: fc.integer({ min: 1_000, max: 3_600_000 }) },
    { requiredKeys: ['device_id', 'session_id', 'seq'] },
  ),
  override: fc.oneof(
    fc.record({ state, until: soon, reason }, { requiredKeys: ['state'] }),
    fc.record({ state, ttl_s: fc.integer({ min: 1, max: 86_400 }), reason }, { requiredKeys: ['state'] }),
  ),
  users: fc.record({ user_ids: ids }),
} satisfies Record<string, fc.Arbitrary<object>>;

const window = fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.constantFrom('s', 'm', 'h', 'd')).map((two) => two.join(''));
const query = (parameters: Record<string, string | undefined>): string =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value as string)}`)
    .join('&');

/** Query strings that must be taken. */
export const goodQueries = {
  presence: fc.array(id, { minLength: 1, maxLength: 30 }).map((many) => query({ user_ids: many.join(',') })),
  history: fc
    .record({ user_id: id, window, limit: fc.integer({ min: 1, max: 1_000 }).map(String) }, { requiredKeys: ['user_id'] })
    .map(query),
  other: fc.record({ user_id: id }, maybe).map(query),
} satisfies Record<string, fc.Arbitrary<string>>;

const names = [
  ...['type', 'device_id', 'session_id', 'seq', 'state', 'source', 'ack', 'user_ids', 'cursor', 'token', 'traceparent'],
  ...['ttl_ms', 'ttl_s', 'until', 'reason', 'user_id', 'window', 'from', 'to', 'limit', '__proto__', 'constructor', ''],
];
const words = ['hello', 'heartbeat', 'subscribe', 'unsubscribe', 'resume', 'goodbye', 'token', '__proto__', 'toString'];
const oddities = [
  ...['online', 'invisible', 'app', 'manual', 'd1', '', ' ', 'a'.repeat(129), '\u0000', '\ud800', '１', 'ada\n', '1e3', 'NaN'],
  ...[0, -0, -1, 0.5, 2 ** 53, -(2 ** 63), 1e308, true, null],
  ...[[], [''], ['a', 'b'], [['a']], {}, { length: 1 }],
];
export const oddity: fc.Arbitrary<unknown> = fc.oneof(fc.constantFrom(...oddities), fc.jsonValue({ maxDepth: 3 }));

/** Something good of which one field was changed, left out, or added. */
const bent = <T extends object>(good: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.tuple(good, fc.constantFrom(...names), oddity, fc.boolean()).map(([one, name, value, drop]) => {
    const fields = { ...one } as Record<string, unknown>;
    if (drop) delete fields[name];
    else Object.defineProperty(fields, name, { value, enumerable: true });
    return fields;
  });

/** Text of which a piece was cut out, doubled, or written over. */
export const torn = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(
      text,
      fc.nat(),
      fc.nat({ max: 20 }),
      fc.oneof(fc.constant(''), fc.string(), fc.constantFrom('%', '&&', '"', '\\', '\0')),
    )
    .map(([whole, at, length, put]) => {
      const from = whole.length === 0 ? 0 : at % whole.length;
      return whole.slice(0, from) + put + whole.slice(from + length);
    });

const shaped = fc
  .tuple(fc.constantFrom(...words), fc.dictionary(fc.constantFrom(...names), oddity, { maxKeys: 6 }))
  .map(([type, fields]) => ({ ...fields, type }));
const json = (value: fc.Arbitrary<object>): fc.Arbitrary<string> => value.map((one) => JSON.stringify(one));

/** What comes in place of a frame. */
export const anyFrame: fc.Arbitrary<string | Buffer> = fc.oneof(
  { weight: 6, arbitrary: json(shaped) },
  { weight: 6, arbitrary: json(bent(goodFrame)) },
  { weight: 3, arbitrary: torn(json(goodFrame)) },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
);

const goodBody: fc.Arbitrary<object> = fc.oneof(...Object.values(goodBodies));
/** What comes in place of a body. */
export const anyBody: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 4, arbitrary: json(bent(goodBody)).map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: torn(json(goodBody)).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
);

/** What comes in place of a query. */
export const anyQuery: fc.Arbitrary<string> = fc.oneof(
  torn(fc.oneof(...Object.values(goodQueries))),
  fc.webQueryParameters(),
  fc.dictionary(fc.constantFrom(...names), fc.string()).map(query),
  fc.string(),
);
