/** How the client comes back, moves and gives up, in virtual time. */
import { describe, expect, test } from 'vitest';
import { connected, presence, settled, snapshot, world } from '../test/client/world.ts';
import { pauseOf } from './pauses.ts';

const backoff = { base_ms: 1_000, max_ms: 30_000 };
const jwt = (claims: object): string => `x.${btoa(JSON.stringify(claims)).replace(/=/g, '')}.y`;
const answer = (status: number, headers = {}) => (async () => new Response(null, { status, headers })) as typeof fetch;

describe('Pauses', () => {
  test.each([
    ['any moment of the first second', 0, 1006, 0, [0, 1_000]],
    ['then of twice as long', 1, 1006, 0, [0, 2_000]],
    ['and again', 4, 1006, 0, [0, 16_000]],
    ['never beyond the bound', 50, 1006, 0, [0, 30_000]],
    ['after 4429 not before 5 s', 0, 4429, 0, [5_000, 6_000]],
    ['not before what Retry-After says', 1, 1006, 7_000, [7_000, 9_000]],
  ] as const)('%s', (_, failures, code, least_ms, bounds) => {
    expect([0, 1].map((drawn) => pauseOf(backoff, { failures, code, least_ms }, () => drawn))).toEqual(bounds);
  });

  test('double while connections do not last, also those that were welcomed, and begin anew after one that lasted', async () => {
    const { sockets, clock, statuses } = await connected();
    const pauses: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      if (i > 1) sockets.at(-1)!.welcome();
      sockets.at(-1)!.drop(1006);
      await settled();
      const last = statuses.at(-1)!;
      if (last.status !== 'waiting') break;
      pauses.push(last.retry_in_ms);
      await clock.advance(last.retry_in_ms);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000]);
    sockets.at(-1)!.welcome();
    await clock.advance(10_000);
    sockets.at(-1)!.drop(1006, 'why');
    expect(statuses.at(-1)).toEqual({ status: 'waiting', code: 1006, reason: 'why', retry_in_ms: 500 });
  });

  test('an attempt without a welcome ends after 10 s', async () => {
    const { client, sockets, clock, statuses } = world();
    client.connect();
    await clock.advance(10_000);
    expect([sockets[0]!.endedWith, statuses.at(-1)]).toEqual([1000, expect.objectContaining({ reason: 'no welcome came' })]);
    await clock.advance(2_000);
    expect(sockets.length).toBe(2);
  });

  test('a page that is shown again, or a network that is back, tries at once, but not before the server lets it', async () => {
    const window = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    const { sockets, clock } = await connected({ host: { window, document } });
    sockets[0]!.drop(1006);
    document.dispatchEvent(new Event('visibilitychange'));
    await settled();
    expect(sockets.length).toBe(1);
    window.dispatchEvent(new Event('online'));
    await settled();
    expect(sockets.length).toBe(2);
    sockets[1]!.welcome().drop(4429);
    window.dispatchEvent(new Event('online'));
    await clock.advance(4_900);
    expect(sockets.length).toBe(2);
    await clock.advance(3_000);
    expect(sockets.length).toBe(3);
  });
});

describe('Close codes', () => {
  test.each([1000, 1001, 1006, 1009, 1011, 1012, 4408, 4999])('%i: it comes back in the same session', async (code) => {
    const { sockets, clock } = await connected();
    sockets[0]!.drop(code);
    await clock.advance(2_000);
    expect(sockets[1]!.welcome().take()).toEqual([{ type: 'hello', device_id: 'd1', session_id: 's1' }]);
  });

  test('4401 with a fixed token: it gives up, until connect is called again', async () => {
    const { client, sockets, clock, statuses } = await connected();
    sockets[0]!.drop(4401, 'ended');
    await clock.advance(60_000);
    expect([sockets.length, statuses.at(-1), clock.timers]).toEqual([1, { status: 'refused', code: 4401, reason: 'ended' }, 0]);
    client.connect();
    await settled();
    expect(sockets.length).toBe(2);
  });

  test('4401 with a token function: it comes back with a fresh one', async () => {
    let asked = 0;
    const { sockets, clock } = await connected({ token: () => `t${(asked += 1)}` });
    sockets[0]!.drop(4401);
    await clock.advance(2_000);
    expect(sockets.map(({ protocols }) => protocols[1])).toEqual(['bearer.t1', 'bearer.t2']);
  });

  test('4409: it comes back in a new session, whose numbers begin anew; the third time within a minute it gives up', async () => {
    const { client, sockets, clock, statuses } = await connected();
    client.setState('busy');
    await clock.advance(60);
    for (let i = 0; i < 2; i += 1) {
      sockets.at(-1)!.drop(4409);
      await clock.advance(5_000);
      const [hello] = sockets.at(-1)!.welcome().take();
      expect(hello).toMatchObject({ type: 'hello', device_id: 'd1', state: 'busy' });
      expect(hello!.session_id).not.toBe('s1');
      client.setState(i === 0 ? 'dnd' : 'away');
      await clock.advance(60);
      expect(sockets.at(-1)!.take()).toMatchObject([{ type: 'heartbeat', seq: 1 }]);
      client.setState('busy');
      await clock.advance(60);
    }
    sockets.at(-1)!.drop(4409, 'replaced');
    expect(statuses.at(-1)).toEqual({ status: 'refused', code: 4409, reason: 'replaced' });
  });

  test('4409 of a device of its own making: it becomes another device', async () => {
    let drawn = 0;
    const random = () => ((drawn += 1) % 97) / 97;
    const { sockets, clock } = await connected({ deviceId: undefined as never, sessionId: undefined as never, random });
    const [first] = sockets[0]!.take();
    sockets[0]!.drop(4409);
    await clock.advance(2_000);
    const [second] = sockets[1]!.welcome().take();
    expect(first!.device_id).toMatch(/^[\w-]{10,128}$/);
    expect(second!.device_id).not.toBe(first!.device_id);
    expect(second!.session_id).not.toBe(first!.session_id);
  });
});

describe('A refused upgrade', () => {
  test.each([
    ['401, fixed token: it gives up', 401, {}, 'dev:ada', { status: 'refused' }],
    ['403, fixed token: it gives up', 403, {}, 'dev:ada', { status: 'refused' }],
    ['401, token function: it tries again', 401, {}, () => 'dev:ada', { status: 'waiting', retry_in_ms: 1_000 }],
    [
      '503: it waits for as long as it is told',
      503,
      { 'retry-after': '9' },
      'dev:ada',
      { status: 'waiting', retry_in_ms: 10_000 },
    ],
    ['429: likewise', 429, { 'retry-after': '2' }, 'dev:ada', { status: 'waiting', retry_in_ms: 3_000 }],
    ['200: the reason is unknown, it waits', 200, {}, 'dev:ada', { status: 'waiting', retry_in_ms: 1_000 }],
  ])('%s', async (_, status, headers, token, expected) => {
    const { client, sockets, statuses } = world({ fetch: answer(status, headers), token });
    client.connect();
    await settled();
    sockets[0]!.drop(1006);
    await settled();
    expect(statuses.at(-1)).toMatchObject(expected);
  });

  test('is asked about after the 1st, 2nd, 4th and 8th failure in a row, with the same token', async () => {
    const asked: unknown[] = [];
    const fetch = (async (url: string, init: RequestInit) => {
      asked.push([url, init.headers]);
      throw new TypeError('nobody there');
    }) as unknown as typeof globalThis.fetch;
    const { client, sockets, clock } = world({ fetch });
    client.connect();
    for (let i = 0; i < 9; i += 1) {
      await settled();
      sockets.at(-1)!.drop(1006);
      await settled();
      const { connection } = client;
      if (connection.status === 'waiting') await clock.advance(connection.retry_in_ms);
    }
    expect(sockets.length).toBe(10);
    expect(asked).toEqual(Array(4).fill(['https://presence.test/presence?user_ids=-', { authorization: 'Bearer dev:ada' }]));
  });

  test('that is explained after the client was closed, or dials again already, changes nothing', async () => {
    const answers: ((answer: Response) => void)[] = [];
    const fetch = (() => new Promise<Response>((done) => answers.push(done))) as typeof globalThis.fetch;
    const window = new EventTarget();
    const { client, sockets, statuses, clock } = world({ fetch, host: { window } });
    client.connect();
    await settled();
    sockets[0]!.drop(1006);
    window.dispatchEvent(new Event('online'));
    await settled();
    answers[0]!(new Response(null, { status: 401 }));
    await settled();
    expect([sockets.length, statuses.at(-1)!.status]).toEqual([2, 'connecting']);
    sockets[1]!.drop(1006);
    await settled();
    client.close();
    answers[1]!(new Response(null, { status: 401 }));
    await settled();
    expect([statuses.at(-1)!.status, clock.timers]).toEqual(['idle', 0]);
  });

  test('an address that is none is not tried again', async () => {
    const { client, statuses, clock } = world({ url: 'nowhere at all' });
    client.connect();
    await clock.advance(60_000);
    expect(statuses.map(({ status }) => status)).toEqual(['connecting', 'refused']);
  });
});

describe('Draining', () => {
  test('it stays until another connection is welcomed, then leaves the old one without a goodbye', async () => {
    const { client, sockets, clock, statuses } = await connected();
    client.subscribe(['bob']);
    await clock.advance(60);
    sockets[0]!.say(snapshot(presence('bob', 'online', 1)));
    sockets[0]!.say({ type: 'drain', reconnect_in_ms: 3_000 });
    await clock.advance(2_900);
    expect(sockets.length).toBe(1);
    await clock.advance(200);
    expect([sockets.length, client.connection.status]).toEqual([2, 'open']);
    sockets[0]!.say(snapshot(presence('bob', 'busy', 2)));
    sockets[1]!.welcome('c2');
    expect(sockets[1]!.take()).toEqual([
      { type: 'hello', device_id: 'd1', session_id: 's1' },
      { type: 'resume', cursor: 'k1', user_ids: ['bob'] },
    ]);
    expect([sockets[0]!.endedWith, client.presences.get('bob')!.state]).toEqual([4000, 'busy']);
    expect(statuses.map(({ status }) => status)).toEqual(['connecting', 'open', 'open']);
  });

  test('where the new one fails it is closed in the end, and comes back by itself', async () => {
    const { sockets, clock, statuses } = await connected();
    sockets[0]!.say({ type: 'drain', reconnect_in_ms: 0 });
    await clock.advance(0);
    sockets[1]!.drop(1006);
    await settled();
    expect(statuses.at(-1)!.status).toBe('open');
    sockets[0]!.drop(1012, 'drained');
    expect(statuses.at(-1)).toMatchObject({ status: 'waiting', code: 1012 });
    await clock.advance(3_000);
    sockets[2]!.welcome();
    expect(statuses.at(-1)!.status).toBe('open');
  });
});

describe('Half-open connections', () => {
  test('after 20 s without a frame one is asked for; 10 s without an answer, and it dials anew', async () => {
    const { sockets, clock } = await connected();
    await clock.advance(19_000);
    sockets[0]!.say(snapshot());
    await clock.advance(19_900);
    expect(sockets[0]!.probes()).toBe(0);
    await clock.advance(200);
    expect(sockets[0]!.probes()).toBe(1);
    sockets[0]!.say(snapshot());
    await clock.advance(29_000);
    expect([sockets[0]!.probes(), sockets.length]).toEqual([2, 1]);
    await clock.advance(2_000);
    expect([sockets[0]!.endedWith, sockets.length]).toEqual([4000, 2]);
  });

  test('a machine that slept, or a tab whose timers are held back, asks again before it gives up', async () => {
    const { sockets, clock } = await connected();
    await clock.advance(25_000);
    expect(sockets[0]!.probes()).toBe(1);
    await clock.sleep(3_600_000);
    expect([sockets[0]!.probes(), sockets.length]).toEqual([2, 1]);
    sockets[0]!.say(snapshot());
    await clock.advance(15_000);
    expect(sockets.length).toBe(1);
  });

  test('a page that is shown again asks at once, once a second at most, and has less patience', async () => {
    const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    const { client, sockets, clock } = await connected({ host: { document } });
    await clock.advance(5_000);
    for (let i = 0; i < 5; i += 1) document.dispatchEvent(new Event('visibilitychange'));
    expect(sockets[0]!.probes()).toBe(1);
    sockets[0]!.say(snapshot());
    await clock.advance(5_000);
    expect(sockets.length).toBe(1);
    document.dispatchEvent(new Event('visibilitychange'));
    await clock.advance(4_100);
    expect([sockets[0]!.endedWith, sockets.length]).toEqual([4000, 2]);
    sockets[1]!.welcome();
    client.close();
    document.dispatchEvent(new Event('visibilitychange'));
    expect([sockets.length, clock.timers]).toEqual([2, 0]);
  });
});

describe('Tokens', () => {
  const start = Date.parse('2026-01-01T00:00:00Z') / 1_000;

  test.each([
    ['a good clock', { iat: start, exp: start + 600 }],
    ['a clock that is an hour behind', { iat: start + 3_600, exp: start + 4_200 }],
    ['a clock that is an hour ahead', { iat: start - 3_600, exp: start - 3_000 }],
  ])('with %s a fresh one is sent on the live connection when most of its life is over', async (_, claims) => {
    let asked = 0;
    const { socket, clock, sockets } = await connected({
      token: () => jwt({ ...claims, n: (asked += 1) }),
      quiet_ms: 3_600_000,
    });
    socket.take();
    // 0.825 of 600 s, as 0.5 is drawn.
    await clock.advance(494_000);
    socket.say(snapshot());
    expect(socket.take()).toEqual([]);
    await clock.advance(2_000);
    expect(socket.take()).toEqual([{ type: 'token', token: jwt({ ...claims, n: 2 }) }]);
    expect([asked, sockets.length]).toEqual([2, 1]);
  });

  test('the server says that it has ended: a fresh one is sent, and where there is none now it is asked for again', async () => {
    let broken = false;
    let asked = 0;
    const { socket, clock, faults } = await connected({
      token: () => {
        asked += 1;
        if (broken) throw new Error('no network');
        return `t${asked}`;
      },
    });
    socket.take();
    broken = true;
    socket.say({ type: 'error', code: 'token_ended', detail: '' });
    await settled();
    broken = false;
    await clock.advance(4_000);
    expect(socket.take()).toEqual([{ type: 'token', token: 't3' }]);
    expect(faults.map(({ code }) => code)).toEqual(['token_ended', 'token_unavailable']);
  });

  test('that is the same as before is not sent again', async () => {
    const { socket } = await connected({ token: () => 't1' });
    socket.take();
    socket.say({ type: 'error', code: 'token_ended', detail: '' });
    await settled();
    expect(socket.take()).toEqual([]);
  });

  test('is asked for once, however often the client comes back', async () => {
    let asked = 0;
    const { sockets, clock } = await connected({ token: async () => `t${(asked += 1)}` });
    for (let i = 0; i < 3; i += 1) {
      sockets.at(-1)!.drop(1006);
      await clock.advance(9_000);
      sockets.at(-1)!.welcome();
    }
    expect([asked, sockets.length]).toEqual([1, 4]);
  });

  test('that cannot be had now is asked for again after a pause; one that cannot be had at all ends it', async () => {
    let [asked, retriable] = [0, true];
    const { client, clock, statuses, faults } = world({
      token: async () => {
        asked += 1;
        throw Object.assign(new Error('signed out'), { retriable });
      },
    });
    client.connect();
    await settled();
    expect(statuses.at(-1)).toMatchObject({ status: 'waiting', retry_in_ms: 1_000 });
    retriable = false;
    await clock.advance(1_000);
    expect([asked, statuses.at(-1)!.status, clock.timers]).toEqual([2, 'refused', 0]);
    expect(faults.map(({ code }) => code)).toEqual(['token_unavailable', 'token_unavailable']);
  });

  test('a refresh that is answered after a break is used by the next connection, and begins no second refresh', async () => {
    let give: (token: string) => void = () => {};
    let asked = 0;
    const { sockets, clock } = await connected({
      token: () => (++asked === 1 ? 't1' : new Promise<string>((done) => (give = done))),
    });
    sockets[0]!.say({ type: 'error', code: 'token_ended', detail: '' });
    await settled();
    sockets[0]!.drop(1006);
    await clock.advance(1_000);
    give('t2');
    await settled();
    sockets[1]!.welcome();
    await settled();
    expect([asked, sockets[1]!.protocols[1], sockets[1]!.take().map(({ type }) => type)]).toEqual([2, 'bearer.t2', ['hello']]);
  });
});
