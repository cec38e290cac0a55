/**
 * Invisible is invisible, through the whole system: pairs of users who do the same, but that one hides where the other
 * leaves, and comes back where the other does; meanwhile the hidden one goes on. Who watches both, reads both and reads both
 * histories finds nothing that is not the same, but for the moments, which lie a little apart since two requests do.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DiffView, HistoryEntry, Presence as Shown } from '../../schemas/presence.ts';
import { http, presenceOf, Stream, until } from './client.ts';
import { type Presence, presence } from './process.ts';

const PAIRS = Number(process.env['PRIVACY_PAIRS'] ?? 20);
/** How far apart the two of a pair may come to act, on a machine under load. */
const APART_MS = 5_000;

let system: Presence;
let url = '';
beforeAll(async () => {
  system = presence(['up', '--port', '0'], { HISTORY_OF: 'tenant', RATE_LIMIT: '100000', QUERY_RATE_LIMIT: '100000' });
  url = (await system.printed(/presence is up: (\S+)/))[1] as string;
  await until(
    () => fetch(`${url}/readyz`).catch(() => null),
    (ready) => ready?.ok === true,
  );
});
afterAll(() => system.end());

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

interface Told {
  readonly diffs: readonly DiffView[];
  readonly whileAway: Shown;
  readonly atLast: Shown;
  readonly history: readonly HistoryEntry[];
}

/** What a watcher is told of one of the two. `hides`: or leaves. */
async function live(user: string, watcher: Stream, hides: boolean, states: readonly [string, string]): Promise<Told> {
  const stranger = `stranger-of-${user}`;
  const diffs: DiffView[] = [];
  const told = async (to: string): Promise<void> => {
    do diffs.push(await watcher.diff(user));
    while (diffs.at(-1)?.to !== to);
  };
  const [before, after] = states;
  const own = await Stream.open(url, user);
  const hello = (state: string): void => own.send({ type: 'hello', device_id: 'phone', session_id: randomUUID(), state });
  hello(before);
  await told(before);
  if (hides) await http(url, user, 'POST', '/presence/override', { state: 'invisible' });
  else own.send({ type: 'goodbye' });
  await told('offline');
  if (hides) await secrets(user, own, after);
  await pause(500);
  const whileAway = await presenceOf(url, stranger, user);
  // Nothing of what was done behind the veil has come.
  expect(watcher.unread(user)).toEqual([]);
  if (hides) await http(url, user, 'DELETE', '/presence/override');
  else hello(after);
  await told(after);
  const atLast = await until(
    () => presenceOf(url, stranger, user),
    ({ version }) => version === 3,
  );
  const asked = async () => (await http(url, stranger, 'GET', `/presence/history?user_id=${user}&window=1h`)).body.entries;
  const history = (await until(asked, (entries) => (entries as readonly unknown[]).length >= 3)) as readonly HistoryEntry[];
  own.close();
  return { diffs, whileAway, atLast, history };
}

/** Another state, another device that comes and goes, beats of a background task, invisible again. */
async function secrets(user: string, own: Stream, after: string): Promise<void> {
  own.send({ type: 'heartbeat', seq: 1, state: 'dnd' });
  const other = await Stream.open(url, user);
  other.send({ type: 'hello', device_id: 'laptop', session_id: randomUUID(), state: 'busy' });
  const beat = { device_id: 'watch', session_id: 's', seq: 1, state: 'away', ttl_ms: 1_000 };
  await http(url, user, 'POST', '/presence/heartbeat', beat);
  await http(url, user, 'POST', '/presence/override', { state: 'invisible', reason: 'still' });
  other.send({ type: 'goodbye' });
  other.close();
  own.send({ type: 'heartbeat', seq: 2, state: after, ack: true });
  await own.next(({ type, seq }) => type === 'ack' && seq === 2);
  await pause(2_500); // the ttl and the grace are over
}

const gap = (a: string | null, b: string | null): number => Math.abs(Date.parse(a ?? '') - Date.parse(b ?? ''));

test(`who hides and who leaves are told alike, ${PAIRS} pairs`, { timeout: 170_000 }, async () => {
  const choices = ['online', 'away', 'busy', 'dnd'];
  await Promise.all(
    Array.from({ length: PAIRS }, async (_, i) => {
      const states = [choices[i % 4] as string, choices[(i >> 2) % 4] as string] as const;
      const names = ['hider', 'leaver'].map((name) => `${name}-${i}-${randomUUID().slice(0, 6)}`);
      const told = await Promise.all(
        names.map(async (name, hides) => {
          const watcher = await Stream.open(url, `watcher-of-${name}`);
          await watcher.subscribe(name);
          return live(name, watcher, hides === 0, states);
        }),
      );
      const [hidden, gone] = told as [Told, Told];
      const plain = ({ diffs, whileAway, atLast, history }: Told) => ({
        diffs: diffs.map(({ user_id: _user, at: _at, trace_id, ...rest }) => ({ ...rest, traced: trace_id?.length })),
        history: history.map(({ at: _at, trace_id, ...rest }) => ({ ...rest, traced: trace_id?.length })),
        reads: [whileAway, atLast].map(({ user_id: _user, since: _since, last_seen: _seen, fresh_at: _fresh, ...rest }) => rest),
      });
      expect(plain(hidden)).toEqual(plain(gone));
      // last_seen stays where the goodbye was, a second before the state began (more where the machine stood still: a hole counts
      // for nothing), of the one as of the other.
      for (const { whileAway } of told) {
        expect(gap(whileAway.since, whileAway.last_seen)).toBeGreaterThanOrEqual(1_000);
        expect(gap(whileAway.since, whileAway.last_seen)).toBeLessThan(APART_MS);
      }
      expect(gap(hidden.whileAway.since, gone.whileAway.since)).toBeLessThan(APART_MS);
    }),
  );
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).not.toMatch(/hider|leaver|="invisible"/);
});
