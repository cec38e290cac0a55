/** What somebody is told who asks: the newest state, or what changed since; from the table, from diffs, or from both. */
import { describe, expect, test } from 'vitest';
import { minutes } from '../time.ts';
import { at, bound, change, EPOCH, seenBy, stateOf, wish } from './flow-kit.ts';
import { newest } from './newest.ts';
import { Standings } from './standings.ts';

function made(options: { readonly changes?: number } = {}) {
  const { one, said } = bound(newest('users', { remember: minutes(7), changes: 500_000, store: 'newest', ...options }));
  const stage = one as typeof one & { load(state: unknown): void; begin(at: object): void };
  let handed = 0;
  return {
    stage,
    diff(user: string, version: number, more: Parameters<typeof change>[2] = {}): void {
      const { seconds: second = more.offset ?? version } = more;
      stage.on({ kind: 'diff', time: at(second), ...change(user, version, more) });
      handed += said().filter(({ kind }) => kind === 'diff').length;
    },
    /** `ada online v1 from away`, `@offset` where it is a diff's. */
    ask(user_id: string, since: number | null = null): readonly string[] {
      stage.on({ kind: 'route', time: at(0), lease: 0, wish: wish('g', 1, { add: [{ user_id, since }] }) });
      return said().flatMap((event) =>
        event.kind !== 'route'
          ? []
          : event.answers.map(({ diff, from, position, asked }) => {
              expect(asked).toBe(since ?? -1);
              const version = diff.audience === 'others' ? diff.public_version : diff.version;
              const change = position < 0 ? '' : ` @${position}`;
              return `${diff.to} v${version}${seenBy(diff.audience)}${change}${from === null ? '' : ` from ${from}`}`;
            }),
      );
    },
    handed: () => handed,
  };
}

describe('the newest state', () => {
  test('of one never heard of nothing is said; of one in the table what it says; of one who changed the change', () => {
    const { stage, ask, diff } = made();
    stage.load(stateOf('ada', 4, 'busy'));
    expect([ask('eve'), ask('ada')]).toEqual([[], ['busy v4 self', 'busy v4 others']]);
    diff('ada', 5, { from: 'busy', to: 'away', offset: 9 });
    diff('bob', 1);
    expect([ask('ada'), ask('bob')]).toEqual([['away v5 @9'], ['online v1 @1']]);
  });

  test.each<[string, number, readonly string[]]>([
    ['a table ahead of the diffs is the newer one', 7, ['busy v7 self', 'busy v7 others']],
    ['a table behind them is not', 5, ['away v6 @9']],
    ['of the same version it is the diff', 6, ['away v6 @9']],
  ])('%s', (_, version, expected) => {
    const { stage, ask, diff } = made();
    stage.load(stateOf('ada', version, 'busy'));
    diff('ada', 6, { to: 'away', offset: 9 });
    expect(ask('ada')).toEqual(expected);
  });

  test('a later epoch goes before a higher version', () => {
    const { stage, ask, diff } = made();
    stage.load(stateOf('ada', 90, 'busy'));
    diff('ada', 1, { to: 'dnd', epoch: EPOCH + 1, offset: 3 });
    diff('ada', 91, { to: 'away', offset: 4 });
    expect(ask('ada')).toEqual(['dnd v1 @3']);
  });

  test('each view has its own', () => {
    const { ask, diff } = made();
    diff('ada', 1, { to: 'online' });
    diff('ada', 2, { to: 'invisible', audience: 'self', public_version: 1 });
    diff('ada', 2, { to: 'offline', audience: 'others', offset: 3 });
    expect(ask('ada')).toEqual(['invisible v2 self @2', 'offline v2 others @3']);
  });

  test('repeats are handed on, and change nothing', () => {
    const { ask, diff, handed } = made();
    for (const offset of [1, 2, 3]) diff('ada', offset === 3 ? 1 : 2, { offset, to: offset === 1 ? 'busy' : 'dnd' });
    expect(handed()).toBe(3);
    expect(ask('ada')).toEqual(['busy v2 @1']);
  });

  test('while diffs are unread that the table tells of, it has the place of the last of them', () => {
    const { stage, ask, diff } = made();
    stage.load(stateOf('ada', 7, 'busy'));
    stage.begin({ from: 0, position: 10, known: 13 });
    expect(ask('ada')).toEqual(['busy v7 self @12', 'busy v7 others @12']);
    diff('bob', 1, { offset: 11 });
    expect(ask('ada')).toEqual(['busy v7 self @12', 'busy v7 others @12']);
    // With it all that the table can tell of has been read: ada's change is an old one.
    diff('cyd', 1, { offset: 12 });
    expect(ask('ada')).toEqual(['busy v7 self', 'busy v7 others']);
  });
});

describe('what changed since', () => {
  const { stage, ask, diff } = made();
  stage.load(stateOf('cyd', 3, 'online'));
  stage.begin({ from: 10, position: 10 });
  diff('ada', 1, { offset: 10, from: 'offline', to: 'online' });
  diff('bob', 1, { offset: 11, from: 'offline', to: 'busy' });
  diff('ada', 2, { offset: 12, from: 'online', to: 'away' });
  diff('ada', 3, { offset: 13, from: 'away', to: 'dnd' });

  test.each<[string, string, number, readonly string[]]>([
    ['nobody who has not changed', 'cyd', 10, []],
    ['nobody who changed before', 'bob', 12, []],
    ['once, from what it was then', 'ada', 10, ['dnd v3 @13 from offline']],
    ['once, from what it was in between', 'ada', 11, ['dnd v3 @13 from online']],
    ['the last change, from before it', 'ada', 13, ['dnd v3 @13 from away']],
    ['nothing at the end', 'ada', 14, []],
    ['the newest alone, where more was told than has been read', 'ada', 15, ['dnd v3 @13']],
    ['the newest alone, from before what was read', 'ada', 9, ['dnd v3 @13']],
    ['of one who has not changed the newest, from before what was read', 'cyd', 9, ['online v3 self', 'online v3 others']],
  ])('%s', (_, user, since, expected) => {
    expect(ask(user, since)).toEqual(expected);
  });

  test('views that went on from different states are told apart', () => {
    const views = made();
    views.diff('ada', 1, { offset: 0, to: 'online' });
    views.diff('ada', 2, { offset: 1, audience: 'self', public_version: 1, from: 'online', to: 'invisible' });
    views.diff('ada', 2, { offset: 2, audience: 'others', from: 'online', to: 'offline' });
    views.diff('ada', 3, { offset: 3, public_version: 3, from: 'invisible', to: 'busy' });
    expect(views.ask('ada', 3)).toEqual(['busy v3 @3 from invisible']);
    expect(views.ask('ada', 2)).toEqual(['busy v3 self @3 from invisible', 'busy v3 others @3 from online']);
  });
});

describe('remembered', () => {
  test('for as long as is said, by the stamps of changes: then who asks from before gets the newest alone', () => {
    const { stage, ask, diff } = made();
    stage.begin({ from: 0, position: 0 });
    diff('ada', 1, { offset: 0, seconds: 0, to: 'busy' });
    diff('bob', 1, { offset: 1, seconds: 419.999 });
    expect(ask('ada', 0)).toEqual(['busy v1 @0 from offline']);
    diff('bob', 2, { offset: 2, seconds: 420 });
    // What is left of the change is how she stands.
    expect(ask('ada', 0)).toEqual(['busy v1 self', 'busy v1 others']);
    expect(ask('ada', 1)).toEqual([]);
    expect(ask('bob', 1)).toEqual(['online v2 @2 from offline']);
  });

  test('at the limit the oldest leave before their time', () => {
    const { stage, ask, diff } = made({ changes: 3 });
    stage.begin({ from: 0, position: 0 });
    for (const [offset, user] of ['ada', 'bob', 'cyd', 'dan', 'eve'].entries()) diff(user, 1, { offset });
    expect(['ada', 'bob', 'cyd', 'dan', 'eve'].map((user) => ask(user, 2))).toEqual([
      [],
      [],
      ['online v1 @2 from offline'],
      ['online v1 @3 from offline'],
      ['online v1 @4 from offline'],
    ]);
    expect([ask('ada', 1), ask('cyd', 1)]).toEqual([['online v1 self', 'online v1 others'], ['online v1 @2']]);
    expect(stage.entries()).toBe(5);
  });

  test('one change of a user leaves, and those after it are still told from where they began', () => {
    const { stage, ask, diff } = made({ changes: 2 });
    stage.begin({ from: 0, position: 0 });
    diff('ada', 1, { offset: 0, to: 'busy' });
    diff('ada', 2, { offset: 1, from: 'busy', to: 'away' });
    diff('bob', 1, { offset: 2 });
    expect([ask('ada', 1), ask('ada')]).toEqual([['away v2 @1 from busy'], ['away v2 @1']]);
  });

  test('what is settled never goes back behind the table, nor a view behind itself', () => {
    const { stage, ask, diff } = made({ changes: 1 });
    stage.load(stateOf('ada', 9, 'dnd'));
    diff('ada', 8, { to: 'away', offset: 1 });
    diff('bob', 2, { to: 'busy', offset: 2 });
    diff('bob', 1, { to: 'away', offset: 3 });
    diff('cyd', 1, { offset: 4 });
    expect([ask('ada'), ask('bob')]).toEqual([
      ['dnd v9 self', 'dnd v9 others'],
      ['busy v2 self', 'busy v2 others'],
    ]);
  });
});

test('standings hold what they were told, of as many as there are, each view by itself', () => {
  const standings = new Standings();
  const standing = (i: number) => ({ epoch: EPOCH, version: i, state: 'busy', source: 'app', since: at(i) }) as const;
  for (let i = 0; i < 10_000; i++) standings.set(`u${i}`, 'self', standing(i));
  standings.set('u7', 'others', { ...standing(1), state: 'offline', source: 'inferred' });
  standings.know('nobody');
  expect(standings.size).toBe(10_001);
  expect([0, 4_095, 4_096, 9_999].map((i) => standings.of(`u${i}`, 'self'))).toEqual([0, 4_095, 4_096, 9_999].map(standing));
  expect(standings.of('u7', 'others')).toEqual({ ...standing(1), state: 'offline', source: 'inferred' });
  expect([standings.of('u8', 'others'), standings.of('nobody', 'self'), standings.of('eve', 'self')]).toEqual([null, null, null]);
});
