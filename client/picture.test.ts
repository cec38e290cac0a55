import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diff, presence } from '../test/client/world.ts';
import { type Change, Picture } from './picture.ts';
import type { DiffView, State } from './protocol.ts';

const said = (changes: readonly Change[]): string[] =>
  changes.map(({ presence: { user_id, state, version } }) => `${user_id} ${state} #${version}`);

describe('A diff', () => {
  test.each([
    ['moves a user on', [diff('bob', 'online', 'busy', 2)], ['bob busy #2'], []],
    ['may leave versions out', [diff('bob', 'online', 'busy', 9)], ['bob busy #9'], []],
    [
      'that comes twice changes nothing',
      [diff('bob', 'online', 'busy', 2), diff('bob', 'online', 'busy', 2)],
      ['bob busy #2'],
      [],
    ],
    ['that is older changes nothing', [diff('bob', 'away', 'busy', 1), diff('bob', 'away', 'busy', 0)], [], []],
    ['of an older epoch changes nothing', [diff('bob', 'online', 'busy', 9, { epoch: 6 })], [], []],
    ['of a newer epoch counts, whatever its version', [diff('bob', 'online', 'busy', 1, { epoch: 8 })], ['bob busy #1'], []],
    ['that begins elsewhere is a gap, and taken', [diff('bob', 'away', 'busy', 3)], ['bob busy #3'], ['bob']],
    ['of a user not known is a gap, and not taken', [diff('cy', 'away', 'busy', 3)], [], ['cy']],
  ] as const)('%s', (_, diffs, changes, gaps) => {
    const picture = new Picture();
    picture.snapshot([presence('bob', 'online', 1)], []);
    const missed: string[] = [];
    expect(said(picture.diffs(diffs, missed))).toEqual(changes);
    expect(missed).toEqual(gaps);
  });

  test('says what it does not say as the gateway would', () => {
    const picture = new Picture();
    picture.snapshot([presence('bob', 'online', 1, { devices: 2 })], []);
    const at = '2026-02-02T00:00:00.000Z';
    const look = (to: State, version: number, source: DiffView['source'] = 'app') =>
      picture.diffs([diff('bob', picture.presences.get('bob')!.state, to, version, { at, source })], [])[0]!.presence;
    expect(look('busy', 2)).toMatchObject({ since: at, fresh_at: at, devices: 2, last_seen: '2026-01-01T00:00:00.000Z' });
    expect(look('offline', 3, 'inferred')).toMatchObject({ devices: 0, last_seen: at, source: 'inferred' });
    expect(look('dnd', 4, 'manual')).toMatchObject({ devices: 0 });
    expect(look('online', 5)).toMatchObject({ devices: 1 });
  });
});

describe('A diff before its snapshot', () => {
  const early = () => true;

  test('is kept, and played after it where it is newer', () => {
    const picture = new Picture();
    const before = [diff('bob', 'offline', 'online', 3), diff('bob', 'online', 'busy', 4), diff('bob', 'busy', 'dnd', 5)];
    expect(picture.diffs(before, [], early)).toEqual([]);
    expect(said(picture.snapshot([presence('bob', 'busy', 4)], []))).toEqual(['bob busy #4', 'bob dnd #5']);
    expect(said(picture.snapshot([presence('bob', 'dnd', 5)], []))).toEqual(['bob dnd #5']);
  });

  test('of one user at most 16 are kept: the newest', () => {
    const picture = new Picture();
    const many = Array.from({ length: 40 }, (_, i) =>
      diff('bob', i % 2 === 0 ? 'busy' : 'dnd', i % 2 === 0 ? 'dnd' : 'busy', i + 2),
    );
    picture.diffs(many, [], early);
    const gaps: string[] = [];
    const changes = said(picture.snapshot([presence('bob', 'online', 1)], gaps));
    expect([changes.length, changes.at(-1), gaps]).toEqual([17, 'bob busy #41', ['bob']]);
  });

  test('is forgotten with its user', () => {
    const picture = new Picture();
    picture.diffs([diff('bob', 'online', 'busy', 4)], [], early);
    picture.forget('bob');
    expect(said(picture.snapshot([presence('bob', 'online', 1)], []))).toEqual(['bob online #1']);
  });
});

test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s is a user like any other', (id) => {
  const picture = new Picture();
  picture.diffs([diff(id, 'online', 'busy', 2)], [], () => true);
  expect(said(picture.snapshot([presence(id, 'online', 1)], []))).toEqual([`${id} online #1`, `${id} busy #2`]);
  expect(picture.presences.get(id)?.state).toBe('busy');
});

/** A user's true history, and what a connection hears of it: any part of it, in any order, any number of times. */
const states: readonly State[] = ['online', 'busy', 'away', 'dnd', 'offline'];
const heard = fc.record({
  truth: fc.array(fc.constantFrom(...states), { minLength: 2, maxLength: 12 }),
  picks: fc.array(fc.record({ version: fc.nat(11), whole: fc.boolean() }), { maxLength: 30 }),
});

test('whatever comes twice, late or not at all: the picture never goes back, and is the newest that was heard', () => {
  fc.assert(
    fc.property(heard, ({ truth, picks }) => {
      const picture = new Picture();
      picture.snapshot([presence('u', truth[0]!, 0)], []);
      let newest = 0;
      for (const { version, whole } of picks) {
        if (version >= truth.length) continue;
        const before = picture.presences.get('u')!.version;
        if (whole) picture.snapshot([presence('u', truth[version]!, version)], []);
        else if (version > 0) picture.diffs([diff('u', truth[version - 1]!, truth[version]!, version)], []);
        if (whole || version > 0) newest = Math.max(newest, version);
        const { version: now, state } = picture.presences.get('u')!;
        expect(now).toBeGreaterThanOrEqual(before);
        expect([now, state]).toEqual([newest, truth[newest]]);
      }
    }),
  );
});
