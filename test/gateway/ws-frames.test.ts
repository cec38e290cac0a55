import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { topicNames } from '../../schemas/topics.ts';
import { Client, eventually, type Rig, seen, startRig } from './harness.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const open = (as: string) => new Client(rig.url, { as: `dev:${as}` });
const kinds = async (user: string) => (await rig.signals(user)).map(({ kind }) => kind);

describe('opening', () => {
  test('welcome comes first, then the own presence unasked', async () => {
    await rig.seed('w1');
    const client = open('w1');
    const snapshot = await client.next('snapshot');
    expect(snapshot).toMatchObject({ presences: [{ user_id: 'w1', state: 'online' }], cursor: expect.any(String) });
    const [first] = client.frames;
    expect(first).toEqual({ type: 'welcome', heartbeat_ms: 1_000, ttl_ms: 3_000, connection_id: expect.any(String) });
    expect(client.socket.protocol).toBe('presence.v1');
    client.socket.close();
  });

  test('the server pings about once a second', async () => {
    const client = await open('w2').ready();
    await eventually(() => client.pings.length >= 2, 'two pings');
    expect((client.pings[1] as number) - (client.pings[0] as number)).toBeGreaterThan(500);
    client.socket.close();
  });
});

describe('hello', () => {
  test('binds the connection: the signal has its device, session, connection and trace', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const client = new Client(rig.url, { as: 'dev:b1', headers: { traceparent } });
    const { connection_id } = await client.next('welcome');
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1', state: 'away', source: 'app' });
    const [hello] = await eventually(async () => ((found) => found.length > 0 && found)(await rig.signals('b1')), 'the hello');
    expect(hello).toMatchObject({
      kind: 'hello',
      device_id: 'tab',
      session_id: 's1',
      connection_id,
      state: 'away',
      source: 'app',
      seq: null,
    });
    expect(hello?.traceparent).toContain('4bf92f3577b34da6a3ce929d0e0e4736');
    client.socket.close(1000);
    await eventually(async () => (await kinds('b1')).includes('goodbye'), 'the goodbye of a clean close');
  });

  test('a frame may bring its own trace', async () => {
    const client = await open('b2').ready();
    client.say({
      type: 'hello',
      device_id: 'tab',
      session_id: 's1',
      traceparent: '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-00f067aa0ba902b7-01',
    });
    const [hello] = await eventually(async () => ((found) => found.length > 0 && found)(await rig.signals('b2')), 'the hello');
    expect(hello?.traceparent).toContain('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
    client.socket.close();
  });

  test('another connection that says hello for the same device replaces the first: session_replaced, 4409', async () => {
    const first = await open('b3').ready();
    first.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    await eventually(async () => (await kinds('b3')).length === 1, 'the first hello');
    const second = await open('b3').ready();
    second.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    expect(await first.next('error')).toMatchObject({ code: 'session_replaced' });
    expect(await first.closed).toMatchObject({ code: 4409, reason: expect.stringContaining('Do not come back in this session') });
    second.socket.close();
  });
});

describe('heartbeat', () => {
  test('before hello is an error, and so is a goodbye; the connection stays', async () => {
    const client = await open('h1').ready();
    client.say({ type: 'heartbeat', seq: 1 });
    expect(await client.next('error')).toMatchObject({ code: 'hello_first' });
    client.say({ type: 'goodbye' });
    expect(await client.next('error')).toMatchObject({ code: 'hello_first' });
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    client.say({ type: 'heartbeat', seq: 1, ack: true });
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 1 });
    client.socket.close();
  });

  test('is acknowledged once the log has it, a repeated seq too; one that changes nothing is not written', async () => {
    const client = await open('h2').ready();
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    client.say({ type: 'heartbeat', seq: 1, ack: true, state: 'busy' });
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 1 });
    expect((await rig.signals('h2')).at(-1)).toMatchObject({ kind: 'heartbeat', seq: 1, state: 'busy' });
    client.say({ type: 'heartbeat', seq: 1, ack: true });
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 1 });
    const before = (await kinds('h2')).length;
    client.say({ type: 'heartbeat', seq: 2 });
    client.say({ type: 'heartbeat', seq: 3, state: 'away', ack: true });
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 3 });
    expect((await kinds('h2')).length).toBe(before + 1);
    client.socket.close();
  });

  test('offline said is a goodbye', async () => {
    const client = await open('h3').ready();
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    client.say({ type: 'heartbeat', seq: 1, state: 'offline', ack: true });
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 1 });
    expect(await kinds('h3')).toEqual(['hello', 'goodbye']);
    client.socket.close();
  });

  test('waits for its ack while the log is away', async () => {
    const client = await open('h4').ready();
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    await eventually(async () => (await kinds('h4')).length === 1, 'the hello');
    rig.faults.refuse = true;
    client.say({ type: 'heartbeat', seq: 1, state: 'dnd', ack: true });
    await new Promise((later) => setTimeout(later, 150));
    expect(client.frames.filter(({ type }) => type === 'ack')).toEqual([]);
    rig.faults.refuse = false;
    expect(await client.next('ack')).toEqual({ type: 'ack', seq: 1 });
    client.socket.close();
  });

  test('a client that answers pings stays; one that does not is silent 3 s after its last beat', async () => {
    const quiet = new Client(rig.url, { as: 'dev:h5', autoPong: false });
    const alive = open('h6');
    for (const client of [quiet, alive]) {
      await client.ready();
      client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    }
    await eventually(async () => (await kinds('h5')).includes('silence'), 'the silence');
    expect(await kinds('h6')).toEqual(['hello']);
    quiet.socket.terminate();
    alive.socket.close();
  });

  test("a client's own pings are beats", async () => {
    const client = new Client(rig.url, { as: 'dev:h7', autoPong: false });
    await client.ready();
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    const pinging = setInterval(() => client.socket.ping(), 500);
    await new Promise((later) => setTimeout(later, 3_600));
    expect(await kinds('h7')).toEqual(['hello']);
    clearInterval(pinging);
    client.socket.terminate();
  });
});

describe('goodbye', () => {
  test('is a clean leave: written once, whatever the socket does after', async () => {
    const client = await open('g1').ready();
    client.say({ type: 'hello', device_id: 'tab', session_id: 's1' });
    client.say({ type: 'goodbye' });
    await eventually(async () => (await kinds('g1')).length === 2, 'the goodbye');
    client.socket.close(1000);
    await client.closed;
    await new Promise((later) => setTimeout(later, 100));
    expect(await kinds('g1')).toEqual(['hello', 'goodbye']);
  });
});

describe('watching', () => {
  test('subscribe gives a snapshot, then diffs; unsubscribe ends them', async () => {
    await rig.seed('friend');
    const client = await open('s1').ready();
    client.say({ type: 'subscribe', user_ids: ['friend', 'nobody'] });
    const { presences } = await client.next('snapshot');
    expect(presences.map((one: { user_id: string; state: string }) => [one.user_id, one.state])).toEqual([
      ['friend', 'online'],
      ['nobody', 'offline'],
    ]);
    await publish('friend', 'online', 'busy', 2);
    expect(await client.next('diffs')).toMatchObject({
      diffs: [
        {
          user_id: 'friend',
          from: 'online',
          to: 'busy',
          epoch: 7,
          version: 2,
          cause: 'signal',
          source: 'app',
          trace_id: expect.stringMatching(/^[0-9a-f]{32}$/), // others are never shown a sign of life without one
          at: expect.stringMatching(/Z$/),
        },
      ],
      cursor: expect.any(String),
    });
    client.say({ type: 'unsubscribe', user_ids: ['friend'] });
    await new Promise((later) => setTimeout(later, 50));
    await publish('friend', 'busy', 'away', 3);
    await new Promise((later) => setTimeout(later, 200));
    expect(client.frames.filter(({ type }) => type === 'diffs')).toEqual([]);
    client.socket.close();
  });

  test('the kept list is watched by each connection, changes included', async () => {
    await rig.seed('kept');
    await rig.fetch('/presence/subscriptions', { method: 'PUT', as: 'dev:s2', json: { user_ids: ['kept'] } });
    const client = open('s2');
    const { presences } = await client.next('snapshot');
    expect(presences.map((one: { user_id: string }) => one.user_id).sort()).toEqual(['kept', 's2']);
    await rig.fetch('/presence/subscriptions/add', { method: 'POST', as: 'dev:s2', json: { user_ids: ['later'] } });
    expect((await client.next('snapshot')).presences).toMatchObject([{ user_id: 'later' }]);
    client.socket.close();
  });

  test('resume tells what changed since; a garbled cursor is an error and the connection stays', async () => {
    await rig.seed('mover', { ...seen('mover') });
    const first = await open('s3').ready();
    first.say({ type: 'subscribe', user_ids: ['mover'] });
    const { cursor } = await first.next('snapshot');
    first.socket.close();
    await first.closed;
    await publish('mover', 'online', 'dnd', 2);
    const second = await open('s3').ready();
    second.say({ type: 'resume', cursor, user_ids: ['mover'] });
    expect(await second.next('diffs')).toMatchObject({ diffs: [{ user_id: 'mover', from: 'online', to: 'dnd', version: 2 }] });
    second.say({ type: 'resume', cursor: 'rubbish' });
    expect(await second.next('error')).toMatchObject({ code: 'bad_input' });
    second.say({ type: 'subscribe', user_ids: ['x'] });
    await second.next('snapshot');
    second.socket.close();
  });

  test('10,000 may be watched; more are an error', async () => {
    const client = await open('s4').ready();
    client.say({ type: 'subscribe', user_ids: Array.from({ length: 10_000 }, (_, i) => `u${i}`) });
    expect((await client.next('snapshot')).presences).toHaveLength(10_000);
    client.say({ type: 'subscribe', user_ids: ['one-more'] });
    expect(await client.next('error')).toMatchObject({ code: 'bad_input' });
    client.say({ type: 'subscribe', user_ids: Array.from({ length: 10_001 }, (_, i) => `u${i}`) });
    expect(await client.next('error')).toMatchObject({ code: 'bad_input', detail: expect.stringContaining('10,000') });
    client.socket.close();
  });
});

async function publish(user: string, from: 'online' | 'busy', to: 'busy' | 'away' | 'dnd', version: number): Promise<void> {
  const diff = { user_id: user, audience: 'all' as const, from, to, at: Date.now(), epoch: 7, version, public_version: version };
  const more = {
    cause: 'signal' as const,
    source: 'app' as const,
    device_id: null,
    trace_id: null,
    received_at: Date.now(),
    log: 0,
    offset: version,
  };
  const producer = await rig.log.producer();
  await producer.send([
    { topic: topicNames.diffs, records: [{ key: user, value: rig.codecs.diff.encode({ ...diff, ...more }) }] },
  ]);
  await producer.close();
}
