/**
 * Rubbish, shaped and shapeless, through real sockets: the process lives, what is refused is refused as the contract
 * says, and what is well is served afterwards. A failure prints fast-check's seed and path; run it again with
 * `FC_SEED=<seed> npx vitest run test/gateway/fuzz.test.ts`.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client, type Rig, raw, startRig } from './harness.ts';

const run = (numRuns: number) => ({
  numRuns,
  ...(process.env.FC_SEED === undefined ? {} : { seed: Number(process.env.FC_SEED) }),
});

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ rate: { rate: 100_000, burst: 100_000 } });
});
afterAll(() => rig.close());

const words = ['hello', 'heartbeat', 'subscribe', 'unsubscribe', 'resume', 'goodbye', 'token', '__proto__', 'toString'];
const keys = ['type', 'device_id', 'session_id', 'seq', 'state', 'source', 'ack', 'user_ids', 'cursor', 'token', 'traceparent'];
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('online', 'offline', 'invisible', 'app', 'd1', 0, 2 ** 53, -1, true, ['a', 'b'], [''], null),
);
const shaped = fc
  .tuple(fc.constantFrom(...words), fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 6 }))
  .map(([type, fields]) => JSON.stringify({ ...fields, type }));
const frame = fc.oneof(
  { weight: 6, arbitrary: shaped },
  { weight: 1, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.uint8Array().map((bytes) => Buffer.from(bytes)) },
);

test('frames: each is taken or answered with an error, and the connection is kept', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 20 }), async (frames) => {
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
    run(40),
  );
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
