/** Who watched whom, through real sockets: what a gateway with an audit leaves in presence.audit. */
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { valuesOf } from '../../base/metrics.ts';
import { readAudit } from '../../cli/audit.ts';
import { AuditTrail, USERS_A_RECORD_MAX } from '../../gateway/audit.ts';
import { type AuditDraft, createAuditQueue } from '../../gateway/audit-queue.ts';
import { Repeats } from '../../gateway/audit-repeats.ts';
import type { GatewayOptions } from '../../gateway/index.ts';
import type { Connection } from '../../gateway/parts.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Audit } from '../../schemas/generated.ts';
import { auditTopic } from '../../topology/audit-topic.ts';
import { Client, eventually, PARTITIONS, type Rig, startRig } from './harness.ts';

let rig: Rig;
let clients: Client[] = [];
afterEach(async () => {
  for (const client of clients) client.socket.terminate();
  clients = [];
  await rig?.close();
});

async function audited(more: Partial<GatewayOptions> = {}): Promise<void> {
  rig = await startRig({ audit: true, topics: [auditTopic(PARTITIONS)], ...more });
  for (const user of ['ada', 'bob', 'cyd']) await rig.seed(user);
}

async function join(as: string): Promise<Client> {
  const client = await new Client(rig.url, { as }).ready();
  clients.push(client);
  return client;
}

const told = ({ watcher, action, cause, allowed, admin, users, times }: Audit): string =>
  [
    watcher,
    action,
    cause === 'asked' ? '' : `(${cause})`,
    users.join(','),
    allowed ? '' : 'refused',
    admin ? 'as admin' : '',
    times > 1 ? `x${times}` : '',
  ]
    .filter((part) => part !== '')
    .join(' ');

const of = async (watcher: string): Promise<string[]> => (await readAudit({ ...rig, watcher })).map(told);
const records = (watcher: string, count: number): Promise<string[]> =>
  eventually(async () => {
    const found = await of(watcher);
    return found.length >= count && found;
  }, `${count} records of ${watcher}`);
const keep = (as: string, user_ids: readonly string[]) =>
  rig.fetch('/presence/subscriptions', { method: 'PUT', as, json: { user_ids } });

describe('watches', () => {
  test('subscriptions, kept lists and their ends are records by watcher, in order; oneself is nobody watched', async () => {
    await audited();
    await keep('dev:bob', ['cyd']);
    const bob = await join('dev:bob');
    bob.say({ type: 'subscribe', user_ids: ['ada', 'bob', 'cyd'] }); // cyd is watched already, for the kept list
    await bob.next('snapshot');
    await records('bob', 2);
    bob.say({ type: 'unsubscribe', user_ids: ['ada', 'cyd'] });
    await records('bob', 3);
    await keep('dev:bob', []);
    await records('bob', 4);
    bob.say({ type: 'subscribe', user_ids: ['ada'] });
    await bob.next('snapshot');
    bob.socket.close();
    expect(await records('bob', 6)).toEqual([
      'bob watch_began (kept) cyd',
      'bob watch_began ada',
      'bob watch_ended ada',
      'bob watch_ended (kept) cyd',
      'bob watch_began ada',
      'bob watch_ended (closed)',
    ]);
  });

  test('a resume begins watches; what ends in the same moment is not told as if it had begun last', async () => {
    await audited();
    const bob = await join('dev:bob');
    bob.say({ type: 'subscribe', user_ids: ['ada'] });
    const { cursor } = await bob.next('snapshot');
    bob.socket.close();
    await records('bob', 2);
    const again = await join('dev:bob');
    again.say({ type: 'resume', cursor, user_ids: ['ada'] });
    again.say({ type: 'unsubscribe', user_ids: ['ada'] });
    again.say({ type: 'subscribe', user_ids: ['ada'] });
    expect((await records('bob', 5)).slice(2)).toEqual(['bob watch_began ada', 'bob watch_ended ada', 'bob watch_began ada']);
  });

  test('what a policy refuses is a refused watch, what it allows later begins, what it takes back ends', async () => {
    await audited({ watchPolicy: 'contacts' });
    const bob = await join('dev:bob');
    bob.say({ type: 'subscribe', user_ids: ['ada', 'cyd'] });
    await bob.next('snapshot');
    expect(await records('bob', 1)).toEqual(['bob watch_began ada,cyd refused']);
    await keep('dev:ada', ['bob']);
    await records('bob', 2);
    await keep('dev:ada', []);
    expect((await records('bob', 3)).slice(1)).toEqual(['bob watch_began (policy) ada', 'bob watch_ended (policy) ada']);
  });

  test('who watched ada: every watcher, and the end that names nobody; what was held at a time began before it', async () => {
    await audited();
    for (const name of ['bob', 'cyd']) {
      const client = await join(`dev:${name}`);
      client.say({ type: 'subscribe', user_ids: name === 'bob' ? ['ada', 'cyd'] : ['ada'] });
      await client.next('snapshot');
      await records(name, 1);
    }
    clients[1]?.socket.close();
    await records('cyd', 2);
    const ofAda = async (since?: number) =>
      (await readAudit({ ...rig, watched: 'ada', ...(since === undefined ? {} : { since }) })).map(told);
    expect(await ofAda()).toEqual(['bob watch_began ada', 'cyd watch_began ada', 'cyd watch_ended (closed)']);
    expect(await ofAda(Date.now() + 1)).toEqual(['bob watch_began ada']);
  });
});

describe('reads', () => {
  test('an answer is one record; the same again is counted, and written once a minute, or when the gateway ends', async () => {
    await audited();
    for (let i = 0; i < 4; i += 1) await rig.fetch('/presence?user_ids=ada,cyd,bob', { as: 'dev:bob' });
    await rig.fetch('/presence?user_ids=bob', { as: 'dev:bob' });
    await rig.fetch('/presence/query', { method: 'POST', as: 'dev-admin:root', json: { user_ids: ['ada'] } });
    expect(await records('root', 1)).toEqual(['root read ada as admin']);
    expect(await records('bob', 1)).toEqual(['bob read ada,cyd']);
    await rig.gateway.close();
    expect(await records('bob', 2)).toEqual(['bob read ada,cyd', 'bob read ada,cyd x3']);
  });

  test('history, allowed and refused, and the override of another', async () => {
    await audited({ watchPolicy: 'contacts' });
    await keep('dev:ada', ['bob']);
    await rig.fetch('/presence?user_ids=ada,cyd', { as: 'dev:bob' });
    await rig.fetch('/presence/history?user_id=ada&window=1h', { as: 'dev:bob' });
    await rig.fetch('/presence/history?window=1h', { as: 'dev:bob' });
    await rig.fetch('/presence/history?user_id=ada&window=1h', { as: 'dev-admin:root' });
    await rig.fetch('/presence/override?user_id=ada', { as: 'dev-admin:root' });
    expect(await records('bob', 3)).toEqual(['bob read ada', 'bob read cyd refused', 'bob history ada refused']);
    expect(await records('root', 2)).toEqual(['root history ada as admin', 'root override ada as admin']);
  });

  test('repeats are counted within a minute of the first; at the limit the oldest is over early', () => {
    const written: string[] = [];
    const repeats = new Repeats((draft) => written.push(`${draft.users} ${draft.at}..${draft.until} x${draft.times}`), 5);
    const look = (at: number, ...users: string[]): boolean => repeats.isNew({ ...read, at, until: at, users });
    expect([look(0, 'a'), look(10, 'a'), look(59_999, 'a'), look(60_000, 'a')]).toEqual([true, false, false, true]);
    expect(written).toEqual(['a 10..59999 x2']);
    expect([look(60_001, 'a'), look(60_002, 'b', 'c', 'd')]).toEqual([false, true]);
    expect(written.slice(1)).toEqual(['a 60001..60001 x1']);
    expect(look(60_003, 'a')).toBe(true);
  });
});

const read: AuditDraft = {
  ...{ watcher: 'bob', at: 1, until: 1, action: 'read', cause: 'asked', allowed: true, admin: false, connection_id: null },
  ...{ users: ['ada'], times: 1 },
};

describe('a log that is away', () => {
  const start = async (waitingUsersMax: number) => {
    const faults = { refuse: true };
    const log = await createEmbeddedLog({ faults: { send: () => (faults.refuse ? 'refused' : undefined) } });
    await log.ensureTopics([auditTopic(PARTITIONS)]);
    const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
    const queue = await createAuditQueue({ log, codecs, logger: silentLogger, gatewayId: 'g1', waitingUsersMax });
    return { log, codecs, queue, faults };
  };
  const lost = async () => (await valuesOf('presence_audit_lost_total'))[0]?.value ?? 0;

  test('records wait for it up to the limit, those beyond are lost and counted, and the numbers show where', async () => {
    const { log, codecs, queue, faults } = await start(6);
    const before = await lost();
    for (let i = 1; i <= 5; i += 1) queue.put({ ...read, users: [`u${i}`] });
    expect((await lost()) - before).toBe(2);
    faults.refuse = false;
    const found = await eventually(async () => {
      const all = await readAudit({ log, codecs, watcher: 'bob' });
      return all.length === 3 && all;
    });
    queue.put({ ...read, users: ['u6'] });
    await queue.close(5_000);
    const numbers = [...found, ...(await readAudit({ log, codecs, watcher: 'bob' })).slice(3)].map(({ number }) => number);
    expect(numbers).toEqual([1, 2, 3, 6]);
    await log.close();
  });

  test('what it has not taken when the gateway ends is lost, and the end does not wait for it', async () => {
    const { log, queue } = await start(1_000);
    const before = await lost();
    queue.put(read);
    await queue.close(20);
    expect((await lost()) - before).toBe(1);
    await log.close();
  });

  test('a long list is several records, and a crowd that comes at once is in the log whole', async () => {
    const { log, codecs, queue, faults } = await start(1_000_000);
    faults.refuse = false;
    const trail = new AuditTrail(queue);
    const many = Array.from({ length: USERS_A_RECORD_MAX + 1 }, (_, i) => `u${i}`);
    const connection = (id: string): Connection => ({ id, userKey: id, tenant: 'default' }) as Connection;
    const long = connection('long');
    for (const key of many) trail.began(long, key, 'asked');
    const crowd = Array.from({ length: 9_000 }, (_, i) => connection(`w${i}`));
    for (const one of crowd) for (const key of many.slice(0, 20)) trail.began(one, key, 'asked');
    await trail.close(60_000);
    const all = await readAudit({ log, codecs, watched: 'u7' });
    expect(all).toHaveLength(9_001);
    expect((await readAudit({ log, codecs, watcher: 'long' })).map(({ users }) => users.length)).toEqual([500, 1]);
    expect((await readAudit({ log, codecs, watcher: 'w8999' })).map(({ users }) => users.length)).toEqual([20]);
    await log.close();
  }, 120_000);
});

test('without an audit nothing is written, and its topic need not be there', async () => {
  rig = await startRig();
  const bob = await join('dev:bob');
  bob.say({ type: 'subscribe', user_ids: ['ada'] });
  await bob.next('snapshot');
  await expect(rig.log.partitions('presence.audit')).rejects.toMatchObject({ code: 'LOG_MISMATCH' });
});
