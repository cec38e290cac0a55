/** The client library against real gateways, through real sockets, with the WebSocket of the package `ws` and that of Node 22. */
import { SignJWT } from 'jose';
import { WebSocket as NodeWebSocket } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type ClientOptions, createPresenceClient, type PresenceClient } from '../../client/index.ts';
import type { SocketClass } from '../../client/socket.ts';
import { topicNames } from '../../schemas/topics.ts';
import { eventually, Client as RawClient, type Rig, startRig } from '../gateway/harness.ts';
import { type TcpProxy, tcpProxy } from '../proxy/tcp-proxy.ts';

const secret = 'a secret of at least thirty-two bytes, for HS256';
const sign = (ends_in_s: number, scope = 'presence:read presence:write', sub = 'ada'): Promise<string> => {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ sub, scope, iat: now, exp: now + ends_in_s })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
};

let rig: Rig;
/** Another gateway on the same log, cache and database. */
let other: Rig;
let proxy: TcpProxy;
const clients: PresenceClient[] = [];
const rigs: Rig[] = [];

beforeAll(async () => {
  rig = await startRig();
  const { log, codecs, cache, store } = rig;
  other = await startRig({ log, codecs, cache, store });
  proxy = await tcpProxy(rig.url);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  proxy.target = rig.url;
  await Promise.all(rigs.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await proxy.close();
  await other.close();
  await rig.close();
});

interface Seen {
  readonly client: PresenceClient;
  /** `bob online>busy #2` for a diff, `bob online #1` for a snapshot. */
  readonly told: string[];
  readonly statuses: string[];
  readonly codes: number[];
  readonly faults: string[];
}

function client(options: Partial<ClientOptions> & { readonly as?: string } = {}): Seen {
  const { as = 'ada', ...rest } = options;
  const made = createPresenceClient({ url: proxy.url, token: `dev:${as}`, WebSocket, ...rest });
  clients.push(made);
  const seen: Seen = { client: made, told: [], statuses: [], codes: [], faults: [] };
  made.on('presence', (changes) => {
    for (const { presence, diff } of changes) {
      const step = diff === undefined ? presence.state : `${diff.from}>${diff.to}`;
      seen.told.push(`${presence.user_id} ${step} #${presence.version}`);
    }
  });
  made.on('connection', (connection) => {
    seen.statuses.push(connection.status);
    if (connection.status === 'waiting' || connection.status === 'refused') seen.codes.push(connection.code);
  });
  made.on('error', ({ code }) => void seen.faults.push(code));
  made.connect();
  return seen;
}

const isOpen = ({ client }: Seen) => eventually(() => client.connection.status === 'open', 'the connection');
const knows = ({ client }: Seen, user: string, state: string) =>
  eventually(() => client.presences.get(user)?.state === state, `${user} ${state}`);
const kinds = async (user: string) => (await rig.signals(user)).map(({ kind }) => kind);

type Step = 'online' | 'busy' | 'away' | 'dnd';

async function publish(user: string, from: Step, to: Step, version: number): Promise<void> {
  const diff = { user_id: user, audience: 'all' as const, from, to, at: Date.now(), epoch: 7, version, public_version: version };
  const why = { cause: 'signal' as const, source: 'app' as const, device_id: null, trace_id: null, received_at: Date.now() };
  const value = rig.codecs.diff.encode({ ...diff, ...why, log: 0, offset: version });
  const producer = await rig.log.producer();
  await producer.send([{ topic: topicNames.diffs, records: [{ key: user, value }] }]);
  await producer.close();
}

describe.each([
  ['ws', WebSocket as SocketClass],
  ['Node 22', NodeWebSocket as SocketClass],
])('On the WebSocket of %s', (name, WebSocket) => {
  const own = (user: string): string => `${user}-${name.replace(' ', '')}`;

  test('it says hello, gets a snapshot of its own and of whom it watches, then diffs, and leaves with a goodbye', async () => {
    const [ada, bob] = [own('ada'), own('bob')];
    await rig.seed(bob);
    const seen = client({ as: ada, WebSocket, state: 'online' });
    seen.client.subscribe([bob, '__proto__']);
    await knows(seen, '__proto__', 'offline');
    await publish(bob, 'online', 'busy', 2);
    await publish(bob, 'busy', 'away', 3);
    await knows(seen, bob, 'away');
    expect(seen.told.filter((one) => one.startsWith(bob))).toEqual([
      `${bob} online #1`,
      `${bob} online>busy #2`,
      `${bob} busy>away #3`,
    ]);
    seen.client.setState('dnd');
    await eventually(async () => (await rig.signals(ada)).some(({ state }) => state === 'dnd'), 'the heartbeat');
    seen.client.close();
    await eventually(async () => (await kinds(ada)).at(-1) === 'goodbye', 'the goodbye');
    expect(await kinds(ada)).toEqual(['hello', 'heartbeat', 'goodbye']);
    expect([seen.statuses, seen.faults]).toEqual([['connecting', 'open', 'idle'], []]);
  });

  test('after a break it resumes on another gateway: what changed meanwhile comes once, from what it knew', async () => {
    const [ada, bob, cy] = [own('ada-r'), own('bob-r'), own('cy-r')];
    await Promise.all([rig.seed(bob), rig.seed(cy)]);
    const seen = client({ as: ada, WebSocket });
    seen.client.subscribe([bob, cy]);
    await knows(seen, cy, 'online');
    seen.told.length = 0;
    proxy.target = other.url;
    proxy.cut();
    await publish(bob, 'online', 'busy', 2);
    await publish(bob, 'busy', 'away', 3);
    await knows(seen, bob, 'away');
    await publish(cy, 'online', 'dnd', 2);
    await knows(seen, cy, 'dnd');
    expect(seen.told.filter((one) => !one.startsWith(ada))).toEqual([`${bob} online>away #3`, `${cy} online>dnd #2`]);
    expect(await kinds(ada)).toEqual(['hello', 'hello']);
    expect([seen.faults, new Set((await rig.signals(ada)).map(({ session_id }) => session_id)).size]).toEqual([[], 1]);
  });

  test('a token that is not accepted: it says so and gives up', async () => {
    const seen = client({ as: '', token: 'no.such.token', WebSocket });
    await eventually(() => seen.client.connection.status === 'refused', 'the refusal');
    expect(seen.client.connection).toMatchObject({ reason: 'the token was not accepted' });
    expect(seen.statuses).toEqual(['connecting', 'refused']);
  });
});

test('whoever is on the kept list is known without being asked for, also when the app stops watching them', async () => {
  await rig.seed('kept-k');
  await rig.fetch('/presence/subscriptions', { method: 'PUT', as: 'dev:ada-k', json: { user_ids: ['kept-k'] } });
  const seen = client({ as: 'ada-k' });
  await knows(seen, 'kept-k', 'online');
  const end = seen.client.subscribe(['kept-k']);
  end();
  await publish('kept-k', 'online', 'busy', 2);
  await knows(seen, 'kept-k', 'busy');
  expect([...seen.client.presences.keys()].sort()).toEqual(['ada-k', 'kept-k']);
});

test('what was missed is asked for anew, and found: also of a user whom only the kept list watches', async () => {
  await Promise.all([rig.seed('bob-g'), rig.seed('kept-g')]);
  await rig.fetch('/presence/subscriptions', { method: 'PUT', as: 'dev:ada-g', json: { user_ids: ['kept-g'] } });
  // A socket that loses each second frame of diffs, as no TCP connection does.
  let frames = 0;
  class Lossy extends WebSocket {
    override emit(name: string, ...args: unknown[]): boolean {
      const lost = name === 'message' && String(args[0]).startsWith('{"type":"diffs"') && ++frames % 2 === 1;
      return lost || super.emit(name, ...args);
    }
  }
  const seen = client({ as: 'ada-g', WebSocket: Lossy });
  seen.client.subscribe(['bob-g']);
  await knows(seen, 'bob-g', 'online');
  await knows(seen, 'kept-g', 'online');
  for (const user of ['bob-g', 'kept-g']) {
    await publish(user, 'online', 'busy', 2);
    await new Promise((later) => setTimeout(later, 100));
    await publish(user, 'busy', 'away', 3);
    await knows(seen, user, 'away');
  }
  await eventually(() => seen.told.includes('bob-g away #3') && seen.told.includes('kept-g away #3'), 'the fresh snapshots');
  expect(seen.faults).toEqual(['gap', 'gap']);
});

test('a garbled cursor costs nothing but a fresh snapshot', async () => {
  await rig.seed('bob-c');
  class Garbled extends WebSocket {
    override send(data: string): void {
      super.send(data.replace(/"cursor":"[^"]*"/, '"cursor":"rubbish"'));
    }
  }
  const seen = client({ as: 'ada-c', WebSocket: Garbled });
  seen.client.subscribe(['bob-c']);
  await knows(seen, 'bob-c', 'online');
  proxy.cut();
  await publish('bob-c', 'online', 'busy', 2);
  await rig.seed('bob-c', { version: 2, state: 'busy', public: { ...(await publicOf('busy', 2)), ghosts: null } });
  await knows(seen, 'bob-c', 'busy');
  expect(seen.faults).toEqual([]);
});

const publicOf = async (state: 'busy', version: number) => ({
  version,
  state,
  source: 'app' as const,
  since: Date.now(),
  last_seen: Date.now(),
  devices_live: 1,
  streaming: true,
});

test('a token is refreshed on the live connection before it ends, with its scopes', async () => {
  const keyed = await startRig({ jwtSecret: secret });
  rigs.push(keyed);
  let asked = 0;
  const token = async () => sign(4, (asked += 1) === 1 ? 'presence:read presence:write' : 'presence:read');
  const seen = client({ url: keyed.url, token });
  await isOpen(seen);
  await eventually(() => asked > 1, 'the refresh');
  let said = 0;
  await eventually(() => {
    seen.client.setState((said += 1) % 2 === 0 ? 'busy' : 'dnd');
    return seen.faults.includes('forbidden');
  }, 'the narrower scope');
  expect(seen.statuses).toEqual(['connecting', 'open']);
});

test('a drain moves it before the old gateway closes: no goodbye, no break, and nothing is missed', async () => {
  const { log, codecs, cache, store } = rig;
  const leaving = await startRig({ log, codecs, cache, store });
  rigs.push(leaving);
  await rig.seed('bob-d');
  proxy.target = leaving.url;
  const seen = client({ as: 'ada-d' });
  seen.client.subscribe(['bob-d']);
  await knows(seen, 'bob-d', 'online');
  proxy.target = rig.url;
  await leaving.fetch('/admin/drain', { method: 'POST', as: 'dev-admin:op', json: { over_ms: 200 } });
  await publish('bob-d', 'online', 'busy', 2);
  await eventually(() => seen.statuses.length === 3, 'the move');
  await publish('bob-d', 'busy', 'away', 3);
  await knows(seen, 'bob-d', 'away');
  expect(seen.statuses).toEqual(['connecting', 'open', 'open']);
  expect(await kinds('ada-d')).toEqual(['hello', 'hello']);
  expect(seen.told.filter((one) => one.startsWith('bob-d'))).toEqual([
    'bob-d online #1',
    'bob-d online>busy #2',
    'bob-d busy>away #3',
  ]);
});

test('where a copy speaks for its device it becomes another device, and both go on', async () => {
  const seen = client({ as: 'ada-s' });
  await isOpen(seen);
  const [hello] = await eventually(async () => {
    const signals = await rig.signals('ada-s');
    return signals.length === 1 && signals;
  }, 'the hello');
  const copy = await new RawClient(rig.url, { as: 'dev:ada-s' }).ready();
  copy.say({ type: 'hello', device_id: hello!.device_id, session_id: hello!.session_id });
  await eventually(async () => new Set((await rig.signals('ada-s')).map(({ device_id }) => device_id)).size === 2, 'two devices');
  expect([seen.codes, copy.socket.readyState]).toEqual([[4409], copy.socket.OPEN]);
  copy.socket.close();
});

test('however much an app says, it is not too fast; what is too fast all the same comes back, not before 5 s', async () => {
  const small = await startRig({ rate: { rate: 50, burst: 50 } });
  rigs.push(small);
  const sockets: WebSocket[] = [];
  class Kept extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const seen = client({ url: small.url, WebSocket: Kept });
  await isOpen(seen);
  for (let i = 0; i < 400; i += 1) {
    seen.client.setState(i % 2 === 0 ? 'busy' : 'dnd');
    seen.client.subscribe([`u${i}`]);
    if (i % 4 === 0) await new Promise((later) => setTimeout(later, 5));
  }
  await knows(seen, 'u399', 'offline');
  expect([seen.statuses, seen.faults]).toEqual([['connecting', 'open'], []]);
  for (let i = 0; i < 300; i += 1) sockets[0]!.send('{"type":"heartbeat","seq":0}');
  await eventually(() => seen.codes.includes(4429), 'the close');
  const closed = performance.now();
  await expect.poll(() => seen.client.connection.status, { timeout: 15_000 }).toBe('open');
  expect(performance.now() - closed).toBeGreaterThan(4_500);
  await knows(seen, 'u399', 'offline');
});

test('a connection that breaks without a word is given up, and what it missed is told by the next', async () => {
  await rig.seed('bob-h');
  const seen = client({ as: 'ada-h', quiet_ms: 400, patience_ms: 1_500 });
  seen.client.subscribe(['bob-h']);
  await knows(seen, 'bob-h', 'online');
  const before = proxy.connections;
  await new Promise((later) => setTimeout(later, 2_500));
  // Its questions were answered.
  expect([proxy.connections - before, seen.statuses]).toEqual([0, ['connecting', 'open']]);
  proxy.silence();
  await publish('bob-h', 'online', 'busy', 2);
  await knows(seen, 'bob-h', 'busy');
  expect([seen.statuses, seen.told.at(-1)]).toEqual([['connecting', 'open', 'connecting', 'open'], 'bob-h online>busy #2']);
});
