import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Client, eventually, type Rig, refusedUpgrade, startRig } from './harness.ts';

const secret = 'a secret of at least thirty-two bytes, for HS256';
const sign = (claims: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ sub: 'ada', scope: 'presence:read presence:write', exp: Math.floor(Date.now() / 1000) + 60, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));

let rig: Rig;
let keyed: Rig;
beforeAll(async () => {
  rig = await startRig();
  keyed = await startRig({ jwtSecret: secret });
});
afterAll(() => Promise.all([rig.close(), keyed.close()]));

describe('the token', () => {
  test('comes in the header, as a subprotocol, or in the query', async () => {
    const token = await sign();
    for (const how of [
      { as: token },
      { as: '', protocols: ['presence.v1', `bearer.${token}`] },
      { as: '', query: `?access_token=${token}` },
      { as: '', protocols: [], query: `?access_token=${token}` },
    ]) {
      const client = await new Client(keyed.url, how).ready();
      // The token is never echoed.
      expect(client.socket.protocol).toBe(how.protocols?.length === 0 ? '' : 'presence.v1');
      client.socket.close();
    }
    const escaped = await new Client(rig.url, { as: '', protocols: ['presence.v1', 'bearer.dev%3Aada'] }).ready();
    escaped.socket.close();
  });

  test('bad or absent: 401; without presence.v1 among the subprotocols offered: 400', async () => {
    expect(await refusedUpgrade(keyed.url)).toMatchObject({ status: 401, body: { code: 'bad_token' } });
    expect(await refusedUpgrade(keyed.url, { query: '?access_token=rubbish' })).toMatchObject({ status: 401 });
    expect(await refusedUpgrade(rig.url, { query: '?access_token=dev:ada', protocols: ['presence.v2'] })).toMatchObject({
      status: 400,
      body: { code: 'bad_input' },
    });
  });

  test('a fresh one of the same user and tenant is taken; any other is an error and the old one stays', async () => {
    const client = await new Client(keyed.url, { as: await sign() }).ready();
    for (const [token, said] of [
      [await sign({ sub: 'eve' }), 'another user'],
      [await sign({ tenant: 'acme' }), 'another user or tenant'],
      [await sign({ scope: 'presence:write' }), 'presence:read'],
      [await sign({ exp: Math.floor(Date.now() / 1000) - 2 }), 'has ended'],
      ['rubbish', 'not valid'],
    ] as const) {
      client.say({ type: 'token', token });
      expect(await client.next('error')).toMatchObject({ code: 'bad_token', detail: expect.stringContaining(said) });
    }
    // Scopes are the fresh token's.
    client.say({ type: 'token', token: await sign({ scope: 'presence:read' }) });
    client.say({ type: 'hello', device_id: 'd', session_id: 's' });
    await eventually(async () => {
      client.say({ type: 'hello', device_id: 'd', session_id: 's' });
      return client.frames.some(({ code }) => code === 'forbidden');
    }, 'the narrower token');
    client.socket.close();
  });

  test('when it ends the client is told, and lives on if a fresh one comes', async () => {
    const client = await new Client(keyed.url, { as: await sign({ exp: Math.floor(Date.now() / 1000) + 1 }) }).ready();
    expect(await client.next('error')).toMatchObject({ code: 'token_ended' });
    client.say({ type: 'token', token: await sign() });
    client.say({ type: 'subscribe', user_ids: ['bob'] });
    await client.next('snapshot');
    client.socket.close();
  });

  test('without a fresh one the connection ends 30 s later with 4401', async () => {
    const client = await new Client(keyed.url, { as: await sign() }).ready();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    try {
      expect(await client.next('error')).toMatchObject({ code: 'token_ended' });
      // The token ended 1 to 3 s ago, by the fraction of the second that it was signed in and the time it took to come here.
      vi.setSystemTime(Date.now() + 25_000);
      await eventually(() => client.pings.length >= 3, 'some sweeps');
      expect(client.socket.readyState).toBe(client.socket.OPEN);
      vi.setSystemTime(Date.now() + 6_000);
      expect(await client.closed).toMatchObject({ code: 4401, reason: expect.stringContaining('fresh token') });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('bad frames are errors, and the connection stays', () => {
  let client: Client;
  beforeAll(async () => {
    client = await new Client(rig.url, { as: 'dev:bad' }).ready();
  });
  test.each([
    ['no JSON', '{"type":', 'bad_frame'],
    ['no object', '[]', 'bad_frame'],
    ['null', 'null', 'bad_frame'],
    ['nothing', '', 'bad_frame'],
    ['binary', Buffer.from('{"type":"goodbye"}'), 'bad_frame'],
    ['no type', '{}', 'unknown_type'],
    ['an unknown type', '{"type":"dance"}', 'unknown_type'],
    ["a name of every object's", '{"type":"constructor"}', 'unknown_type'],
    ['a hello without a device', { type: 'hello', session_id: 's' }, 'bad_input'],
    ['a hello with a bad id', { type: 'hello', device_id: 'a b', session_id: 's' }, 'bad_input'],
    ['a state that only an override sets', { type: 'hello', device_id: 'd', session_id: 's', state: 'invisible' }, 'bad_input'],
    ['a source that only an override has', { type: 'hello', device_id: 'd', session_id: 's', source: 'manual' }, 'bad_input'],
    ['a heartbeat without seq', { type: 'heartbeat' }, 'bad_input'],
    ['a seq beyond 2^53-1', '{"type":"heartbeat","seq":9007199254740992}', 'bad_input'],
    ['an ack that is no boolean', { type: 'heartbeat', seq: 1, ack: 'yes' }, 'bad_input'],
    ['a list that is none', { type: 'subscribe', user_ids: 'bob' }, 'bad_input'],
    ["another tenant's user", { type: 'subscribe', user_ids: ['acme/bob'] }, 'bad_input'],
    ['no token', { type: 'token' }, 'bad_input'],
    ['a bad token', { type: 'token', token: 'rubbish' }, 'bad_token'],
    ['no cursor', { type: 'resume' }, 'bad_input'],
  ])('%s', async (_, frame, code) => {
    client.say(frame);
    expect(await client.next('error')).toMatchObject({ code, detail: expect.any(String) });
    client.say({ type: 'subscribe', user_ids: ['bob'] });
    await client.next('snapshot');
  });
  test('and nothing of them is in the log', async () => {
    expect(await rig.signals('bad')).toEqual([]);
    client.socket.close();
  });
});

describe('grave faults end the connection, and say whether to come back', () => {
  test('a frame over 2 MiB: too_large, 1009; one of 2 MiB is read', async () => {
    const client = await new Client(rig.url, { as: 'dev:large' }).ready();
    client.say('{"type":"dance"}'.padEnd(2 * 1024 * 1024));
    expect(await client.next('error')).toMatchObject({ code: 'unknown_type' });
    client.say('{"type":"dance"}'.padEnd(2 * 1024 * 1024 + 1));
    expect(await client.next('error')).toMatchObject({ code: 'too_large' });
    expect((await client.closed).code).toBe(1009);
  });

  test('too many frames: too_fast, 4429; 50 in a second are never too many', async () => {
    const small = await startRig({ rate: { rate: 50, burst: 50 } });
    const client = await new Client(small.url).ready();
    for (let i = 0; i < 50; i += 1) client.say({ type: 'heartbeat', seq: i });
    await eventually(() => client.frames.filter(({ code }) => code === 'hello_first').length === 50, '50 answers');
    for (let i = 0; i < 100; i += 1) client.say({ type: 'heartbeat', seq: i });
    expect(await client.closed).toMatchObject({ code: 4429, reason: expect.stringContaining('Come back after') });
    expect(client.frames.at(-1)).toMatchObject({ code: 'too_fast' });
    await small.close();
  });

  test('a reader that does not read: 4408', async () => {
    const tight = await startRig({ slowBytes: 10_000, slowBytesMax: 200_000, rate: { rate: 1_000, burst: 2_000 } });
    const client = await new Client(tight.url).ready();
    const user_ids = Array.from({ length: 9_000 }, (_, i) => `user-${i}`);
    client.socket.pause();
    for (let i = 0; i < 8; i += 1) client.say({ type: 'subscribe', user_ids });
    const gone = async () =>
      /connections_closed_total\{code="4408"\} \d/.test(await (await tight.fetch('/metrics', { as: '' })).text());
    await eventually(gone, 'the end of the slow reader');
    client.socket.resume();
    expect((await client.closed).code).toBe(4408);
    await tight.close();
  });
});
