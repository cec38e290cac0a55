import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Rig, startRig } from './harness.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ answerWithin_ms: 300 });
});
afterAll(() => rig.close());

const beat = { device_id: 'phone', session_id: 's1', seq: 1 };
const post = (json: unknown, as?: string, headers?: Record<string, string>) =>
  rig.fetch('/presence/heartbeat', {
    method: 'POST',
    json,
    ...(as === undefined ? {} : { as }),
    ...(headers === undefined ? {} : { headers }),
  });

describe('POST /presence/heartbeat', () => {
  test('is in the log when it is answered, with the defaults of the contract', async () => {
    const response = await post(beat, 'dev:h1');
    expect(response.status).toBe(202);
    const { trace_id } = (await response.json()) as { trace_id: string };
    expect(trace_id).toMatch(/^[0-9a-f]{32}$/);
    const [signal] = await rig.signals('h1');
    expect(signal).toMatchObject({
      kind: 'heartbeat',
      user_id: 'h1',
      ...beat,
      ttl_ms: 60_000,
      state: null,
      source: null,
      connection_id: null,
      gateway_id: rig.gateway.gatewayId,
      ordinal: expect.any(Number),
    });
    expect(signal?.received_at).toBeGreaterThan(0);
    expect(signal?.traceparent).toContain(trace_id);
  });

  test('carries state, source and ttl_ms; offline is a goodbye and allowed', async () => {
    for (const [seq, said] of [
      { state: 'busy', source: 'inferred', ttl_ms: 1_000 },
      { state: 'offline' },
      { state: 'away', ttl_ms: 3_600_000 },
    ].entries()) {
      expect((await post({ ...beat, seq, ...said }, 'dev:h2')).status).toBe(202);
      expect((await rig.signals('h2')).at(-1)).toMatchObject(said);
    }
  });

  test.each([
    ['continued', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', true],
    ['continued where a later version has more parts', '01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what', true],
    ['ignored with version ff', 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', false],
    ['ignored with more parts in version 00', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what', false],
    ['ignored with zeros for a trace', '00-00000000000000000000000000000000-00f067aa0ba902b7-01', false],
    ['ignored in capitals', '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', false],
  ])('a traceparent is %s', async (_, traceparent, continued) => {
    const response = await post(beat, 'dev:h3', { traceparent });
    const { trace_id } = (await response.json()) as { trace_id: string };
    expect(trace_id === '4bf92f3577b34da6a3ce929d0e0e4736').toBe(continued);
    const signal = (await rig.signals('h3')).at(-1);
    expect(signal?.traceparent).toMatch(new RegExp(`^00-${trace_id}-[0-9a-f]{16}-01$`));
    expect(signal?.traceparent).not.toContain('00f067aa0ba902b7');
  });

  test('lists all faults at once', async () => {
    const response = await post({ device_id: 'a b', seq: -1, state: 'invisible', source: 'manual', ttl_ms: 999 }, 'dev:h4');
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const problem = (await response.json()) as { errors: { pointer: string; detail: string }[] };
    expect(problem).toMatchObject({
      status: 400,
      title: 'Bad Request',
      code: 'bad_input',
      type: 'urn:presence:problem:bad-input',
    });
    expect(Object.fromEntries(problem.errors.map(({ pointer, detail }) => [pointer, detail]))).toEqual({
      '#/device_id': 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -',
      '#/session_id': 'is missing',
      '#/seq': 'must be at least 0',
      '#/state': 'must be one of dnd, busy, online, away, offline',
      '#/source': 'must be one of app, inferred',
      '#/ttl_ms': 'must be at least 1000',
    });
    expect(await rig.signals('h4')).toEqual([]);
  });

  test.each([
    ['seq is no whole number', { seq: 1.5 }],
    ['seq is beyond 2^53-1', { seq: 2 ** 53 }],
    ['seq is text', { seq: '1' }],
    ['device_id is empty', { device_id: '' }],
    ['device_id has 129 characters', { device_id: 'x'.repeat(129) }],
    ['session_id has a slash', { session_id: 'a/b' }],
    ['ttl_ms is over an hour', { ttl_ms: 3_600_001 }],
    ['state is unknown', { state: 'ONLINE' }],
  ])('400 where %s', async (_, change) => {
    expect((await post({ ...beat, ...change }, 'dev:h5')).status).toBe(400);
    expect(await rig.signals('h5')).toEqual([]);
  });

  test.each([
    ['the longest ids', { device_id: 'x'.repeat(128), session_id: 'A-z0.9_:@|+=-' }],
    ['the largest seq', { seq: Number.MAX_SAFE_INTEGER }],
    ['fields that nobody knows', { client: 'test' }],
  ])('takes %s', async (_, change) => {
    expect((await post({ ...beat, ...change }, 'dev:h6')).status).toBe(202);
  });

  test('503 with Retry-After while the log does not take it; it is written later all the same', async () => {
    rig.faults.refuse = true;
    const response = await post(beat, 'dev:h7');
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await response.json()).toMatchObject({ code: 'unavailable' });
    rig.faults.refuse = false;
    await expect.poll(() => rig.signals('h7'), { timeout: 5_000 }).toHaveLength(1);
  });
});

describe('/presence/override', () => {
  const set = (json: unknown, as = 'dev:o1', query = '') => rig.fetch(`/presence/override${query}`, { method: 'POST', json, as });

  test('POST sets it: an id, a trace, and the signal', async () => {
    const response = await set({ state: 'dnd', ttl_s: 3_600, reason: 'a talk' });
    expect(response.status).toBe(202);
    const { override_id } = (await response.json()) as { override_id: string };
    expect(await rig.signals('o1')).toMatchObject([
      { kind: 'override_set', override_id, state: 'dnd', ttl_s: 3_600, until: null, reason: 'a talk', actor: null },
    ]);
  });

  test('until may be RFC 3339 with any offset, or milliseconds', async () => {
    for (const until of ['2100-01-01T02:00:00+02:00', '2100-01-01T00:00:00Z', Date.UTC(2100, 0, 1)]) {
      expect((await set({ state: 'invisible', until }, 'dev:o2')).status).toBe(202);
      expect((await rig.signals('o2')).at(-1)).toMatchObject({ state: 'invisible', until: Date.UTC(2100, 0, 1), ttl_s: null });
    }
  });

  test.each([
    ['both until and ttl_s', { state: 'dnd', until: '2100-01-01T00:00:00Z', ttl_s: 5 }, '#/until'],
    ['a time past', { state: 'dnd', until: '2000-01-01T00:00:00Z' }, '#/until'],
    ['no time at all', { state: 'dnd', until: 'tomorrow' }, '#/until'],
    ['a day that is not', { state: 'dnd', until: '2100-13-01T00:00:00Z' }, '#/until'],
    ['ttl_s of 0', { state: 'dnd', ttl_s: 0 }, '#/ttl_s'],
    ['no state', {}, '#/state'],
    ['an unknown state', { state: 'asleep' }, '#/state'],
  ])('400 for %s', async (_, body, pointer) => {
    const response = await set(body, 'dev:o3');
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: { pointer: string }[] }).errors.map((error) => error.pointer)).toContain(
      pointer,
    );
    expect(await rig.signals('o3')).toEqual([]);
  });

  test('?user_id= acts on another with presence:admin, and says who did', async () => {
    expect((await set({ state: 'busy' }, 'dev:o4', '?user_id=o5')).status).toBe(403);
    expect((await set({ state: 'busy' }, 'dev:o5', '?user_id=o5')).status).toBe(202);
    expect((await set({ state: 'dnd' }, 'dev-admin:root', '?user_id=o5')).status).toBe(202);
    expect((await rig.fetch('/presence/override?user_id=o5', { method: 'DELETE', as: 'dev-admin:root' })).status).toBe(202);
    expect(await rig.signals('o5')).toMatchObject([
      { kind: 'override_set', state: 'busy', actor: null },
      { kind: 'override_set', state: 'dnd', actor: 'root' },
      { kind: 'override_cleared', actor: 'root' },
    ]);
    expect((await set({ state: 'dnd' }, 'dev-admin:root', '?user_id=a/b')).status).toBe(400);
  });

  test('DELETE clears it', async () => {
    const response = await rig.fetch('/presence/override', { method: 'DELETE', as: 'dev:o6' });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(await rig.signals('o6')).toMatchObject([{ kind: 'override_cleared' }]);
  });

  test('GET shows the one that holds, to its user and an admin alone; 404 where none does', async () => {
    const get = (as: string, query = '') => rig.fetch(`/presence/override${query}`, { as });
    expect((await get('dev:o7')).status).toBe(404);
    await rig.seed('o7', { override: { override_id: 'x1', state: 'dnd', until: null, reason: null, set_at: 1, actor: null } });
    for (const response of [await get('dev:o7'), await get('dev-admin:root', '?user_id=o7')]) {
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ override_id: 'x1', state: 'dnd', until: null, reason: null });
    }
    expect((await get('dev:o8', '?user_id=o7')).status).toBe(403);
  });
});
