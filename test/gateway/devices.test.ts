import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createDevices, type GatewayDevices } from '../../gateway/devices.ts';
import { createOutbox, type GatewayOutbox } from '../../gateway/outbox.ts';
import type { SaidState } from '../../gateway/parts.ts';
import { LoopClock } from '../../gateway/stall.ts';
import type { Signal } from '../../schemas/generated.ts';
import { type Bench, bench, FakeConnection, until } from './parts-kit.ts';

let now = 0;
let down = false;
let on: Bench;
let outbox: GatewayOutbox;
let devices: GatewayDevices;
let clock: LoopClock;

beforeEach(async () => {
  now = 1_000;
  down = false;
  on = await bench({ partitions: 1, faults: { send: () => (down ? 'refused' : undefined) } });
  outbox = await createOutbox({ log: on.log, codecs: on.codecs, logger: silentLogger, markerEvery_ms: 20 });
  clock = new LoopClock({ now: () => now });
  devices = await createDevices({ outbox, log: on.log, codecs: on.codecs, logger: silentLogger, clock });
});
afterEach(async () => {
  await devices.close();
  await outbox.close(0);
});

/** Lets time go on turn by turn, as a loop does, and judges at each. */
function pass(ms: number, eachTurn: () => void = () => {}): void {
  for (let left = ms; left > 0; left -= 50) {
    now += Math.min(50, left);
    clock.turned();
    eachTurn();
    devices.judge();
  }
}

const socket = (id: string, user = 'ada') => new FakeConnection(user, id);
const as = (device_id: string, session_id = 's1', said: SaidState = {}) => ({ device_id, session_id, ...said });
const beat = (seq: number, said: SaidState = {}, ack = false) => ({ seq, ack, ...said });

/** The log without markers, once it has this many signals: kind, connection, and what matters of the kind. */
async function said(count: number): Promise<readonly string[]> {
  const signals = await until(async () => {
    const read = (await on.signals()).flat().filter(({ kind }) => kind !== 'marker');
    return read.length >= count ? read : null;
  });
  return signals.map(line);
}
function line({ kind, connection_id, device_id, session_id, seq, state, source, silent_ms, restated }: Signal): string {
  const facts = [
    device_id !== 'd1' && device_id,
    session_id !== 's1' && session_id,
    seq !== null && `#${seq}`,
    state,
    source,
    restated && 'restated',
    silent_ms !== null && `${silent_ms}ms`,
  ];
  return [kind, connection_id, ...facts.filter((fact) => fact !== false && fact !== null)].join(' ');
}
/** Waits until everything queued so far is in the log, whatever it is. */
const settled = () => outbox.send({ kind: 'override_cleared', user_id: 'zed' });

describe('devices: what is written', () => {
  test('a hello, what changes, what is to be acknowledged; nothing else', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1', 's1', { state: 'online' }));
    await devices.heartbeat(c1, beat(1));
    await devices.heartbeat(c1, beat(2, { state: 'online' }));
    await devices.heartbeat(c1, beat(3, { state: 'online', source: 'app' }));
    await devices.heartbeat(c1, beat(4, { state: 'busy' }));
    await devices.heartbeat(c1, beat(5, { source: 'inferred' }));
    await devices.heartbeat(c1, beat(6, { state: 'busy' }));
    await devices.heartbeat(c1, beat(7, {}, true));
    await devices.goodbye(c1, {});
    expect(await said(6)).toEqual([
      'hello c1 online',
      'heartbeat c1 #4 busy',
      'heartbeat c1 #5 inferred',
      'heartbeat c1 #6 busy',
      'heartbeat c1 #7',
      'goodbye c1',
    ]);
  });

  test('a heartbeat before hello, and what only an override can say, is refused and changes nothing', async () => {
    const c1 = socket('c1');
    await expect(devices.heartbeat(c1, beat(1))).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await expect(devices.hello(c1, as('d1', 's1', { state: 'invisible' }))).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await devices.hello(c1, as('d1'));
    await expect(devices.heartbeat(c1, beat(1, { source: 'manual' }))).rejects.toMatchObject({ code: 'BAD_INPUT' });
    await devices.heartbeat(c1, beat(1, { state: 'away' }));
    expect(await said(2)).toEqual(['hello c1', 'heartbeat c1 #1 away']);
  });

  test('a repeated seq changes nothing; with ack it is answered once the log has it, written or not before', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    await devices.heartbeat(c1, beat(5, { state: 'busy' }, true));
    await devices.heartbeat(c1, beat(5, { state: 'away' }, true));
    await devices.heartbeat(c1, beat(4, { state: 'away' }));
    await devices.heartbeat(c1, beat(6));
    await devices.heartbeat(c1, beat(6, { state: 'dnd' }, true));
    await devices.heartbeat(c1, beat(6, { state: 'dnd' }, true));
    await settled();
    expect((await said(3)).slice(0, 3)).toEqual(['hello c1', 'heartbeat c1 #5 busy', 'heartbeat c1 #6']);
    expect((await said(4)).length).toBe(4);
  });

  test('a goodbye or offline unbinds: pings count for nothing, a heartbeat binds anew', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1', 's1', { state: 'busy' }));
    await devices.heartbeat(c1, beat(1, { state: 'offline' }, true));
    devices.beat(c1);
    pass(10_000, () => devices.beat(c1));
    expect(devices.bound).toBe(0);
    await devices.heartbeat(c1, beat(2));
    expect(devices.bound).toBe(1);
    await devices.goodbye(c1, {});
    await devices.goodbye(c1, {});
    expect(await said(5)).toEqual(['hello c1 busy', 'goodbye c1', 'hello c1', 'heartbeat c1 #2', 'goodbye c1']);
  });

  test('another device on the same connection is a goodbye of the first; another session is a hello alone', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    await devices.hello(c1, as('d1', 's2'));
    await devices.hello(c1, as('d2', 's3'));
    expect(await said(4)).toEqual(['hello c1', 'hello c1 s2', 'goodbye c1 s2', 'hello c1 d2 s3']);
    expect(devices.bound).toBe(1);
    expect(c1.refused).toBe(null);
  });

  test('hello with offline says so, and holds nothing', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1', 's1', { state: 'offline' }));
    expect(await said(1)).toEqual(['hello c1 offline']);
    expect(devices.bound).toBe(0);
  });
});

describe('devices: holders', () => {
  const beats = (...connections: readonly FakeConnection[]) => {
    for (const connection of connections) devices.beat(connection);
  };
  const lost = (connection_id: string) =>
    on.say({ kind: 'lost', gateway_id: outbox.gatewayId, user_id: 'ada', device_id: 'd1', connection_id });

  test('another connection in the same session replaces the first, which is told', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    await devices.hello(c2, as('d1'));
    expect(c1.refused).toEqual({ code: 'session_replaced', closeCode: 4409 });
    devices.closed(c1, 4409);
    pass(2_900, () => devices.beat(c2));
    expect(devices.bound).toBe(1);
    await settled();
    expect((await said(3)).slice(0, 2)).toEqual(['hello c1', 'hello c2']);
  });

  test('another connection in another session replaces the first once the topology says so', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    await devices.hello(c2, as('d1', 's2'));
    pass(1_000, () => beats(c1, c2));
    expect([c1.refused, devices.bound]).toEqual([null, 1]);
    await lost('c1');
    await until(() => c1.refused);
    devices.closed(c1, 4409);
    pass(4_000, () => devices.beat(c2));
    expect([c1.refused?.closeCode, c2.refused, devices.bound]).toEqual([4409, null, 1]);
    await settled();
    expect((await said(3)).slice(0, 2)).toEqual(['hello c1', 'hello c2 s2']);
  });

  test('a session that the topology refuses ends alone: the first has its device again, and goes on', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1', 's1', { state: 'busy' }));
    await devices.hello(c2, as('d1', 's0'));
    await devices.heartbeat(c1, beat(1, { state: 'away' }));
    await lost('c2');
    await until(() => c2.refused);
    pass(10_000, () => devices.beat(c1));
    expect([c1.refused, c2.refused?.closeCode, devices.bound]).toEqual([null, 4409, 1]);
    await settled();
    expect((await said(6)).slice(0, 5)).toEqual([
      'hello c1 busy',
      'hello c2 s0',
      'heartbeat c1 #1 away',
      'silence c2 s0 0ms',
      'hello c1 restated',
    ]);
  });

  test('where the first breaks meanwhile, it has its device again until it is silent, 3 s after its last beat', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    await devices.hello(c2, as('d1', 's0'));
    c1.open = false;
    devices.closed(c1, 1006);
    await lost('c2');
    await until(() => devices.bound === 1);
    pass(3_100);
    expect((await said(4)).slice(2)).toEqual(['silence c2 s0 0ms', expect.stringMatching(/^silence c1 3[01]\d\dms$/)]);
    expect(devices.bound).toBe(0);
  });

  test('without a word of the topology the first is refused after 10 s', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    await devices.hello(c2, as('d1', 's2'));
    pass(9_900, () => beats(c1, c2));
    expect(c1.refused).toBe(null);
    pass(300, () => beats(c1, c2));
    expect([c1.refused?.closeCode, c2.refused, devices.bound]).toEqual([4409, null, 1]);
  });

  test.each([1000, 1001, 1005])('a close with %i is a goodbye', async (code) => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    c1.open = false;
    devices.closed(c1, code);
    expect(await said(2)).toEqual(['hello c1', 'goodbye c1']);
  });

  test('a connection that breaks is silent 3 s after its last beat', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    pass(1_000);
    devices.beat(c1);
    pass(1_000);
    c1.open = false;
    devices.closed(c1, 1006);
    pass(1_900);
    expect(devices.bound).toBe(1);
    pass(200);
    expect(devices.bound).toBe(0);
    expect((await said(2))[1]).toMatch(/^silence c1 30\d\dms|silence c1 31\d\dms$/);
  });

  test('coming back before that drops the old hold without silence', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    c1.open = false;
    devices.closed(c1, 1006);
    pass(1_500);
    await devices.hello(c2, as('d1'));
    pass(6_000, () => devices.beat(c2));
    await settled();
    expect((await said(3)).slice(0, 2)).toEqual(['hello c1', 'hello c2']);
  });

  test('a hello whose socket closed before its first attempt is dropped with all that follows it', async () => {
    down = true;
    const first = outbox.send({ kind: 'override_cleared', user_id: 'zed' });
    await until(() => !outbox.connected);
    const c1 = socket('c1');
    const hello = devices.hello(c1, as('d1'));
    const ack = devices.heartbeat(c1, beat(1, { state: 'busy' }, true));
    c1.open = false;
    devices.closed(c1, 1000);
    down = false;
    await Promise.all([first, hello, ack]);
    await settled();
    expect((await said(2)).filter((text) => !text.startsWith('override'))).toEqual([]);
    expect(devices.bound).toBe(0);
  });

  test('a dropped hello had displaced a holder: that one is silent 3 s after its last beat', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c1, as('d1'));
    down = true;
    const first = outbox.send({ kind: 'override_cleared', user_id: 'zed' });
    await until(() => !outbox.connected);
    const hello = devices.hello(c2, as('d1'));
    c2.open = false;
    devices.closed(c2, 1006);
    down = false;
    await Promise.all([first, hello]);
    pass(2_900);
    expect(devices.bound).toBe(1);
    pass(200);
    expect((await said(3)).filter((text) => !text.startsWith('override'))).toEqual([
      'hello c1',
      expect.stringMatching(/^silence c1 3[01]\d\dms$/),
    ]);
    expect(devices.bound).toBe(0);
  });

  test('when the outbox is full, a hello is refused and binds nothing', async () => {
    const [c1, c2] = [socket('c1'), socket('c2')];
    await devices.hello(c2, as('d1'));
    await outbox.close(10);
    await expect(devices.hello(c1, as('d1'))).rejects.toMatchObject({ code: 'OUTBOX_FULL' });
    expect(devices.bound).toBe(1);
    expect(c2.refused).toBe(null);
  });
});

describe('devices: silence', () => {
  test('beats keep a device; 3 s without is silence; a later beat brings it back, taking it from nobody', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    let turn = 0;
    pass(20_000, () => ++turn % 50 === 0 && devices.beat(c1));
    expect(devices.bound).toBe(1);
    pass(3_200);
    expect(devices.bound).toBe(0);
    devices.beat(c1);
    expect(devices.bound).toBe(1);
    expect(await said(3)).toEqual(['hello c1', expect.stringMatching(/^silence c1 3[0-4]\d\dms$/), 'hello c1 restated']);
  });

  test('a stall of the own loop moves all deadlines, and what silence says is the truth', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    pass(1_000);
    now += 10_000;
    devices.judge();
    clock.turned();
    devices.judge();
    expect(devices.bound).toBe(1);
    pass(1_900);
    expect(devices.bound).toBe(1);
    pass(250);
    expect(devices.bound).toBe(0);
    expect((await said(2))[1]).toMatch(/^silence c1 1[23]\d\d\dms$/);
  });

  test('each of many devices is silent once', async () => {
    const sockets = Array.from({ length: 500 }, (_, i) => socket(`c${i}`, `u${i}`));
    await Promise.all(sockets.map((connection) => devices.hello(connection, as('d1'))));
    const living = sockets.filter((_, i) => i % 2 === 0);
    pass(5_000, () => {
      for (const connection of living) devices.beat(connection);
    });
    expect(devices.bound).toBe(250);
    const silent = (await said(750)).filter((text) => text.startsWith('silence'));
    expect(new Set(silent).size).toBe(250);
    expect(silent.length).toBe(250);
  });
});

describe('devices: controls', () => {
  test('lost ends the hold and closes the connection with session_replaced, once', async () => {
    const c1 = socket('c1');
    await devices.hello(c1, as('d1'));
    const control = { kind: 'lost' as const, gateway_id: outbox.gatewayId, user_id: 'ada', device_id: 'd1', connection_id: 'c1' };
    await on.say({ ...control, gateway_id: 'gw-other' });
    await on.say({ ...control, connection_id: 'c0' });
    await on.say(control);
    await on.say(control);
    await until(() => c1.refused);
    expect(c1.refused).toEqual({ code: 'session_replaced', closeCode: 4409 });
    expect(await said(2)).toEqual(['hello c1', 'silence c1 0ms']);
    await until(async () => (await on.signals())[0]?.at(-1)?.devices === 0);
  });

  test('restate says hello anew of every device bound, as last said, and the marker tells from where', async () => {
    const [c1, c2, c3] = [socket('c1'), socket('c2', 'bob'), socket('c3', 'cyd')];
    await devices.hello(c1, as('d1', 's1', { state: 'busy' }));
    await devices.heartbeat(c1, beat(1, { state: 'away', source: 'inferred' }));
    await devices.hello(c2, as('d2', 's2'));
    await devices.hello(c3, as('d3', 's3'));
    await devices.goodbye(c3, {});
    const c4 = socket('c4', 'dan');
    await devices.hello(c4, as('d4', 's4'));
    pass(3_200, () => {
      for (const connection of [c1, c2]) devices.beat(connection);
    });
    await on.say({ kind: 'restate', gateway_id: outbox.gatewayId, partition: 0 });
    expect((await said(9)).slice(7)).toEqual(['hello c1 away inferred restated', 'hello c2 d2 s2 restated']);
    const marker = await until(async () => (await on.signals())[0]?.find(({ restated_from }) => restated_from !== null));
    expect(marker).toMatchObject({ restated_from: 8, ordinal: 9, devices: 2 });
  });
});
