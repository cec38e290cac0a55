/** Who may watch whom, through real sockets: answers, snapshots, kept lists, resumes and deliveries under each policy. */
import { SignJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import type { GatewayOptions } from '../../gateway/index.ts';
import { Patterns, patternsOf } from '../../gateway/patterns.ts';
import type { CustomPolicy } from '../../gateway/policy.ts';
import { Client, eventually, type Rig, startRig } from './harness.ts';
import { tellDiffs } from './policy-kit.ts';

const SECRET = 'a secret of at least thirty-two bytes, for HS256';
let rig: Rig;
let clients: Client[] = [];
afterEach(async () => {
  for (const client of clients) client.socket.terminate();
  clients = [];
  await rig.close();
});

async function under(watchPolicy: NonNullable<GatewayOptions['watchPolicy']>, more: Partial<GatewayOptions> = {}): Promise<void> {
  rig = await startRig({ watchPolicy, ...more });
  for (const user of ['ada', 'bob', 'cyd']) await rig.seed(user);
}

async function join(as: string): Promise<Client> {
  const client = await new Client(rig.url, { as }).ready();
  clients.push(client);
  return client;
}

const token = (sub: string, claims: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT({ scope: 'presence:read presence:write', ...claims, sub })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1m')
    .sign(new TextEncoder().encode(SECRET));

const read = async (as: string, ids: string): Promise<string[]> => {
  const answer = (await (await rig.fetch(`/presence?user_ids=${ids}`, { as })).json()) as { presences: Shown[] };
  return answer.presences.map(shown);
};
interface Shown {
  readonly user_id: string;
  readonly state: string;
  readonly version: number;
}
const shown = ({ user_id, state, version }: Shown): string => `${user_id} ${state} ${version}`;
const snapshot = async (client: Client): Promise<string[]> => (await client.next('snapshot')).presences.map(shown);
const keep = (as: string, user_ids: readonly string[]) =>
  rig.fetch('/presence/subscriptions', { method: 'PUT', as, json: { user_ids } });

describe('contacts: whom a user keeps may see them', () => {
  test('reads, long lists and history show the rest as never seen', async () => {
    await under('contacts', { historyOf: 'tenant' });
    await keep('dev:bob', ['ada']);
    expect(await read('dev:ada', 'bob,cyd,ada,nobody')).toEqual([
      'bob online 1',
      'cyd offline 0',
      'ada online 1',
      'nobody offline 0',
    ]);
    const query = await rig.fetch('/presence/query', { method: 'POST', json: { user_ids: ['cyd', 'bob'] } });
    expect(((await query.json()) as { presences: Shown[] }).presences.map(shown)).toEqual(['cyd offline 0', 'bob online 1']);
    const history = (user: string, as = 'dev:ada') => rig.fetch(`/presence/history?user_id=${user}&window=1h`, { as });
    expect(await (await history('cyd')).json()).toEqual({ entries: [], next: null });
    expect((await history('bob')).status).toBe(200);
    // The store was asked of whom may be seen alone.
    expect(rig.store.asked.map(({ key, view }) => `${key} ${view}`)).toEqual(['bob others']);
    expect(await read('dev-admin:root', 'bob,cyd')).toEqual(['bob online 1', 'cyd online 1']);
  });

  test('a subscription sleeps until it is allowed, and ends within seconds once it is not', async () => {
    await under('contacts');
    const ada = await join('dev:ada');
    ada.say({ type: 'subscribe', user_ids: ['bob', 'cyd'] });
    expect(await snapshot(ada)).toEqual(['bob offline 0', 'cyd offline 0']);
    await tellDiffs(rig, 'bob', 'away', 2);
    await keep('dev:bob', ['ada']);
    expect(await snapshot(ada)).toEqual(['bob away 2']);
    await tellDiffs(rig, 'bob', 'busy', 3);
    expect((await ada.next('diffs')).diffs).toMatchObject([{ user_id: 'bob', from: 'away', to: 'busy', version: 3 }]);
    await keep('dev:bob', []);
    expect(await snapshot(ada)).toEqual(['bob offline 0']);
    await tellDiffs(rig, 'bob', 'dnd', 4);
    await tellDiffs(rig, 'ada', 'busy', 2);
    // Their own change comes, and bob's before it did not.
    expect((await ada.next('diffs')).diffs).toMatchObject([{ user_id: 'ada', to: 'busy' }]);
    expect(ada.frames.filter(({ type }) => type === 'diffs')).toEqual([]);
  });

  test('a kept list watches whom it may, from when it may', async () => {
    await under('contacts');
    await keep('dev:ada', ['bob', 'cyd']);
    await keep('dev:cyd', ['ada']);
    const ada = await join('dev:ada');
    expect(await snapshot(ada)).toEqual(['bob offline 0']);
    await keep('dev:bob', ['ada']);
    expect(await snapshot(ada)).toEqual(['bob online 1']);
    await keep('dev:cyd', ['bob']);
    expect(await snapshot(ada)).toEqual(['cyd offline 0']);
    await tellDiffs(rig, 'cyd', 'dnd', 2);
    await tellDiffs(rig, 'bob', 'busy', 2);
    expect((await ada.next('diffs')).diffs).toMatchObject([{ user_id: 'bob', to: 'busy' }]);
  });

  test('a resume watches whom it still may', async () => {
    await under('contacts');
    await keep('dev:bob', ['ada']);
    await keep('dev:cyd', ['ada']);
    const before = await join('dev:ada');
    before.say({ type: 'subscribe', user_ids: ['bob', 'cyd'] });
    const { cursor } = await before.next('snapshot');
    before.socket.terminate();
    await keep('dev:bob', []);
    await tellDiffs(rig, 'bob', 'dnd', 2);
    await tellDiffs(rig, 'cyd', 'dnd', 2);
    const after = await join('dev:ada');
    after.say({ type: 'resume', cursor, user_ids: ['bob', 'cyd'] });
    expect(await snapshot(after)).toEqual(['bob offline 0']);
    const told = await eventually(() =>
      after.frames.find((frame) => frame.type === 'diffs' || frame.presences?.[0]?.user_id === 'cyd'),
    );
    expect(JSON.stringify(told)).not.toContain('bob');
  });

  test('what is unsubscribed does not wake', async () => {
    await under('contacts');
    const ada = await join('dev:ada');
    ada.say({ type: 'subscribe', user_ids: ['bob'] });
    await ada.next('snapshot');
    ada.say({ type: 'unsubscribe', user_ids: ['bob'] });
    await keep('dev:bob', ['ada']);
    ada.say({ type: 'subscribe', user_ids: ['cyd'] });
    expect(await snapshot(ada)).toEqual(['cyd offline 0']);
    await tellDiffs(rig, 'bob', 'busy', 2);
    await tellDiffs(rig, 'ada', 'busy', 2);
    expect((await ada.next('diffs')).diffs).toMatchObject([{ user_id: 'ada' }]);
  });
});

describe('claim: whom the token names', () => {
  test('in reads; another tenant’s users never', async () => {
    await under('claim', { jwtSecret: SECRET });
    await rig.seed('acme/bob');
    const cases: readonly (readonly [unknown, string])[] = [
      [['bob'], 'bob online 1,cyd offline 0'],
      ['bob cyd', 'bob online 1,cyd online 1'],
      [['*'], 'bob online 1,cyd online 1'],
      [['c*', 7], 'bob offline 0,cyd online 1'],
      [undefined, 'bob offline 0,cyd offline 0'],
      [{ bob: true }, 'bob offline 0,cyd offline 0'],
    ];
    for (const [watch, expected] of cases) expect((await read(await token('ada', { watch }), 'bob,cyd')).join()).toBe(expected);
    expect(await read(await token('ada', { watch: ['*'], tenant: 'acme' }), 'bob,cyd')).toEqual([
      'bob online 1',
      'cyd offline 0',
    ]);
  });
});

describe('claim, on a stream', () => {
  test('a fresh token with other claims ends watches and begins others; an admin sees all', async () => {
    await under('claim', { jwtSecret: SECRET });
    const ada = await join(await token('ada', { watch: ['bob'] }));
    ada.say({ type: 'subscribe', user_ids: ['bob', 'cyd'] });
    expect([await snapshot(ada), await snapshot(ada)].flat().sort()).toEqual(['bob online 1', 'cyd offline 0']);
    ada.say({ type: 'token', token: await token('ada', { watch: ['cyd'], n: 2 }) });
    expect([await snapshot(ada), await snapshot(ada)].flat().sort()).toEqual(['bob offline 0', 'cyd online 1']);
    await tellDiffs(rig, 'bob', 'busy', 2);
    await tellDiffs(rig, 'cyd', 'busy', 2);
    expect((await ada.next('diffs')).diffs).toMatchObject([{ user_id: 'cyd', to: 'busy' }]);
    const root = await join(await token('root', { scope: 'presence:read presence:admin' }));
    root.say({ type: 'subscribe', user_ids: ['bob'] });
    expect(await snapshot(root)).toEqual(['bob busy 2']);
  });
});

describe('a policy of one’s own', () => {
  test('is asked, again and again; one that throws has said no', async () => {
    let may = (_user: string): boolean => false;
    const policy: CustomPolicy = { recheck_ms: 1_000, maySee: (asker, user) => asker.user_id === 'ada' && may(user) };
    await under(policy);
    const ada = await join('dev:ada');
    ada.say({ type: 'subscribe', user_ids: ['bob'] });
    expect(await snapshot(ada)).toEqual(['bob offline 0']);
    may = (user) => user === 'bob';
    expect(await read('dev:ada', 'bob,cyd')).toEqual(['bob online 1', 'cyd offline 0']);
    expect(await read('dev:cyd', 'bob')).toEqual(['bob offline 0']);
    expect(await snapshot(ada)).toEqual(['bob online 1']);
    may = () => {
      throw new Error('the directory is away');
    };
    expect(await read('dev:ada', 'bob')).toEqual(['bob offline 0']);
    expect(await snapshot(ada)).toEqual(['bob offline 0']);
  });
});

test.each([
  ['a*', 'ada', true],
  ['a*', 'bada', false],
  ['*a', 'ada', true],
  ['a*a', 'a', false],
  ['a*d*a', 'ada', true],
  ['a.a', 'ada', false],
  ['*', 'x', true],
  ['**', 'x', true],
  ['a*b*c', 'acb', false],
  ['team-*-lead', 'team-red-lead', true],
  ['', '', true],
])('the pattern %j and the id %j: %j', (pattern, id, expected) => {
  expect(new Patterns([pattern]).match(id)).toBe(expected);
});

test('a pattern of many stars takes no time', () => {
  const begun = performance.now();
  for (let i = 0; i < 100; i += 1) new Patterns([`${'a*'.repeat(2_000)}b`]).match('a'.repeat(128));
  expect(performance.now() - begun).toBeLessThan(5_000);
  expect(patternsOf(7)).toBeUndefined();
});
