import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGateway } from '../../gateway/index.ts';
import { type Rig, raw, refusedUpgrade, startRig } from './harness.ts';

const secret = 'a secret of at least sixty-four bytes: long enough for HS256, and for HS512 too';
let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ jwtSecret: secret, allowedOrigins: ['https://app.example.com'] });
});
afterAll(() => rig.close());

type Claims = Record<string, unknown>;
const sign = (claims: Claims, key = secret, alg = 'HS256'): Promise<string> =>
  new SignJWT({ sub: 'ada', scope: 'presence:read presence:write', exp: Math.floor(Date.now() / 1000) + 60, ...claims })
    .setProtectedHeader({ alg })
    .sign(new TextEncoder().encode(key));
const now = () => Math.floor(Date.now() / 1000);
const admin = () => sign({ scope: 'presence:read presence:write presence:admin' });

/** The beginning of a request written by hand. */
const query = (as: string) => `POST /presence/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${as}\r\n`;

describe('tokens', () => {
  test.each([
    ['none', async () => ''],
    ['one of another secret', () => sign({}, 'another secret, of at least thirty-two bytes, too')],
    ['one of another algorithm', () => sign({}, secret, 'HS512')],
    ['one that has ended', () => sign({ exp: now() - 10 })],
    ['one that has not begun', () => sign({ nbf: now() + 60 })],
    ['one without sub', () => sign({ sub: undefined })],
    ['one whose sub is no user_id', () => sign({ sub: 'a/b' })],
    ['one whose tenant is none', () => sign({ tenant: 'a/b' })],
    ['a development token', async () => 'dev:ada'],
    ['rubbish', async () => 'rubbish'],
    ['an unsigned one', async () => `${btoa('{"alg":"none"}')}.${btoa('{"sub":"ada"}')}.`],
  ])('%s is 401, over HTTP and at the upgrade', async (_, make) => {
    const as = await make();
    const response = await rig.fetch('/presence?user_ids=bob', { as });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ status: 401, code: 'bad_token', title: 'Unauthorized' });
    const refused = await refusedUpgrade(rig.url, { headers: as === '' ? {} : { authorization: `Bearer ${as}` } });
    expect(refused).toMatchObject({ status: 401, body: { code: 'bad_token' } });
  });

  test('a clock may be a few seconds off', async () => {
    expect((await rig.fetch('/presence?user_ids=bob', { as: await sign({ exp: now() - 2 }) })).status).toBe(200);
    expect((await rig.fetch('/presence?user_ids=bob', { as: await sign({ nbf: now() + 3 }) })).status).toBe(200);
  });

  test('each route asks for its scope', async () => {
    const rows: [string, string, string, unknown][] = [
      ['GET', '/presence?user_ids=a', 'presence:read', undefined],
      ['POST', '/presence/query', 'presence:read', { user_ids: [] }],
      ['GET', '/presence/history', 'presence:read', undefined],
      ['GET', '/presence/subscriptions', 'presence:read', undefined],
      ['PUT', '/presence/subscriptions', 'presence:read', { user_ids: [] }],
      ['POST', '/presence/subscriptions/add', 'presence:read', { user_ids: [] }],
      ['POST', '/presence/subscriptions/remove', 'presence:read', { user_ids: [] }],
      ['POST', '/presence/heartbeat', 'presence:write', { device_id: 'd', session_id: 's', seq: 1 }],
      ['POST', '/presence/override', 'presence:write', { state: 'dnd' }],
      ['DELETE', '/presence/override', 'presence:write', undefined],
    ];
    const every = ['presence:read', 'presence:write', 'presence:admin'];
    for (const [method, path, scope, json] of rows) {
      const others = every.filter((one) => one !== scope).join(' ');
      expect(
        (await rig.fetch(path, { method, json, as: await sign({ scope: others, sub: 'sc1' }) })).status,
        `${method} ${path} without ${scope}`,
      ).toBe(403);
      expect(
        (await rig.fetch(path, { method, json, as: await sign({ scope, sub: 'sc2' }) })).status,
        `${method} ${path} with ${scope}`,
      ).toBeLessThan(300);
    }
    expect(
      (await rig.fetch('/admin/drain', { method: 'POST', as: await sign({ scope: 'presence:read presence:write' }) })).status,
    ).toBe(403);
    const writer = { headers: { authorization: `Bearer ${await sign({ scope: 'presence:write' })}` } };
    expect(await refusedUpgrade(rig.url, writer)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  test('ids are separate per tenant, and an admin acts within their own', async () => {
    await rig.seed('bob');
    const read = async (claims: Claims) =>
      (await (await rig.fetch('/presence?user_ids=bob', { as: await sign(claims) })).json()) as { presences: unknown[] };
    expect((await read({})).presences).toMatchObject([{ user_id: 'bob', state: 'online' }]);
    expect((await read({ tenant: 'acme' })).presences).toMatchObject([{ user_id: 'bob', state: 'offline', version: 0 }]);
    const root = await sign({ sub: 'root', tenant: 'acme', scope: 'presence:read presence:admin' });
    expect((await rig.fetch('/presence/override?user_id=bob', { method: 'POST', json: { state: 'dnd' }, as: root })).status).toBe(
      202,
    );
    expect(await rig.signals('bob')).toEqual([]);
    expect(await rig.signals('acme/bob')).toMatchObject([{ kind: 'override_set', actor: 'acme/root' }]);
    // A gateway serves all tenants: theirs don't empty it.
    expect((await rig.fetch('/admin/drain', { method: 'POST', as: root })).status).toBe(403);
  });

  test('without keys a gateway stays on loopback, and both kinds of keys are one too many', async () => {
    const parts = { log: rig.log, codecs: rig.codecs, cache: rig.cache, store: rig.store } as unknown as Parameters<
      typeof createGateway
    >[0];
    await expect(createGateway({ ...parts, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'BAD_SETTING', at: 'HOST' });
    await expect(createGateway({ ...parts, jwtSecret: secret, jwksUrl: 'http://x' })).rejects.toMatchObject({
      code: 'BAD_SETTING',
    });
  });
});

describe('refusals of any route', () => {
  test('404 for what is not there, 405 with Allow for a wrong method', async () => {
    const nowhere = await rig.fetch('/presence/nothing', { as: '' });
    expect(nowhere.status).toBe(404);
    expect(await nowhere.json()).toMatchObject({ code: 'not_found' });
    const wrong = await rig.fetch('/presence/override', { method: 'PUT', as: '' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST, DELETE, GET, HEAD, OPTIONS');
    expect(await wrong.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  test('the stream without an upgrade is 426', async () => {
    const response = await rig.fetch('/presence/stream', { as: await sign({}) });
    expect(response.status).toBe(426);
    expect(response.headers.get('upgrade')).toBe('websocket');
  });

  test('415 for another type than JSON; no type at all is taken for it', async () => {
    const as = await sign({});
    const body = '{"user_ids":["a"]}';
    const send = async (type: string) =>
      (await raw(rig.url, [`${query(as)}${type}Content-Length: ${body.length}\r\n\r\n${body}`])).split(' ')[1];
    expect(await send('Content-Type: text/plain\r\n')).toBe('415');
    expect(await send('Content-Type: application/x-www-form-urlencoded\r\n')).toBe('415');
    expect(await send('Content-Type: application/json; charset=utf-8\r\n')).toBe('200');
    expect(await send('')).toBe('200');
  });

  test.each([
    ['no JSON', '{"user_ids":'],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['deep nesting', '['.repeat(100_000)],
  ])('400 for a body that is %s', async (_, body) => {
    const headers = { 'content-type': 'application/json' };
    expect((await rig.fetch('/presence/query', { method: 'POST', body, headers, as: await sign({}) })).status).toBe(400);
  });

  test('a body of 2 MiB is taken, one over it is 413, said or not, and the connection stays in step', async () => {
    const as = await sign({});
    const head = (more: string) => `${query(as)}Content-Type: application/json\r\n${more}\r\n\r\n`;
    const limit = 2 * 1024 * 1024;
    const body = (size: number) => '{"user_ids":["bob"]}'.padEnd(size, ' ');
    const piecesOf = (text: string) =>
      Array.from({ length: Math.ceil(text.length / 70_001) }, (_, i) => text.slice(i * 70_001, (i + 1) * 70_001));
    expect((await raw(rig.url, [head(`Content-Length: ${limit}`), ...piecesOf(body(limit))])).split(' ')[1]).toBe('200');
    expect((await raw(rig.url, [head(`Content-Length: ${limit + 1}`), ...piecesOf(body(limit + 1))])).split(' ')[1]).toBe('413');
    const chunk = piecesOf(body(limit + 100_000)).map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
    expect((await raw(rig.url, [head('Transfer-Encoding: chunked'), ...chunk, '0\r\n\r\n'])).split(' ')[1]).toBe('413');
    // Two requests on one connection: the second is answered although the first one's body was refused.
    const both = `${head(`Content-Length: ${limit + 1}`)}${body(limit + 1)}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n`;
    const answers = await new Promise<string>((resolve) => {
      let seen = '';
      void import('node:net').then(({ connect }) => {
        const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
        socket.on('data', (data) => {
          seen += data;
          if (seen.includes('404')) {
            socket.destroy();
            resolve(seen);
          }
        });
        socket.write(both);
      });
    });
    expect(answers).toMatch(/^HTTP\/1.1 413[\s\S]*HTTP\/1.1 404/);
  });

  test('aborted requests, at any byte, leave the process well', async () => {
    const { connect } = await import('node:net');
    const body = '{"user_ids":["bob"]}';
    const request = `${query(await admin())}Content-Length: ${body.length}\r\n\r\n${body}`;
    for (let cut = 1; cut <= request.length; cut += 3) {
      const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
      socket.on('error', () => {});
      await new Promise((written) => socket.write(request.slice(0, cut), written));
      socket.resetAndDestroy();
    }
    expect((await rig.fetch('/healthz', { as: '' })).status).toBe(200);
  });

  test('429 with Retry-After beyond the burst, for that user alone; 50 requests in a second are never refused', async () => {
    const small = await startRig({ rate: { rate: 50, burst: 50 } });
    const statuses = await Promise.all(
      Array.from({ length: 80 }, async () => small.fetch('/presence?user_ids=a', { as: 'dev:eager' })),
    );
    const refused = statuses.filter(({ status }) => status === 429);
    expect(statuses.length - refused.length).toBeGreaterThanOrEqual(50);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    expect((await small.fetch('/presence?user_ids=a', { as: 'dev:calm' })).status).toBe(200);
    await small.close();
    await expect(startRig({ rate: { rate: 49, burst: 100 } })).rejects.toMatchObject({ code: 'BAD_SETTING' });
  });
});

describe('browsers of other origins', () => {
  const preflight = (origin: string, path = '/presence/override') =>
    rig.fetch(path, {
      method: 'OPTIONS',
      as: '',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });

  test('an allowed one may ask, send and read', async () => {
    const response = await preflight('https://app.example.com');
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(response.headers.get('access-control-allow-methods')).toContain('DELETE');
    expect(response.headers.get('access-control-allow-headers')).toContain('authorization');
    const read = await rig.fetch('/presence?user_ids=a', { as: await sign({}), headers: { origin: 'https://app.example.com' } });
    expect(read.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(read.headers.get('vary')).toBe('Origin');
    // Refusals too, or the page could not say what was wrong.
    const refused = await rig.fetch('/presence?user_ids=a', { as: '', headers: { origin: 'https://app.example.com' } });
    expect(refused.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
  });

  test('any other may not, nor open a stream; this host itself may', async () => {
    expect((await preflight('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull();
    const headers = { authorization: `Bearer ${await sign({})}` };
    expect(await refusedUpgrade(rig.url, { headers, origin: 'https://evil.example.com' })).toMatchObject({ status: 403 });
    expect((await preflight(rig.url)).headers.get('access-control-allow-origin')).toBe(rig.url);
  });
});
