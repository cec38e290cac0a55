/**
 * Rubbish, shaped and shapeless: through the parsers in process (fuzz/properties.ts; `npm run fuzz` runs more of them), and
 * through real sockets, where the process lives, what is refused is refused as the contract says and changes nothing, and
 * what is well is served afterwards. A failure prints seed and path, and the command that repeats it; of those through sockets
 * run again with `FC_SEED=<seed> npx vitest run test/gateway/fuzz.test.ts`.
 */
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiDocument } from '../../gateway/openapi.ts';
import { parseFrame } from '../../gateway/ws/parse-frame.ts';
import { anyBody, anyFrame, anyQuery } from './fuzz/grammar.ts';
import { failureOf, properties } from './fuzz/properties.ts';
import { Client, type Rig, raw, startRig } from './harness.ts';

const run = (numRuns: number) => ({
  numRuns,
  ...(process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) }),
});

describe('parsers', () => {
  test.each(properties)('$name', { timeout: 120_000 }, async ({ name, property }) => {
    expect(failureOf(name, await fc.check(property, run(2_000)))).toBeNull();
  });
});

let rig: Rig;
beforeAll(async () => {
  const fast = { rate: 100_000, burst: 100_000 };
  rig = await startRig({ rate: fast, queryRate: fast });
});
afterAll(() => rig.close());

test('frames: each is taken or answered with an error, and the connection is kept', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame, { minLength: 1, maxLength: 20 }), async (frames) => {
      const client = await new Client(rig.url, { as: 'dev:fuzz' }).ready();
      for (const one of frames) client.say(one);
      // Frames are handled in order: when this is answered, so were all of them.
      client.say({ type: 'subscribe', user_ids: ['the-last-one'] });
      for (;;) {
        const { presences } = await client.next('snapshot');
        if (presences.some(({ user_id }: { user_id: string }) => user_id === 'the-last-one')) break;
      }
      for (const { code } of client.frames.filter(({ type }) => type === 'error'))
        expect(['bad_frame', 'unknown_type', 'bad_input', 'bad_token', 'hello_first']).toContain(code);
      client.socket.terminate();
    }),
    run(60),
  );
});

const isRefused = (frame: string | Buffer): boolean => {
  const bytes = Buffer.from(frame as string);
  const binary = typeof frame !== 'string';
  return 'code' in parseFrame(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer, binary);
};

test('what is refused changes nothing: no signal, no kept list, no override, no watch', { timeout: 60_000 }, async () => {
  const user = 'fuzz-refused';
  const client = await new Client(rig.url, { as: `dev:${user}` }).ready();
  const { schemas } = (openApiDocument() as { components: { schemas: { Problem: object } } }).components;
  const isProblem = new Ajv({ strict: false }).compile({ ...schemas.Problem, components: { schemas } });
  const acts = ['POST /presence/heartbeat', 'POST /presence/override', 'PUT /presence/subscriptions'] as const;
  await fc.assert(
    fc.asyncProperty(anyFrame.filter(isRefused), fc.constantFrom(...acts), anyBody, anyQuery, async (frame, act, body, query) => {
      client.say(frame);
      expect(await client.next('error')).toMatchObject({ code: expect.stringMatching(/^(bad_frame|unknown_type|bad_input)$/) });
      const [method = '', path = ''] = act.split(' ');
      // No JSON ends so, whatever came before.
      const bytes = Buffer.concat([body, Buffer.from('{')]);
      const answer = await rig.fetch(path, { method, as: `dev:${user}`, body: new Uint8Array(bytes) });
      expect([answer.status, isProblem(await answer.json())]).toEqual([400, true]);
      const read = await rig.fetch(`/presence/history?${query.replaceAll('#', '')}`, { as: `dev:${user}` });
      expect([200, 400, 403, 414]).toContain(read.status);
      if (read.status !== 200) expect(isProblem(await read.json())).toBe(true);
    }),
    run(200),
  );
  expect(await rig.signals(user)).toEqual([]);
  expect(rig.gateway.parts.fanOut.interest(user)).toEqual([]);
  expect(client.frames.filter(({ type }) => type !== 'welcome')).toEqual([]);
  client.socket.terminate();
});

const line = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'BREW', ''),
      fc.webPath(),
      fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/3', ''),
    )
    .map((parts) => parts.join(' ')),
  fc
    .tuple(fc.constantFrom('/presence', '/presence/history', '/presence/override', '/'), fc.webQueryParameters())
    .map(([path, query]) => `GET ${path}?${query} HTTP/1.1`),
  fc.string(),
);
const header = fc.oneof(
  fc.constantFrom(
    'Host: x',
    'Authorization: Bearer dev-admin:fuzz',
    'Content-Type: application/json',
    'Content-Length: 5',
    'Content-Length: -1',
    'Content-Length: 99999999999999999999',
    'Transfer-Encoding: chunked',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==',
    'traceparent: 00-x',
    'Origin: null',
  ),
  fc.string().map((text) => `x: ${text.replaceAll('\n', '')}`),
);
const request = fc
  .tuple(line, fc.array(header, { maxLength: 8 }), fc.string())
  .map(([first, headers, body]) => `${first}\r\n${headers.map((one) => `${one}\r\n`).join('')}\r\n${body}`);

test('requests: answered below 500, or cut off, and the next one is served', async () => {
  await fc.assert(
    fc.asyncProperty(request, fc.integer({ min: 0, max: 60 }), async (text, cut) => {
      const answer = await raw(rig.url, cut === 0 ? [text] : [text.slice(0, cut), text.slice(cut)], { give_up_ms: 30 });
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
      if (status !== undefined) expect(Number(status) < 500 || status === '505').toBe(true);
      expect((await rig.fetch('/healthz', { as: '' })).status).toBe(200);
    }),
    run(150),
  );
});
