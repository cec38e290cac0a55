/**
 * What holds of each parser, whatever comes: it throws nothing but a refusal that the contract knows, what it lets through
 * has the shape that the code behind it relies on, and what the contract allows it takes. Run by the tests (a few thousand
 * each) and by `npm run fuzz`.
 */
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { expect } from 'vitest';
import { hasCode } from '../../../base/errors.ts';
import { positionOf } from '../../../connectors/cockroach/history.ts';
import { bearerOf, createAuthenticator, isBadToken } from '../../../gateway/auth.ts';
import { type Cursor, decodeCursor, encodeCursor } from '../../../gateway/cursor.ts';
import { parseJson } from '../../../gateway/http/call.ts';
import { readQuery } from '../../../gateway/http/dispatch.ts';
import { Problem, problemOf } from '../../../gateway/http/problem.ts';
import * as historyCursor from '../../../gateway/http/reading.ts';
import { openApiDocument } from '../../../gateway/openapi.ts';
import { patternsOf } from '../../../gateway/patterns.ts';
import { continueTrace } from '../../../gateway/trace.ts';
import { parse } from '../../../gateway/validation/faults.ts';
import { idPattern } from '../../../gateway/validation/ids.ts';
import * as requests from '../../../gateway/validation/requests.ts';
import { parseFrame } from '../../../gateway/ws/parse-frame.ts';
import { stateSymbols } from '../../../schemas/generated.ts';
import { faultsOf } from '../frame-schemas.ts';
import { anyBody, anyFrame, anyQuery, goodBodies, goodFrame, goodQueries, id, oddity, torn } from './grammar.ts';

export interface Named {
  readonly name: string;
  readonly property: fc.IRawProperty<unknown>;
}

const property = <T>(name: string, of: fc.Arbitrary<T>, holds: (value: T) => void | Promise<void>): Named => ({
  name,
  // A property of what it is given, for who runs all of them alike.
  property: fc.asyncProperty(of, async (value) => void (await holds(value))) as unknown as fc.IRawProperty<unknown>,
});

const { schemas } = (openApiDocument() as { components: { schemas: { Problem: object } } }).components;
const isProblem = new Ajv({ strict: false }).compile({ ...schemas.Problem, components: { schemas } });

/** What it gives, or undefined where it refuses as the contract says: 400, told what was wrong. */
function refusedOr<T>(parser: () => T): T | undefined {
  try {
    return parser();
  } catch (error) {
    const problem = problemOf(error);
    expect([400, 415], String((error as Error).stack)).toContain(problem.status);
    expect(isProblem(JSON.parse(JSON.stringify(problem.body()))), JSON.stringify(problem.body())).toBe(true);
    expect(problem.message.length).toBeLessThan(20_000);
    return undefined;
  }
}

const bytesOf = (frame: string | Buffer): ArrayBuffer => {
  const bytes = Buffer.from(frame as string);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
};
const bodySchemas = {
  heartbeat: requests.heartbeatBody,
  override: requests.overrideBody,
  users: requests.watchBody,
  drain: requests.drainBody,
};
const querySchemas = { presence: requests.presenceQuery, history: requests.historyQuery, other: requests.otherUserQuery };
const readBody = (what: keyof typeof bodySchemas, bytes: Buffer): Record<string, unknown> =>
  parse(bodySchemas[what] as never, parseJson(bytes, 'application/json'), 'body');
const query = (what: keyof typeof querySchemas, text: string) => readQuery(querySchemas[what] as never, text);

const frames: readonly Named[] = [
  property('frames: each is a frame or an error frame', fc.tuple(anyFrame, fc.boolean()), ([frame, binary]) => {
    const parsed = parseFrame(bytesOf(frame), binary);
    if ('frame' in parsed) {
      const { type, user_ids = [], device_id = 'd', seq = 0 } = parsed.frame as Record<string, unknown>;
      expect(['hello', 'token', 'heartbeat', 'subscribe', 'unsubscribe', 'resume', 'goodbye']).toContain(type);
      for (const one of [device_id, ...(user_ids as string[])]) expect(one).toMatch(idPattern);
      expect(Number.isSafeInteger(seq) && (seq as number) >= 0).toBe(true);
    } else {
      expect(faultsOf({ type: 'error', ...parsed })).toEqual([]);
      expect(['bad_frame', 'unknown_type', 'bad_input']).toContain(parsed.code);
      expect(parsed.detail.length).toBeLessThan(20_000);
    }
  }),
  property('frames: those of the contract are taken, field by field', goodFrame, (frame) => {
    expect(parseFrame(bytesOf(JSON.stringify(frame)), false)).toEqual({ frame });
  }),
];

const http: readonly Named[] = [
  property(
    'bodies: each is taken or a problem',
    fc.tuple(fc.constantFrom(...Object.keys(bodySchemas)), anyBody),
    ([what, bytes]) => {
      const body = refusedOr(() => readBody(what as keyof typeof bodySchemas, bytes));
      for (const one of (body?.user_ids ?? []) as string[]) expect(one).toMatch(idPattern);
      if (body?.state !== undefined) expect(stateSymbols).toContain(body.state);
    },
  ),
  ...Object.entries(goodBodies).map(([what, good]) =>
    property(`bodies: those of the contract are taken (${what})`, good as fc.Arbitrary<object>, (body) => {
      const said = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
      expect(readBody(what as keyof typeof goodBodies, Buffer.from(JSON.stringify(body)))).toMatchObject(said);
    }),
  ),
  property(
    'queries: each is taken or a problem',
    fc.tuple(fc.constantFrom(...Object.keys(querySchemas)), anyQuery),
    ([what, text]) => {
      const read = refusedOr(() => query(what as keyof typeof querySchemas, text)) as { user_ids?: string[] } | undefined;
      for (const one of read?.user_ids ?? []) expect(one).toMatch(idPattern);
    },
  ),
  ...Object.entries(goodQueries).map(([what, good]) =>
    property(`queries: those of the contract are taken (${what})`, good, (text) => {
      query(what as keyof typeof goodQueries, text);
    }),
  ),
  property(
    'traces: any header continues or begins one',
    fc.oneof(fc.string(), torn(fc.constant(`00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`))),
    (text) => {
      const { traceId, traceparent } = continueTrace(text);
      expect(traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-[0-9a-f]{2}$`));
    },
  ),
];

const sent = fc.record({ epoch: fc.maxSafeNat(), version: fc.maxSafeNat(), state: fc.constantFrom(...stateSymbols) });
const cursor: fc.Arbitrary<Cursor> = fc.record({
  at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  epoch: fc.maxSafeNat(),
  positions: fc.array(fc.oneof(fc.constant(-1), fc.maxSafeNat()), { minLength: 1, maxLength: 64 }),
  withheld: fc.array(fc.tuple(id, sent), { maxLength: 20 }).map((entries) => new Map(entries)),
  incomplete: fc.boolean(),
});
const pages = fc.tuple(id, fc.maxSafeNat(), fc.maxSafeNat(), fc.string());
const pageText = pages.map(([key, from, to, inner]) => historyCursor.encodeCursor({ key, from, to, cursor: inner }));
const ofBefore = fc
  .dictionary(fc.constantFrom('t', 'e', 'p', 'w', 'x'), oddity)
  .map((fields) => Buffer.from(JSON.stringify({ v: 1, ...fields })).toString('base64url'));

const cursors: readonly Named[] = [
  property('cursors: what was encoded is decoded', cursor, (one) => {
    expect(decodeCursor(encodeCursor(one))).toEqual(one);
  }),
  property(
    'cursors: one that was torn is refused, and no other text is more than of no use',
    fc.oneof(torn(cursor.map(encodeCursor)), ofBefore, torn(ofBefore), fc.string()),
    (text) => {
      try {
        const { positions, incomplete } = decodeCursor(text);
        // Torn so that it is whole again, or of before.
        if (!incomplete) expect(encodeCursor(decodeCursor(text)).length).toBe(text.length);
        expect(Array.isArray(positions)).toBe(true);
      } catch (error) {
        expect(hasCode(error, 'BAD_INPUT'), String((error as Error).stack)).toBe(true);
      }
    },
  ),
  property('history cursors: one of this user, or a refusal', fc.oneof(pageText, torn(pageText), fc.string()), (text) => {
    refusedOr(() => historyCursor.decodeCursor(text, 'ada'));
  }),
  property('history cursors: what was encoded is decoded, for its user alone', pages, ([key, from, to, inner]) => {
    const bounds = { key, from, to, cursor: inner };
    expect(historyCursor.decodeCursor(historyCursor.encodeCursor(bounds), key)).toEqual(bounds);
    expect(() => historyCursor.decodeCursor(historyCursor.encodeCursor(bounds), `${key}x`)).toThrow(Problem);
  }),
  property(
    "history cursors: the database's own is one of its own, or refused",
    fc.oneof(fc.string(), torn(fc.constant('cy4xLjI'))),
    (text) => {
      const position = refusedOr(() => positionOf(text, 'self'));
      if (position !== undefined) expect(position.every(Number.isSafeInteger)).toBe(true);
    },
  ),
];

const SECRET = 'a secret of at least thirty-two bytes, for HS256';
const development = createAuthenticator({ loopback: true });
const signed = createAuthenticator({ loopback: true, jwtSecret: SECRET });
const claim = fc.oneof(oddity, id);
const claims = fc.dictionary(fc.constantFrom('sub', 'tenant', 'scope', 'watch', 'exp', 'nbf', 'aud', 'iss'), claim);
const tokenOf = async (payload: Record<string, unknown>): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));

/** A principal whose every field can be relied on, or the token's fault. */
async function principalOr(
  verify: () => Promise<{ userId: string; tenant: string; userKey: string; ends: number }>,
): Promise<void> {
  try {
    const { userId, tenant, userKey, ends } = await verify();
    expect([userId, tenant].every((one) => idPattern.test(one))).toBe(true);
    expect([userId, `${tenant}/${userId}`]).toContain(userKey);
    expect(Number.isNaN(ends)).toBe(false);
  } catch (error) {
    expect(isBadToken(error), String((error as Error).stack)).toBe(true);
  }
}

const tokens: readonly Named[] = [
  property(
    'tokens: any text is a principal, or a bad token',
    fc.oneof(fc.string(), torn(id.map((user) => `dev:${user}`)), fc.base64String()),
    async (text) => {
      bearerOf(text);
      bearerOf(`Bearer ${text}`);
      await principalOr(() => development.verify(text));
      await principalOr(() => signed.verify(text));
    },
  ),
  property('tokens: any claims that are signed are a principal, or a bad token', claims, async (payload) => {
    const token = await tokenOf(payload).catch(() => undefined); // what no library signs
    if (token !== undefined) await principalOr(() => signed.verify(token));
  }),
  property('tokens: those of the contract are taken', fc.tuple(id, id), async ([sub, tenant]) => {
    expect(await development.verify(`dev:${sub}`)).toMatchObject({ userId: sub, tenant: 'default', userKey: sub });
    const token = await tokenOf({ sub, tenant, scope: 'presence:read other', exp: Math.floor(Date.now() / 1000) + 60 });
    const { scopes, ...principal } = await signed.verify(token);
    expect([principal.userId, principal.tenant, [...scopes]]).toEqual([sub, tenant, ['presence:read']]);
  }),
  property(
    'patterns: of any claim, match any user as a regular expression would',
    fc.tuple(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })),
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 }),
      oddity,
    ),
    ([texts, user, other]) => {
      patternsOf(other)?.match(user);
      const expected = texts.some((text) => new RegExp(`^${text.replaceAll('*', '.*')}$`).test(user));
      expect(patternsOf(texts)?.match(user)).toBe(expected);
    },
  ),
];

export const properties: readonly Named[] = [...frames, ...http, ...cursors, ...tokens];

/** What to say of a failure: the seed, the path to the smallest case, and the one command that repeats it. */
export function failureOf(name: string, run: fc.RunDetails<unknown>): string | null {
  if (!run.failed) return null;
  const { seed, counterexamplePath: path, counterexample } = run;
  const why = run.errorInstance instanceof Error ? run.errorInstance.message : String(run.errorInstance);
  return [
    `${name}: ${why}`,
    `with ${fc.stringify(counterexample)}`,
    `again: npm run fuzz -- --only '${name.replaceAll("'", "'\\''")}' --seed ${seed} --path ${path ?? ''}`,
  ].join('\n');
}
