/** What the client says and knows, in virtual time, on sockets whose other end the test is. */
import { describe, expect, test, vi } from 'vitest';
import { connected, diff, diffs, presence, settled, snapshot, world } from '../test/client/world.ts';

const hello = { type: 'hello', device_id: 'd1', session_id: 's1' };

describe('Connecting', () => {
  test('offers the token as a subprotocol, says hello after the welcome, then whom it watches', async () => {
    const { client, sockets, statuses } = world({ token: 'aaa.bbb.ccc' });
    client.subscribe(['bob']);
    client.connect();
    await settled();
    expect(sockets.map(({ url, protocols }) => [url, protocols])).toEqual([
      ['wss://presence.test/presence/stream', ['presence.v1', 'bearer.aaa.bbb.ccc']],
    ]);
    expect(sockets[0]!.sent).toEqual([]);
    sockets[0]!.welcome('c9');
    expect(sockets[0]!.take()).toEqual([hello, { type: 'subscribe', user_ids: ['bob'] }]);
    expect(statuses).toEqual([{ status: 'connecting' }, { status: 'open', connection_id: 'c9' }]);
  });

  test.each([
    ['https://a.test', 'wss://a.test/presence/stream'],
    ['http://a.test:8080/', 'ws://a.test:8080/presence/stream'],
    ['wss://a.test/base', 'wss://a.test/base/presence/stream'],
    ['ws://a.test/presence/stream', 'ws://a.test/presence/stream'],
  ])('%s is %s', async (url, stream) => {
    const { client, socket } = await connected({ url });
    expect(socket.url).toBe(stream);
    client.close();
  });

  test.each([
    ['dev:ada@home', ['presence.v1', 'bearer.dev%3Aada%40home'], ''],
    ['with space', ['presence.v1'], '?access_token=with+space'],
  ])('a token of other characters: %s', async (token, protocols, search) => {
    const { socket } = await connected({ token });
    expect([socket.protocols, new URL(socket.url).search]).toEqual([protocols, search]);
  });

  test('without a WebSocket it says so at once', () => {
    const { WebSocket } = globalThis;
    try {
      Object.assign(globalThis, { WebSocket: undefined });
      expect(() => world({ WebSocket: undefined as never })).toThrow('hand one in');
    } finally {
      Object.assign(globalThis, { WebSocket });
    }
  });
});

describe('Watching', () => {
  test('what is asked in one turn is one frame, and the next ones come 50 ms apart', async () => {
    const { client, socket, clock } = await connected();
    socket.take();
    client.subscribe(['a']);
    client.subscribe(['b', 'c']);
    const end = client.subscribe(['d']);
    end();
    await settled();
    expect(socket.take()).toEqual([{ type: 'subscribe', user_ids: ['a', 'b', 'c'] }]);
    client.subscribe(['e']);
    client.unsubscribe(['a']);
    await settled();
    expect(socket.take()).toEqual([]);
    await clock.advance(50);
    expect(socket.take()).toEqual([
      { type: 'unsubscribe', user_ids: ['a'] },
      { type: 'subscribe', user_ids: ['e'] },
    ]);
  });

  test('a user is watched until the last of their watches has ended, and each ends once', async () => {
    const { client, socket, clock } = await connected();
    const [first, second] = [client.subscribe(['bob']), client.subscribe(['bob'])];
    await clock.advance(60);
    socket.say(snapshot(presence('bob', 'online', 1)));
    socket.take();
    first();
    first();
    await clock.advance(60);
    expect([socket.take(), client.watched, client.presences.has('bob')]).toEqual([[], ['bob'], true]);
    second();
    await clock.advance(60);
    expect(socket.take()).toEqual([{ type: 'unsubscribe', user_ids: ['bob'] }]);
    expect([client.watched, client.presences.has('bob')]).toEqual([[], false]);
  });

  test('a malformed id, or a user too many, is thrown back and changes nothing', async () => {
    const { client } = await connected();
    expect(() => client.subscribe(['bob', 'a b'])).toThrow(TypeError);
    expect(client.watched).toEqual([]);
    client.subscribe(Array.from({ length: 9_999 }, (_, i) => `u${i}`));
    expect(() => client.subscribe(['x', 'y'])).toThrow(RangeError);
    client.subscribe(['x', 'u1']);
    expect(client.watched.length).toBe(10_000);
  });

  test('whom the kept list watches too stays known when the app drops them', async () => {
    const { client, socket, told, clock } = await connected();
    socket.say(snapshot(presence('ada', 'online', 1), presence('bob', 'online', 1)));
    const end = client.subscribe(['bob']);
    await clock.advance(60);
    socket.say(snapshot(presence('bob', 'online', 1)));
    end();
    await clock.advance(60);
    told();
    socket.say(diffs(diff('bob', 'online', 'busy', 2)));
    expect(told()).toEqual(['bob busy #2']);
  });

  test('who has left the kept list meanwhile is forgotten with the first snapshot of the next connection', async () => {
    const { client, socket, clock, sockets } = await connected();
    socket.say(snapshot(presence('ada', 'online', 1), presence('bob', 'online', 1)));
    socket.drop();
    await clock.advance(1_000);
    sockets[1]!.welcome().say(snapshot(presence('ada', 'online', 1)));
    expect([...client.presences.keys()]).toEqual(['ada']);
  });
});

describe('What the device says', () => {
  test('a state is a heartbeat, the same again is none, and the newest of a turn is what goes out', async () => {
    const { client, socket, clock } = await connected({ state: 'online' });
    expect(socket.take()).toEqual([{ ...hello, state: 'online' }]);
    client.setState('busy');
    client.setState('away', { source: 'inferred' });
    await clock.advance(60);
    client.setState('away', { source: 'inferred' });
    await clock.advance(60);
    expect(socket.take()).toEqual([{ type: 'heartbeat', seq: 1, state: 'away', source: 'inferred' }]);
  });

  test('offline is a goodbye, and the next state a hello', async () => {
    const { client, socket, clock } = await connected();
    socket.take();
    client.goodbye();
    await clock.advance(60);
    client.setState('dnd');
    await clock.advance(60);
    expect(socket.take()).toEqual([{ type: 'goodbye' }, { ...hello, state: 'dnd' }]);
  });

  test('a client that only watches says nothing until it is told to', async () => {
    const { client, socket, clock } = await connected({ state: null });
    expect(socket.take()).toEqual([]);
    client.setState('online');
    await clock.advance(60);
    expect(socket.take()).toEqual([{ ...hello, state: 'online' }]);
  });

  test('after a break it says hello in the same session, with what it said last', async () => {
    const { client, socket, sockets, clock } = await connected();
    client.setState('busy');
    await clock.advance(60);
    socket.drop();
    client.setState('dnd');
    await clock.advance(1_000);
    expect(sockets[1]!.welcome().take()).toEqual([{ ...hello, state: 'dnd' }]);
  });

  test('close says goodbye, ends the connection cleanly and leaves no timer', async () => {
    const { client, socket, clock, statuses } = await connected();
    socket.take();
    client.close();
    expect([socket.take(), socket.endedWith, statuses.at(-1)]).toEqual([[{ type: 'goodbye' }], 1000, { status: 'idle' }]);
    expect(clock.timers).toBe(0);
    socket.drop(1000);
    await clock.advance(60_000);
    expect([clock.timers, statuses.length]).toEqual([0, 3]);
  });

  test('whatever it was waiting for: a refresh of its token, what was refused, what is to be said', async () => {
    const claims = btoa(JSON.stringify({ iat: 1_767_225_600, exp: 1_767_226_200 })).replace(/=/g, '');
    const { client, socket, clock } = await connected({ token: () => `x.${claims}.y` });
    const alone = clock.timers;
    socket.say({ type: 'error', code: 'unavailable', detail: '' });
    for (const id of ['bob', 'cy']) {
      client.subscribe([id]);
      await settled();
    }
    expect([alone, clock.timers]).toEqual([2, 4]);
    client.close();
    expect(clock.timers).toBe(0);
  });

  test('a client that is closed may connect again, and watches the same', async () => {
    const { client, sockets } = await connected();
    client.subscribe(['bob']);
    client.close();
    expect(client.presences.size).toBe(0);
    client.connect();
    await settled();
    expect(sockets[1]!.welcome().take()).toEqual([hello, { type: 'subscribe', user_ids: ['bob'] }]);
  });
});

describe('Coming back', () => {
  test('resumes whom a snapshot told of, and subscribes to those it did not', async () => {
    const { client, socket, sockets, clock } = await connected();
    client.subscribe(['bob']);
    await clock.advance(60);
    socket.say(snapshot(presence('bob', 'online', 1)));
    client.subscribe(['cy']);
    await clock.advance(60);
    socket.drop();
    await clock.advance(1_000);
    expect(sockets[1]!.welcome().take()).toEqual([
      hello,
      { type: 'resume', cursor: 'k1', user_ids: ['bob'] },
      { type: 'subscribe', user_ids: ['cy'] },
    ]);
  });

  test('a cursor that is refused is dropped, and all are subscribed to anew', async () => {
    const { client, socket, sockets, clock, faults } = await connected();
    client.subscribe(['bob']);
    socket.say(snapshot(presence('bob', 'online', 1)));
    socket.drop();
    await clock.advance(1_000);
    const next = sockets[1]!.welcome();
    next.take();
    next.say({ type: 'error', code: 'bad_input', detail: 'The cursor is not one of ours.' });
    expect(next.take()).toEqual([{ type: 'subscribe', user_ids: ['bob'] }]);
    // Any other bad_input is the app's to know.
    next.say({ type: 'error', code: 'bad_input', detail: 'else' });
    expect([next.take(), faults]).toEqual([[], [{ code: 'bad_input', detail: 'else' }]]);
  });

  test('a late cursor is answered by a snapshot, which holds unless it is older than what is known', async () => {
    const { client, socket, sockets, clock, told } = await connected();
    client.subscribe(['bob', 'cy']);
    socket.say(snapshot(presence('bob', 'online', 5), presence('cy', 'online', 5)));
    told();
    socket.drop();
    await clock.advance(1_000);
    sockets[1]!.welcome().say(snapshot(presence('bob', 'away', 4), presence('cy', 'away', 1, { epoch: 8 })));
    expect(told()).toEqual(['cy away #1']);
    expect(client.presences.get('bob')?.state).toBe('online');
  });

  test('what could not be done is asked for again after a pause, once', async () => {
    const { client, socket, clock, faults } = await connected();
    client.subscribe(['bob']);
    await clock.advance(60);
    socket.take();
    for (const detail of ['1', '2']) socket.say({ type: 'error', code: 'unavailable', detail });
    await clock.advance(1_000);
    expect(socket.take()).toEqual([]);
    await clock.advance(500);
    expect(socket.take()).toEqual([hello, { type: 'subscribe', user_ids: ['bob'] }]);
    expect(faults.map(({ code }) => code)).toEqual(['unavailable', 'unavailable']);
  });
});

describe('Gaps', () => {
  test('a diff that does not begin where the picture is, is taken, and the user is asked for anew', async () => {
    const { client, socket, clock, told, faults } = await connected();
    client.subscribe(['bob']);
    await clock.advance(60);
    socket.say(snapshot(presence('bob', 'online', 1)));
    socket.take();
    socket.say(diffs(diff('bob', 'away', 'dnd', 4)));
    socket.say(diffs(diff('bob', 'busy', 'away', 6)));
    await clock.advance(60);
    expect(socket.take()).toEqual([
      { type: 'unsubscribe', user_ids: ['bob'] },
      { type: 'subscribe', user_ids: ['bob'] },
    ]);
    expect(told()).toEqual(['bob online #1', 'bob dnd #4', 'bob away #6']);
    expect(faults.map(({ code }) => code)).toEqual(['gap']);
    // If it breaks before the answer, a resume would not tell of what was missed.
    socket.drop();
    await clock.advance(1_000);
  });

  test('of whom nobody here watches (the kept list does) a snapshot is asked for and nothing else is changed', async () => {
    const { socket, clock, told, faults } = await connected();
    socket.say(snapshot(presence('ada', 'online', 1)));
    socket.take();
    told();
    socket.say(diffs(diff('kept', 'online', 'busy', 9)));
    await clock.advance(60);
    expect(socket.take()).toEqual([
      { type: 'subscribe', user_ids: ['kept'] },
      { type: 'unsubscribe', user_ids: ['kept'] },
    ]);
    socket.say(snapshot(presence('kept', 'busy', 9)));
    expect([told(), faults]).toEqual([['kept busy #9'], []]);
  });

  test('a connection that breaks between the gap and its snapshot subscribes to the user, and does not resume them', async () => {
    const { client, socket, sockets, clock } = await connected();
    client.subscribe(['bob', 'cy']);
    socket.say(snapshot(presence('bob', 'online', 1), presence('cy', 'online', 1)));
    socket.say(diffs(diff('bob', 'away', 'dnd', 4)));
    await clock.advance(60);
    socket.drop();
    await clock.advance(1_000);
    expect(sockets[1]!.welcome().take()).toEqual([
      hello,
      { type: 'resume', cursor: 'k2', user_ids: ['cy'] },
      { type: 'subscribe', user_ids: ['bob'] },
    ]);
  });
});

test('frames of types not known here are left alone, what is no frame is a fault, and neither ends the connection', async () => {
  const { socket, statuses, faults, told } = await connected();
  socket.say({ type: 'confetti' });
  for (const text of ['{', '[]', 'null', '{"type":5}']) socket.say(text);
  expect(faults.map(({ code }) => code)).toEqual(['bad_frame', 'bad_frame', 'bad_frame', 'bad_frame']);
  socket.say(snapshot(presence('ada', 'online', 1)));
  expect([told(), statuses.at(-1)!.status]).toEqual([['ada online #1'], 'open']);
});

test('a listener can be removed either way', async () => {
  const { client, socket } = await connected();
  const seen: string[] = [];
  const [one, two] = [() => void seen.push('one'), () => void seen.push('two')];
  const remove = client.on('presence', one);
  client.on('presence', two);
  socket.say(snapshot(presence('ada', 'online', 1)));
  remove();
  client.off('presence', two);
  socket.say(snapshot(presence('ada', 'online', 2)));
  expect(seen).toEqual(['one', 'two']);
});

test('what a listener throws stops neither the others nor the client, and is the host to report', async () => {
  const { client, socket, told } = await connected();
  const later = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {});
  client.on('presence', () => {
    throw new Error('of the app');
  });
  const after: unknown[] = [];
  client.on('presence', (changes) => void after.push(...changes));
  socket.say(snapshot(presence('ada', 'online', 1)));
  const report = later.mock.calls[0]![0];
  later.mockRestore();
  expect([told(), after.length]).toEqual([['ada online #1'], 1]);
  expect(report).toThrow('of the app');
});
