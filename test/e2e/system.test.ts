/** The same story on embedded and on real parts, through real sockets, with real processes. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HistoryEntry } from '../../schemas/presence.ts';
import { isSkipped } from '../stack/index.ts';
import { skipSuite } from '../stack/suite.ts';
import { http, presenceOf, Stream, until } from './client.ts';
import { presence } from './process.ts';
import { kinds, makeSystem, type System } from './system.ts';

/** A user of this run alone. */
const someone = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

const beat = (user: string, seq: number, more: object = {}): object => ({
  device_id: `phone-of-${user}`,
  session_id: 's1',
  seq,
  ...more,
});

const ms = (time: string | null): number => Date.parse(time ?? '');

for (const kind of kinds) {
  const made = await makeSystem(kind);
  if (isSkipped(made)) skipSuite(`The system on ${kind} parts`, made.skipped);
  else describe(`The system on ${kind} parts`, () => story(made));
}

function story(system: System): void {
  beforeAll(() => system.start());
  afterAll(() => system.stop());

  test('a watcher sees a user come, change and go', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    expect(await watcher.subscribe(ada)).toMatchObject([
      { user_id: ada, state: 'offline', version: 0, last_seen: null, devices: 0 },
    ]);

    const user = await Stream.open(system.url, ada);
    user.hello();
    expect(await watcher.diff(ada)).toMatchObject({
      from: 'offline',
      to: 'online',
      version: 1,
      cause: 'signal',
      source: 'inferred',
    });

    user.send({ type: 'heartbeat', seq: 1, state: 'busy', ack: true });
    await user.next(({ type, seq }) => type === 'ack' && seq === 1);
    expect(await watcher.diff(ada)).toMatchObject({ from: 'online', to: 'busy', version: 2, cause: 'signal', source: 'app' });
    const live = await until(
      () => presenceOf(system.url, bob, ada),
      ({ version }) => version === 2,
    );
    expect(live).toMatchObject({ state: 'busy', source: 'app', devices: 1, stale: false });
    expect(live.last_seen).toBe(live.fresh_at);

    user.send({ type: 'goodbye' });
    expect(await watcher.diff(ada)).toMatchObject({
      from: 'busy',
      to: 'offline',
      version: 3,
      cause: 'goodbye',
      source: 'inferred',
    });
    expect(
      await until(
        () => presenceOf(system.url, bob, ada),
        ({ version }) => version === 3,
      ),
    ).toMatchObject({ state: 'offline', devices: 0 });
    user.close();
    watcher.close();
  });

  test('who comes back within the grace of a clean close was never away, and keeps their state', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);
    const first = await Stream.open(system.url, ada);
    first.hello({ state: 'dnd' });
    expect(await watcher.diff(ada)).toMatchObject({ to: 'dnd' });
    const second = await Stream.open(system.url, ada);
    first.close();
    second.hello();
    // Longer than grace and lease together: what was to come would have come.
    await new Promise((done) => setTimeout(done, 4_500));
    expect(watcher.unread(ada)).toEqual([]);
    expect(await presenceOf(system.url, bob, ada)).toMatchObject({ state: 'dnd', source: 'app', devices: 1, version: 1 });
    second.close();
    watcher.close();
  });

  test('a connection that breaks is silence, three seconds after its last beat', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);
    const user = await Stream.open(system.url, ada);
    user.hello();
    await watcher.diff(ada);
    user.break();
    expect(await watcher.diff(ada)).toMatchObject({ from: 'online', to: 'offline', cause: 'silence', source: 'inferred' });
    watcher.close();
  });

  test('a session that was replaced is refused when it comes again, and the one that replaced it stays', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);
    const first = await Stream.open(system.url, ada);
    first.hello({ session_id: 's1' });
    expect(await watcher.diff(ada)).toMatchObject({ to: 'online', version: 1 });
    const second = await Stream.open(system.url, ada);
    second.hello({ session_id: 's2' });
    expect(await first.closed).toMatchObject({ code: 4409 });

    const again = await Stream.open(system.url, ada);
    again.hello({ session_id: 's1', state: 'dnd' });
    expect(await again.closed).toMatchObject({ code: 4409 });
    second.send({ type: 'heartbeat', seq: 1, state: 'busy' });
    expect(await watcher.diff(ada)).toMatchObject({ from: 'online', to: 'busy', version: 2 });
  });

  test('a heartbeat over HTTP speaks for its ttl, and a repeated seq for nothing', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const response = await fetch(`${system.url}/presence/heartbeat`, {
      method: 'POST',
      headers: {
        authorization: `Bearer dev:${ada}`,
        'content-type': 'application/json',
        traceparent: `00-${trace}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify(beat(ada, 5, { state: 'away', ttl_ms: 1_500 })),
    });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ trace_id: trace });
    expect(
      (await http(system.url, ada, 'POST', '/presence/heartbeat', beat(ada, 5, { state: 'busy', ttl_ms: 60_000 }))).status,
    ).toBe(202);

    const came = await watcher.diff(ada);
    expect(came).toMatchObject({ to: 'away', source: 'app', trace_id: trace });
    const went = await watcher.diff(ada);
    expect(went).toMatchObject({ from: 'away', to: 'offline', cause: 'ttl', version: 2 });
    expect(ms(went.at) - ms(came.at)).toBe(1_500);
    watcher.close();
  });

  test('an override is set, shown, cleared, and expires by itself', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);

    const set = await http(system.url, ada, 'POST', '/presence/override', { state: 'dnd', reason: 'deep work' });
    expect(set.status).toBe(202);
    expect(await watcher.diff(ada)).toMatchObject({ from: 'offline', to: 'dnd', cause: 'override', source: 'manual' });
    const shown = await until(
      () => http(system.url, ada, 'GET', '/presence/override'),
      ({ status }) => status === 200,
    );
    expect(shown.body).toEqual({ override_id: set.body.override_id, state: 'dnd', until: null, reason: 'deep work' });
    expect((await http(system.url, bob, 'GET', `/presence/override?user_id=${ada}`)).status).toBe(403);

    // An operator's work, by the command line.
    const cleared = presence(['overrides', 'clear', ada, '--url', system.url]);
    expect(await cleared.ended).toMatchObject({ code: 0 });
    expect(cleared.stdout).toBe(`${ada}: cleared.\n`);
    expect(await watcher.diff(ada)).toMatchObject({ from: 'dnd', to: 'offline', cause: 'override_cleared' });
    await until(
      () => http(system.url, ada, 'GET', '/presence/override'),
      ({ status }) => status === 404,
    );

    await http(system.url, ada, 'POST', '/presence/override', { state: 'busy', ttl_s: 1 });
    const began = await watcher.diff(ada);
    const over = await watcher.diff(ada);
    expect([began.cause, over.cause]).toEqual(['override', 'override_expired']);
    expect(ms(over.at) - ms(began.at)).toBe(1_000);
    watcher.close();
  });

  test('an invisible user is offline for others and invisible for themselves', async () => {
    const [ada, bob] = [someone('ada'), someone('bob')];
    const watcher = await Stream.open(system.url, bob);
    await watcher.subscribe(ada);
    const user = await Stream.open(system.url, ada);
    user.hello();
    expect(await watcher.diff(ada)).toMatchObject({ to: 'online', version: 1 });
    await user.diff(ada);

    await http(system.url, ada, 'POST', '/presence/override', { state: 'invisible' });
    expect(await user.diff(ada)).toMatchObject({ from: 'online', to: 'invisible', cause: 'override', source: 'manual' });
    const seen = await watcher.diff(ada);
    expect(seen).toMatchObject({ from: 'online', to: 'offline', cause: 'goodbye', source: 'inferred', version: 2 });
    const others = await until(
      () => presenceOf(system.url, bob, ada),
      ({ state }) => state === 'offline',
    );
    expect(others).toMatchObject({ source: 'inferred', devices: 0, version: 2 });
    expect(await presenceOf(system.url, ada, ada)).toMatchObject({ state: 'invisible', source: 'manual', devices: 1 });

    await http(system.url, ada, 'DELETE', '/presence/override');
    expect(await watcher.diff(ada)).toMatchObject({
      from: 'offline',
      to: 'online',
      cause: 'signal',
      source: 'inferred',
      version: 3,
    });
    user.close();
    watcher.close();
  });

  test('an invisible user of whom others never saw anything reads as one who is not there', async () => {
    const [ada, nobody, bob] = [someone('ada'), someone('nobody'), someone('bob')];
    const own = await Stream.open(system.url, ada);
    await http(system.url, ada, 'POST', '/presence/override', { state: 'invisible' });
    own.hello();
    expect(await own.diff(ada)).toMatchObject({ to: 'invisible', version: 1 });
    await until(
      () => presenceOf(system.url, ada, ada),
      ({ state, devices }) => state === 'invisible' && devices === 1,
    );
    const [theirs, nobodys] = await Promise.all([ada, nobody].map((user) => presenceOf(system.url, bob, user)));
    expect({ ...theirs, user_id: nobody, fresh_at: nobodys!.fresh_at }).toEqual(nobodys);
  });

  test('a kept list is watched by every connection of its owner, changes included', async () => {
    const [ada, bob, cy] = [someone('ada'), someone('bob'), someone('cy')];
    expect(await http(system.url, bob, 'PUT', '/presence/subscriptions', { user_ids: [ada] })).toMatchObject({ status: 200 });
    const watcher = await Stream.open(system.url, bob);
    await http(system.url, ada, 'POST', '/presence/heartbeat', beat(ada, 1));
    expect(await watcher.diff(ada)).toMatchObject({ to: 'online' });

    await http(system.url, bob, 'POST', '/presence/subscriptions/add', { user_ids: [cy] });
    await watcher.next(({ presences }) => presences?.some(({ user_id }) => user_id === cy) ?? false);
    await http(system.url, cy, 'POST', '/presence/heartbeat', beat(cy, 1));
    expect(await watcher.diff(cy)).toMatchObject({ to: 'online' });

    await http(system.url, bob, 'POST', '/presence/subscriptions/remove', { user_ids: [ada] });
    expect((await http(system.url, bob, 'GET', '/presence/subscriptions')).body).toMatchObject({ user_ids: [cy] });
    watcher.close();
  });

  test('history tells every transition, newest first, page by page', async () => {
    const ada = someone('ada');
    for (const [seq, state] of [
      [1, 'online'],
      [2, 'busy'],
      [3, 'away'],
    ] as const) {
      await http(system.url, ada, 'POST', '/presence/heartbeat', beat(ada, seq, { state }));
      await until(
        () => presenceOf(system.url, ada, ada),
        ({ version }) => version === seq,
      );
    }
    const page = (more: string) => http(system.url, ada, 'GET', `/presence/history?user_id=${ada}&window=1h${more}`);
    const whole = await until(
      () => page(''),
      ({ body }) => (body.entries as HistoryEntry[]).length === 3,
    );
    const entries = whole.body.entries as HistoryEntry[];
    expect(entries.map(({ version, from, to }) => [version, from, to])).toEqual([
      [3, 'busy', 'away'],
      [2, 'online', 'busy'],
      [1, 'offline', 'online'],
    ]);
    expect(new Set(entries.map(({ epoch }) => epoch)).size).toBe(1);
    const first = await page('&limit=2');
    expect((first.body.entries as unknown[]).length).toBe(2);
    const second = await page(`&limit=2&cursor=${encodeURIComponent(String(first.body.next))}`);
    expect([...(first.body.entries as unknown[]), ...(second.body.entries as unknown[])]).toEqual(entries);
  });

  test('SIGTERM ends every process with 0, and a restart finds state, history and versions as they were', async () => {
    const [ada, bob, cy] = [someone('ada'), someone('bob'), someone('cy')];
    await http(system.url, ada, 'POST', '/presence/override', { state: 'dnd' });
    await http(system.url, bob, 'POST', '/presence/heartbeat', beat(bob, 1, { state: 'busy', ttl_ms: 3_600_000 }));
    await http(system.url, cy, 'PUT', '/presence/subscriptions', { user_ids: [bob] });
    const before = await until(
      () => presenceOf(system.url, ada, ada),
      ({ state }) => state === 'dnd',
    );
    await until(
      () => presenceOf(system.url, bob, bob),
      ({ state }) => state === 'busy',
    );

    const codes = (await system.end()).map(({ code }) => code);
    expect(codes).toEqual(codes.map(() => 0));

    // While nothing runs, the log says what a restore would read.
    const plan = presence(['replay', 'plan'], system.env);
    expect(await plan.ended).toMatchObject({ code: 0 });
    expect(plan.stdout).toMatch(/partition 0: reads \d+ state records \(\d+ users\) and signals \d+ to \d+; presence@1/);

    await system.start();
    const after = await until(
      () => presenceOf(system.url, ada, ada),
      ({ version }) => version > 0,
    );
    expect(after).toMatchObject({ state: 'dnd', since: before.since, version: 1, epoch: before.epoch });
    const watcher = await Stream.open(system.url, cy);
    await http(system.url, bob, 'POST', '/presence/heartbeat', beat(bob, 1, { state: 'away' }));
    await http(system.url, bob, 'POST', '/presence/heartbeat', beat(bob, 2, { state: 'online' }));
    expect(await watcher.diff(bob)).toMatchObject({ from: 'busy', to: 'online', version: 2, epoch: before.epoch });
    await http(system.url, ada, 'DELETE', '/presence/override');
    const history = await until(
      () => http(system.url, ada, 'GET', `/presence/history?user_id=${ada}&window=1h`),
      ({ body }) => (body.entries as HistoryEntry[]).length === 2,
    );
    expect((history.body.entries as HistoryEntry[]).map(({ version, cause }) => [version, cause])).toEqual([
      [2, 'override_cleared'],
      [1, 'override'],
    ]);
    watcher.close();
  });
}
