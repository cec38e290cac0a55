/**
 * Routed deliveries on real parts, from end to end: two gateways, the topology a process of its own, `FANOUT=routed`. Whatever
 * happens to them, who watches holds the truth in the end, is told each version once, and each change from where it was. The
 * same in virtual time and at random: test/gateway/fan-out.histories.test.ts.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiffView, Presence as Shown } from '../../schemas/presence.ts';
import { isSkipped } from '../stack/index.ts';
import { skipSuite } from '../stack/suite.ts';
import { type Frame, http, presenceOf, Stream, until } from './client.ts';
import { type Presence, presence } from './process.ts';
import { makeSystem, type System } from './system.ts';

const made = await makeSystem('real', { FANOUT: 'routed' });
if (isSkipped(made)) skipSuite('Routed deliveries on real parts', made.skipped);
else describe('Routed deliveries on real parts', () => story(made));

/** Over all four partitions, all but certainly. */
const people = (count: number): readonly string[] => Array.from({ length: count }, () => `user-${randomUUID().slice(0, 8)}`);

/** What a client of the stream holds, and what it finds wrong with what it is told. */
class Watcher {
  readonly held = new Map<string, { state: string; version: number }>();
  readonly complaints: string[] = [];
  /** Users of the diffs that it was told, in order. */
  readonly told: string[] = [];
  readonly stream: Stream;
  cursor = '';

  constructor(stream: Stream) {
    this.stream = stream;
  }

  static async open(url: string, user: string): Promise<Watcher> {
    return new Watcher(await Stream.open(url, user));
  }

  /** Reads frames until it holds them all so. */
  async until(users: readonly string[], state: string, version?: number): Promise<void> {
    const isSo = (user: string): boolean => {
      const held = this.held.get(user);
      return held?.state === state && (version === undefined || held.version === version);
    };
    while (!users.every(isSo)) this.take(await this.stream.next(({ type }) => type === 'snapshot' || type === 'diffs'));
  }

  take({ presences = [], diffs = [], cursor }: Frame): void {
    for (const { user_id, state, version } of presences as readonly Shown[]) this.held.set(user_id, { state, version });
    for (const diff of diffs) this.#diff(diff);
    this.cursor = cursor as string;
  }

  #diff({ user_id, from, to, version }: DiffView): void {
    const held = this.held.get(user_id);
    this.told.push(user_id);
    if (held === undefined || version <= held.version || from !== held.state)
      this.complaints.push(`${user_id} ${from} -> ${to} (${version}), held as ${held?.state} (${held?.version})`);
    this.held.set(user_id, { state: to, version });
  }

  /** Comes back, on whatever gateway, with what it holds. */
  async resume(url: string): Promise<Watcher> {
    const again = await Watcher.open(url, this.stream.user);
    for (const [user, held] of this.held) again.held.set(user, { ...held });
    again.stream.send({ type: 'resume', cursor: this.cursor, user_ids: [...this.held.keys()] });
    return again;
  }
}

function story(system: System): void {
  let other: Presence;
  let url = '';
  const seq = new Map<string, number>();

  beforeAll(async () => {
    await system.start();
    other = presence(['up', '--port', '0', '--role', 'gateway'], system.env);
    url = (await other.printed(/presence is up: (\S+)/))[1] as string;
    await until(
      () => fetch(`${url}/readyz`).catch(() => null),
      (ready) => ready?.ok === true,
    );
  });
  afterAll(async () => {
    await other?.end();
    await system.stop();
  });

  /** Every one of them says so, at the first gateway. */
  const say = (users: readonly string[], state: string): Promise<unknown> =>
    Promise.all(
      users.map(async (user) => {
        const next = (seq.get(user) ?? 0) + 1;
        seq.set(user, next);
        const beat = { device_id: 'phone', session_id: 's1', seq: next, state, ttl_ms: 3_600_000 };
        expect(await http(system.url, user, 'POST', '/presence/heartbeat', beat)).toMatchObject({ status: 202 });
      }),
    );

  test('watchers on two gateways are told of each change once, in order, from the snapshot on', async () => {
    const users = people(12);
    await say(users.slice(0, 6), 'away');
    const watchers = await Promise.all([system.url, url].map((one) => Watcher.open(one, 'bob')));
    for (const watcher of watchers) watcher.stream.send({ type: 'subscribe', user_ids: users });
    for (const state of ['online', 'busy', 'dnd']) {
      await say(users, state);
      await Promise.all(watchers.map((watcher) => watcher.until(users, state)));
    }
    expect(watchers.flatMap(({ complaints }) => complaints)).toEqual([]);
    // Nobody else is told of them, nor is there another way than the topology's.
    const figures = await (await fetch(`${url}/metrics`)).text();
    expect(figures).toMatch(/^presence_gateway_routes \d+$/m);
    for (const { stream } of watchers) stream.close();
  });

  test('a kept list brings its users to every gateway of its owner, changes included', async () => {
    const [ada, cy] = people(2) as [string, string];
    const owner = `owner-${randomUUID().slice(0, 8)}`;
    await http(system.url, owner, 'PUT', '/presence/subscriptions', { user_ids: [ada] });
    const watchers = await Promise.all([system.url, url].map((one) => Watcher.open(one, owner)));
    await say([ada], 'online');
    await Promise.all(watchers.map((watcher) => watcher.until([ada], 'online')));
    await http(url, owner, 'POST', '/presence/subscriptions/add', { user_ids: [cy] });
    await Promise.all(watchers.map((watcher) => watcher.until([cy], 'offline')));
    await say([cy], 'busy');
    await Promise.all(watchers.map((watcher) => watcher.until([cy], 'busy')));
    expect(watchers.flatMap(({ complaints }) => complaints)).toEqual([]);
    for (const { stream } of watchers) stream.close();
  });

  test('who resumes on the other gateway is told once of each user who changed, from what was last sent', async () => {
    const users = people(8);
    const [changed, same] = [users.slice(0, 5), users.slice(5)];
    await say(users, 'online');
    const first = await Watcher.open(system.url, 'bob');
    first.stream.send({ type: 'subscribe', user_ids: users });
    await first.until(users, 'online');
    // A cursor behind all of these, whatever came as a snapshot and what as a diff.
    await say(same, 'busy');
    await first.until(same, 'busy');
    first.stream.close();
    for (const state of ['away', 'busy', 'dnd']) await say(changed, state);
    for (const user of changed)
      await until(
        () => presenceOf(url, 'bob', user),
        (one) => one.state === 'dnd',
      );
    const second = await first.resume(url);
    await second.until(changed, 'dnd');
    await say(users, 'away');
    await second.until(users, 'away');
    expect(second.complaints).toEqual([]);
    expect([...second.told].sort()).toEqual([...users, ...changed].sort());
    second.stream.close();
  });

  test('a killed topology loses nothing: watchers stay, and hear from the next one what came meanwhile, once', async () => {
    const users = people(12);
    await say(users, 'online');
    const watchers = await Promise.all([system.url, url].map((one) => Watcher.open(one, 'bob')));
    for (const watcher of watchers) watcher.stream.send({ type: 'subscribe', user_ids: users });
    await Promise.all(watchers.map((watcher) => watcher.until(users, 'online')));
    // In the middle of something.
    const busy = say(users, 'busy');
    await system.processes[0]?.end('SIGKILL');
    await busy;
    const next = presence(['up', '--port', '0', '--role', 'topology'], system.env);
    await next.printed(/presence is up/);
    await say(users, 'dnd');
    await Promise.all(watchers.map((watcher) => watcher.until(users, 'dnd')));
    // A client that comes to be told by the new owner alone, with a cursor of the old one's time.
    const late = await (watchers[0] as Watcher).resume(url);
    await say(users, 'away');
    await Promise.all([...watchers, late].map((watcher) => watcher.until(users, 'away')));
    expect([...watchers, late].flatMap(({ complaints }) => complaints)).toEqual([]);
    for (const { stream } of [...watchers, late]) stream.close();
    expect((await next.end()).code).toBe(0);
  });
}
