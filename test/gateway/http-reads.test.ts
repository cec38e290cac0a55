import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HistoryEntry, Presence } from '../../schemas/presence.ts';
import { type Rig, raw, seen, startRig } from './harness.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const presences = async (response: Response): Promise<Presence[]> => {
  expect(response.status).toBe(200);
  return ((await response.json()) as { presences: Presence[] }).presences;
};
const get = (userIds: string, as?: string) => rig.fetch(`/presence?user_ids=${userIds}`, as === undefined ? {} : { as });

describe('GET /presence', () => {
  test('answers in the order asked, repeats included; who was never seen is offline', async () => {
    await rig.seed('bob');
    const found = await presences(await get('nobody,bob,bob'));
    expect(found.map(({ user_id, state }) => [user_id, state])).toEqual([
      ['nobody', 'offline'],
      ['bob', 'online'],
      ['bob', 'online'],
    ]);
    const { fresh_at, ...never } = found[0] as Presence;
    expect(never).toEqual({
      user_id: 'nobody',
      state: 'offline',
      source: 'inferred',
      since: null,
      last_seen: null,
      stale: false,
      epoch: 0,
      version: 0,
      devices: 0,
    });
    // As fresh as the partition that the user would be in: null where nothing was ever confirmed there.
    expect(fresh_at === null || typeof fresh_at === 'string').toBe(true);
    const bob = found[1] as Presence;
    expect(bob).toMatchObject({ source: 'app', epoch: 7, version: 1, devices: 1, stale: false });
    // On a stream: last seen when last confirmed.
    expect(bob.last_seen).toBe(bob.fresh_at);
    expect(bob.since).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('an invisible user is offline to others, and sees the truth', async () => {
    const others = {
      ...seen('iris').public,
      version: 2,
      state: 'offline' as const,
      source: 'inferred' as const,
      devices_live: 0,
      streaming: false,
    };
    await rig.seed('iris', { state: 'invisible', source: 'manual', version: 3, public: others });
    const [toOthers] = await presences(await get('iris', 'dev:eve'));
    const [toSelf] = await presences(await get('iris', 'dev:iris'));
    const [toAdmin] = await presences(await get('iris', 'dev-admin:root'));
    expect(toOthers).toMatchObject({ state: 'offline', source: 'inferred', devices: 0, version: 2, stale: false });
    expect(toSelf).toMatchObject({ state: 'invisible', source: 'manual', devices: 1, version: 3 });
    expect(toAdmin).toMatchObject({ state: 'invisible' });
    // Nothing moves for others while the user streams on.
    expect(toOthers?.last_seen).not.toBe(toOthers?.fresh_at);
  });

  test('ids are decoded; a plus is a plus', async () => {
    await rig.seed('a+b@x|y=z');
    for (const written of ['a+b@x|y=z', 'a%2Bb%40x%7Cy%3Dz', 'nobody%2Ca+b@x%7cy=z']) {
      expect((await presences(await get(written))).at(-1)).toMatchObject({ user_id: 'a+b@x|y=z', state: 'online' });
    }
    const twice = await presences(await rig.fetch('/presence?user_ids=nobody&user_ids=bob'));
    expect(twice.map(({ user_id }) => user_id)).toEqual(['nobody', 'bob']);
  });

  test.each([
    ['no user_ids', '/presence', 'is missing'],
    ['an empty id', '/presence?user_ids=a,,b', 'user_ids[1]'],
    ['a slash, which would name another tenant', '/presence?user_ids=acme%2Fbob', 'user_ids[0]'],
    ['a malformed escape', '/presence?user_ids=%zz', 'percent'],
    ['a control character', '/presence?user_ids=a%00b', 'user_ids[0]'],
  ])('400 for %s', async (_, path, said) => {
    const response = await rig.fetch(path);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(said);
  });

  test('1,000 ids are read, 1,001 are too many, and a URL over 16 KB is too long', async () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `user-${i}`);
    expect(await presences(await get(ids.join(',')))).toHaveLength(1_000);
    const tooMany = await get([...ids, 'one-more'].join(','));
    expect(tooMany.status).toBe(400);
    expect(await tooMany.text()).toContain('at most 1,000');
    const tooLong = await get('x'.repeat(16_384));
    expect(tooLong.status).toBe(414);
    expect(tooLong.headers.get('content-type')).toBe('application/problem+json');
    const fits = 16_384 - '/presence?user_ids='.length;
    const padded = Array.from({ length: 200 }, (_, i) => `${i}`.padStart(80, 'u'))
      .join(',')
      .padEnd(fits, '&')
      .slice(0, fits);
    expect((await get(padded)).status).toBe(200);
  });

  test('falls back to the database for what the cache lacks, once in 5 s', async () => {
    const blob = await rig.seed('carl');
    rig.store.blobs.set('dora', { ...blob, user_id: 'dora' });
    const before = rig.store.reads;
    for (let i = 0; i < 3; i += 1) {
      expect((await presences(await get('dora,nobody-at-all')))[0]).toMatchObject({ user_id: 'dora', state: 'online' });
    }
    expect(rig.store.reads).toBe(before + 1);
  });

  test('is served from the database while the cache is down, and is 503 when both are', async () => {
    rig.store.blobs.set('emil', { ...(await rig.seed('x')), user_id: 'emil' });
    rig.cache.down = true;
    expect(await presences(await get('emil'))).toMatchObject([{ user_id: 'emil', state: 'online' }]);
    rig.store.down = true;
    const response = await get('emil');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    rig.store.down = rig.cache.down = false;
    // What the cache holds needs no database.
    rig.store.down = true;
    expect((await get('bob')).status).toBe(200);
    rig.store.down = false;
  });

  test('a state not confirmed for more than 5 s is stale, unless it is offline', async () => {
    const quiet = await startRig();
    const blob = await quiet.seed('bob');
    const long_ago = Date.now() - 6_000;
    const then = { last_seen: new Date(long_ago).toISOString(), fresh_at: new Date(long_ago).toISOString() };
    const old = { ...blob, ...then, public: { ...blob.public, ...then } };
    quiet.cache.down = true;
    quiet.store.blobs.set('bob', old).set('off', { ...old, public: { ...old.public, state: 'offline' } });
    quiet.store.progress.set(blob.partition, {
      partition: blob.partition,
      epoch: 7,
      offset: 1,
      stamp: long_ago,
      input_offset: 0,
    });
    const [bob, off] = await presences(await quiet.fetch('/presence?user_ids=bob,off'));
    expect(bob).toMatchObject({ stale: true, fresh_at: new Date(long_ago).toISOString() });
    expect(off).toMatchObject({ stale: false });
    await quiet.close();
  });
});

describe('POST /presence/query', () => {
  const query = (json: unknown) => rig.fetch('/presence/query', { method: 'POST', json });

  test('is the same for long lists', async () => {
    const user_ids = Array.from({ length: 999 }, (_, i) => `${i}`.padStart(128, 'u'));
    const found = await presences(await query({ user_ids: [...user_ids, 'bob'] }));
    expect(found).toHaveLength(1_000);
    expect(found.at(-1)).toMatchObject({ user_id: 'bob', state: 'online' });
    expect(await presences(await query({ user_ids: [] }))).toEqual([]);
  });

  test.each([
    ['1,001 ids', { user_ids: Array.from({ length: 1_001 }, () => 'a') }, '#/user_ids'],
    ['no list', { user_ids: 'a,b' }, '#/user_ids'],
    ['a number among them', { user_ids: ['a', 1] }, '#/user_ids/1'],
    ['no object', [], '#'],
  ])('400 for %s', async (_, body, pointer) => {
    const response = await query(body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: { pointer: string }[] }).errors[0]?.pointer).toBe(pointer);
  });
});

describe('GET /presence/history', () => {
  const entry = (at: number, version: number): HistoryEntry => ({
    epoch: 7,
    version,
    from: 'offline',
    to: 'online',
    at: new Date(at).toISOString(),
    cause: 'signal',
    source: 'app',
    trace_id: null,
  });
  const history = (query: string, as = 'dev:hist') => rig.fetch(`/presence/history${query}`, { as });

  test("pages through one's own, newest first, in a window that does not move", async () => {
    const now = Date.now();
    rig.store.histories.set(
      'hist',
      Array.from({ length: 5 }, (_, i) => entry(now - i * 1_000, 5 - i)),
    );
    const versions: number[] = [];
    let cursor = '';
    for (let page = 0; page < 3; page += 1) {
      const response = await history(`?window=1h&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(response.status).toBe(200);
      const { entries, next } = (await response.json()) as { entries: HistoryEntry[]; next: string | null };
      versions.push(...entries.map(({ version }) => version));
      expect(next === null).toBe(page === 2);
      cursor = next ?? '';
    }
    expect(versions).toEqual([5, 4, 3, 2, 1]);
    const bounds = rig.store.asked.slice(-3).map(({ from, to }) => `${from} ${to}`);
    expect(new Set(bounds).size).toBe(1);
  });

  test('from is inclusive, to exclusive, in RFC 3339 or milliseconds', async () => {
    const base = Date.UTC(2026, 0, 1);
    rig.store.histories.set('times', [entry(base + 2, 3), entry(base + 1, 2), entry(base, 1)]);
    for (const query of [`?from=${base}&to=${base + 2}`, '?from=2026-01-01T01:00:00.000+01:00&to=2026-01-01T00:00:00.002Z']) {
      const { entries } = (await (await history(query, 'dev:times')).json()) as { entries: HistoryEntry[] };
      expect(entries.map(({ version }) => version)).toEqual([2, 1]);
    }
  });

  test("another's needs presence:admin, unless a policy lets others read what they saw", async () => {
    expect((await history('?user_id=hist', 'dev:eve')).status).toBe(403);
    expect((await history('?user_id=hist', 'dev-admin:root')).status).toBe(200);
    expect(rig.store.asked.at(-1)).toMatchObject({ key: 'hist', view: 'self' });
    const open = await startRig({ historyOf: 'tenant' });
    expect((await open.fetch('/presence/history?user_id=hist', { as: 'dev:eve' })).status).toBe(200);
    expect(open.store.asked.at(-1)).toMatchObject({ key: 'hist', view: 'others' });
    await open.fetch('/presence/history', { as: 'dev:hist' });
    expect(open.store.asked.at(-1)).toMatchObject({ key: 'hist', view: 'self' });
    await open.close();
  });

  test.each(['30s', '10m', '1h', '7d'])('window=%s', async (window) => {
    expect((await history(`?window=${window}`)).status).toBe(200);
  });

  test.each([
    ['?window=1y', 'window'],
    ['?window=0s', 'window'],
    ['?window=1h&from=0', 'window'],
    ['?to=5', 'from'],
    ['?from=5&to=5', 'to'],
    ['?from=yesterday', 'from'],
    ['?limit=0', 'limit'],
    ['?limit=1001', 'limit'],
    ['?limit=ten', 'limit'],
    ['?cursor=rubbish', 'cursor'],
    ['?user_id=a%20b', 'user_id'],
  ])('400 for %s', async (query, parameter) => {
    const response = await history(query);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: { parameter: string }[] }).errors.map((error) => error.parameter)).toContain(
      parameter,
    );
  });

  test("a cursor of another user's history is refused", async () => {
    const { next } = (await (await history('?limit=1')).json()) as { next: string };
    expect((await history(`?user_id=other&cursor=${next}`, 'dev-admin:root')).status).toBe(400);
  });
});

describe('a request in pieces', () => {
  test('is answered the same wherever it is cut', async () => {
    const body = JSON.stringify({ user_ids: ['bob', 'nobody'] });
    const request = Buffer.from(
      [
        'POST /presence/query HTTP/1.1',
        'Host: x',
        'Authorization: Bearer dev-admin:cut',
        `Content-Length: ${body.length}`,
        '',
        body,
      ].join('\r\n'),
    );
    const answers = new Map<string, number>();
    const cuts = Array.from({ length: request.length - 1 }, (_, i) => i + 1);
    while (cuts.length > 0) {
      const some = cuts.splice(0, 20);
      // Within the rate of one user.
      const got = await Promise.all(
        some.map((cut) => raw(rig.url, [request.subarray(0, cut), request.subarray(cut)], { pause_ms: 5 })),
      );
      for (const answer of got)
        answers.set(answer.split('\r\n')[0] as string, (answers.get(answer.split('\r\n')[0] as string) ?? 0) + 1);
      await new Promise((later) => setTimeout(later, 150));
    }
    expect(Object.fromEntries(answers)).toEqual({ 'HTTP/1.1 200 OK': request.length - 1 });
  });

  test('a long URL does not fit one segment', async () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `user-number-${i}`)
      .join(',')
      .slice(0, 16_000);
    const head = `GET /presence?user_ids=${ids} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev:long\r\n\r\n`;
    const pieces = (size: number) =>
      Array.from({ length: Math.ceil(head.length / size) }, (_, i) => head.slice(i * size, (i + 1) * size));
    for (const size of [head.length, head.length - 1, 9_000, 1_448, 536]) {
      expect((await raw(rig.url, pieces(size))).split('\r\n')[0], `segments of ${size}`).toBe('HTTP/1.1 200 OK');
    }
  });
});
