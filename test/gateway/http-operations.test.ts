import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { RouteSpec } from '../../gateway/http/route.ts';
import { routes } from '../../gateway/http/routes.ts';
import { refusalsOf } from '../../gateway/openapi.ts';
import { Client, eventually, type Rig, refusedUpgrade, startRig } from './harness.ts';

let rig: Rig;
let part = true;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pages-'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>Presence</title>');
  await writeFile(join(folder, 'app.js'), 'export {};');
  const probe = async () => {
    if (!part) throw new Error('it is away');
  };
  rig = await startRig({ pages: folder, checks: { topology: { required: false, probe } } });
});
afterAll(() => rig.close());

describe('health', () => {
  test('/healthz says ok to anyone', async () => {
    const response = await rig.fetch('/healthz', { as: '' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  test('/readyz names each part: ready, degraded once a part goes, not ready without the log', async () => {
    const ready = async () => {
      const response = await rig.fetch('/readyz', { as: '' });
      return {
        code: response.status,
        ...((await response.json()) as { status: string; checks: Record<string, { ok: boolean; detail?: string }> }),
      };
    };
    const first = await ready();
    expect(first).toMatchObject({ code: 200, status: 'ready' });
    expect(Object.keys(first.checks).sort()).toEqual(['cache', 'database', 'fan_out', 'log', 'outbox', 'topology']);
    part = false;
    rig.cache.down = true;
    expect(await ready()).toMatchObject({
      code: 200,
      status: 'degraded',
      checks: { topology: { ok: false, detail: 'it is away' }, cache: { ok: false } },
    });
    part = true;
    rig.cache.down = false;
    expect(await ready()).toMatchObject({ code: 200, status: 'ready' });
  });

  test('a part that was never there makes it not ready', async () => {
    const probe = () => Promise.reject(new Error('connection refused'));
    const waiting = await startRig({ checks: { registry: { required: false, probe } } });
    const response = await waiting.fetch('/readyz', { as: '' });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      status: 'not ready',
      checks: { registry: { ok: false, detail: 'connection refused' } },
    });
    await waiting.close();
  });

  test('/metrics is Prometheus text', async () => {
    const response = await rig.fetch('/metrics', { as: '' });
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toMatch(/presence_http_requests_total\{route="\/healthz",status="200"\} \d/);
  });
});

describe('pages', () => {
  test('/ is the index, files have their types and tags, HEAD has no body', async () => {
    const index = await rig.fetch('/', { as: '' });
    expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await index.text()).toContain('<title>Presence');
    const script = await rig.fetch('/app.js', { as: '' });
    expect(script.headers.get('content-type')).toContain('javascript');
    const again = await rig.fetch('/app.js', { as: '', headers: { 'if-none-match': script.headers.get('etag') as string } });
    expect(again.status).toBe(304);
    const head = await rig.fetch('/', { as: '', method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '38', '']);
    expect((await rig.fetch('/', { as: '', method: 'POST' })).status).toBe(405);
    expect((await rig.fetch('/..%2fpackage.json', { as: '' })).status).toBe(404);
  });
});

describe('/openapi.json', () => {
  type Operation = {
    parameters?: { name: string }[];
    requestBody?: { content: { 'application/json': { schema: unknown } } };
    responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
    security: unknown[];
  };
  const document = async () =>
    (await (await rig.fetch('/openapi.json', { as: '' })).json()) as {
      openapi: string;
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, unknown> };
    };

  test('every reference in it leads to a shape, not to itself', async () => {
    const all = await document();
    const names = [...JSON.stringify(all).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(all.components.schemas[name], name).toMatchObject({ type: 'object' });
  });

  test('has every route of the contract, and each route what it takes and answers', async () => {
    const { openapi, paths, components } = await document();
    expect(openapi).toBe('3.1.0');
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(listed.sort()).toEqual(
      [
        'POST /presence/heartbeat',
        'POST /presence/override',
        'DELETE /presence/override',
        'GET /presence/override',
        'GET /presence',
        'POST /presence/query',
        'GET /presence/history',
        'GET /presence/subscriptions',
        'PUT /presence/subscriptions',
        'POST /presence/subscriptions/add',
        'POST /presence/subscriptions/remove',
        'GET /healthz',
        'GET /readyz',
        'GET /metrics',
        'GET /asyncapi.json',
        'GET /openapi.json',
        'POST /admin/drain',
        'GET /presence/stream',
      ].sort(),
    );
    expect(Object.keys(components.schemas).sort()).toEqual(['HistoryEntry', 'Override', 'Presence', 'Problem']);
    expect(JSON.stringify(paths)).not.toContain('$defs');
    expect(paths['/presence']?.get?.parameters?.map(({ name }) => name)).toEqual(['user_ids']);
    expect(JSON.stringify(paths['/presence/query']?.post?.requestBody)).toContain('"maxItems":1000');
    expect(JSON.stringify(paths['/presence/heartbeat']?.post?.requestBody)).toContain('"maximum":3600000');
  });

  test('says what the server does: every success validates, every refusal is listed', async () => {
    const { paths } = await document();
    await rig.seed('doc', { override: { override_id: 'x1', state: 'dnd', until: null, reason: null, set_at: 1, actor: null } });
    const at = new Date(Date.now() - 1_000).toISOString();
    rig.store.histories.set('doc', [
      { epoch: 1, version: 1, from: 'offline', to: 'online', at, cause: 'signal', source: 'app', trace_id: null },
    ]);
    const samples: Record<string, { query?: string; json?: unknown }> = {
      'POST /presence/heartbeat': { json: { device_id: 'd', session_id: 's', seq: 1 } },
      'POST /presence/override': { json: { state: 'dnd' } },
      'GET /presence': { query: '?user_ids=doc,nobody' },
      'POST /presence/query': { json: { user_ids: ['doc'] } },
      'PUT /presence/subscriptions': { json: { user_ids: ['a', 'b'] } },
      'POST /presence/subscriptions/add': { json: { user_ids: ['c'] } },
      'POST /presence/subscriptions/remove': { json: { user_ids: ['a'] } },
      'POST /admin/drain': {},
    };
    for (const route of routes as unknown as RouteSpec<unknown, unknown>[]) {
      const name = `${route.method} ${route.path}`;
      if (route.path === '/admin/drain') continue; // Below: it would end the other tests' streams.
      const { query = '', json } = samples[name] ?? {};
      const call = (init: { as?: string; json?: unknown; query?: string }) =>
        rig.fetch(`${route.path}${init.query ?? query}`, {
          method: route.method,
          as: init.as ?? 'dev-admin:doc',
          json: 'json' in init ? init.json : json,
        });
      const listed = paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {};
      const good = await call({});
      const spec = route.responses[good.status];
      expect(spec, `${name} answered ${good.status}`).toBeDefined();
      expect(listed[good.status]).toBeDefined();
      if (spec?.schema !== undefined && spec.type === undefined)
        expect(z.safeParse(spec.schema, await good.json()).error, name).toBeUndefined();
      const bad = [
        ...(route.scope === null ? [] : [await call({ as: '' }), await call({ as: 'dev:' })]),
        ...(route.body === undefined ? [] : [await call({ json: { user_ids: 5, state: 5 } })]),
        ...(route.query === undefined ? [] : [await call({ query: '?user_id=a%20b&user_ids=a%20b&limit=x' })]),
      ];
      for (const response of bad) {
        const problem = (await response.json()) as { code: string; status: number };
        expect(refusalsOf(route), `${name}: ${JSON.stringify(problem)}`).toContain(problem.code);
        expect(Object.keys(listed[response.status]?.content ?? {})).toContain('application/problem+json');
        expect(response.headers.get('content-type')).toBe('application/problem+json');
      }
    }
  });
});

describe('/presence/subscriptions', () => {
  const ask = async (method: string, path: string, user_ids?: string[]) => {
    const response = await rig.fetch(`/presence/subscriptions${path}`, {
      method,
      as: 'dev:keeper',
      json: user_ids === undefined ? undefined : { user_ids },
    });
    return { status: response.status, body: (await response.json()) as { user_ids?: string[] } };
  };

  test('is kept, replaced, added to and taken from', async () => {
    expect(await ask('GET', '')).toEqual({ status: 200, body: { user_ids: [] } });
    expect(await ask('PUT', '', ['b', 'a'])).toEqual({ status: 200, body: { user_ids: ['b', 'a'] } });
    expect(await ask('POST', '/add', ['c', 'a'])).toEqual({ status: 200, body: { user_ids: ['b', 'a', 'c'] } });
    expect(await ask('POST', '/remove', ['b', 'x'])).toEqual({ status: 200, body: { user_ids: ['a', 'c'] } });
    expect(await ask('GET', '')).toEqual({ status: 200, body: { user_ids: ['a', 'c'] } });
  });

  test('10,000 are kept, more are refused', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => `u${i}`);
    expect((await ask('PUT', '', many)).status).toBe(200);
    expect((await ask('PUT', '', [...many, 'one-more'])).status).toBe(400);
    expect((await ask('POST', '/add', ['one-more'])).status).toBe(400);
    expect((await ask('GET', '')).body.user_ids).toHaveLength(10_000);
    expect((await ask('PUT', '', [])).body.user_ids).toEqual([]);
  });
});

describe('POST /admin/drain', () => {
  test('refuses new streams, tells those there to go, and closes them with 1012; HTTP is served on', async () => {
    const emptied = await startRig();
    const clients = await Promise.all(['a', 'b', 'c'].map((user) => new Client(emptied.url, { as: `dev:${user}` }).ready()));
    const response = await emptied.fetch('/admin/drain', { method: 'POST', as: 'dev-admin:root', json: { over_ms: 100 } });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ connections: 3, over_ms: 100 });
    expect(await refusedUpgrade(emptied.url, { headers: { authorization: 'Bearer dev:d' } })).toMatchObject({
      status: 503,
      body: { code: 'draining' },
      headers: { 'retry-after': '1' },
    });
    for (const client of clients) {
      const { reconnect_in_ms } = await client.next('drain');
      expect(reconnect_in_ms).toBeGreaterThanOrEqual(0);
      expect(await client.closed).toMatchObject({ code: 1012, reason: expect.stringContaining('Come back') });
    }
    expect((await emptied.fetch('/readyz', { as: '' })).status).toBe(503);
    expect((await emptied.fetch('/presence?user_ids=a')).status).toBe(200);
    expect((await emptied.fetch('/admin/drain', { method: 'POST', as: 'dev:ada' })).status).toBe(403);
    await emptied.close();
  });

  test('closing does the same, and no new request is taken', async () => {
    const ending = await startRig();
    const client = await new Client(ending.url).ready();
    const closed = ending.gateway.close({ within_ms: 400 });
    await client.next('drain');
    expect((await client.closed).code).toBe(1012);
    await closed;
    await eventually(async () => (await ending.fetch('/healthz').catch(() => undefined)) === undefined, 'the end of listening');
    await ending.log.close();
  });
});
