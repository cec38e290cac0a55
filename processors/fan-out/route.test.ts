/** Who is told of whom, and until when: routes as gateways say them, in order or not, and what they are told for it. */
import { describe, expect, test } from 'vitest';
import type { RouteAdd } from '../../schemas/generated.ts';
import { seconds } from '../time.ts';
import { tell, type Wish } from './flow.ts';
import { at, bound, change, wish } from './flow-kit.ts';
import { route } from './route.ts';

function made(told = 1_000) {
  const { one, said } = bound(route('gateways', { lease: seconds(3), again: seconds(1), told, store: 'wanted' }));
  return {
    one,
    /** A record of routes; each user added is answered with their version 1. `lease`: s. */
    says(lease: number, record: Wish): void {
      const answers = record.add.map(({ user_id }) => tell(change(user_id, 1), { asked: -1 }));
      one.on({ kind: 'route', time: at(0), lease: lease * 1_000, wish: record, answers });
    },
    changes(user: string, version: number): void {
      one.on({ kind: 'tell', told: tell(change(user, version)) });
    },
    /** `g1: ada1 bob2` with `, answered 3` and `, placed`; `g1: reroute`. */
    told(): readonly string[] {
      one.flush?.();
      return said().map(({ kind, gateway_id, told, answered, placed }) => {
        const users = told.map(({ diff }) => `${diff.user_id}${diff.version}`).join(' ');
        const what = kind === 'reroute' ? 'reroute' : users;
        return `${gateway_id}: ${what}${answered > 0 ? `, answered ${answered}` : ''}${placed ? ', placed' : ''}`;
      });
    },
  };
}

const adds = (...users: readonly string[]): { readonly add: readonly RouteAdd[] } => ({
  add: users.map((user_id) => ({ user_id, since: null })),
});
const first = (gateway: string, ...users: readonly string[]): Wish => wish(gateway, 1, { anew: true, ...adds(...users) });

describe('routes', () => {
  test('an added user is answered, then told of as they change, once to each gateway that wants them', () => {
    const { says, changes, told } = made();
    says(0, first('g1', 'ada', 'bob'));
    says(0, first('g2', 'ada'));
    changes('ada', 2);
    changes('bob', 2);
    changes('cyd', 2);
    expect(told()).toEqual([
      'g1: ada1 bob1, answered 1, placed',
      'g2: ada1, answered 1, placed',
      'g1: ada2 bob2, placed',
      'g2: ada2, placed',
    ]);
  });

  test('a user removed is told of no more; what is removed and added in one record is wanted', () => {
    const { one, says, changes, told } = made();
    says(0, first('g1', 'ada', 'bob'));
    says(0, wish('g1', 2, { remove: ['ada', 'bob', 'eve'], ...adds('bob') }));
    told();
    changes('ada', 2);
    changes('bob', 2);
    expect(told()).toEqual(['g1: bob2, placed']);
    expect(one.entries()).toBe(1);
  });

  test('what came before an answer goes before it, in the same record', () => {
    const { says, changes, told } = made();
    says(0, first('g1', 'ada'));
    told();
    changes('ada', 2);
    says(0, wish('g1', 2, adds('bob')));
    changes('bob', 2);
    expect(told()).toEqual(['g1: ada2 bob1, answered 2, placed', 'g1: bob2, placed']);
  });

  test('a mark of life is answered with where everything has been told up to', () => {
    const { says, told } = made();
    says(0, first('g1', 'ada'));
    told();
    says(1, wish('g1', 1));
    expect(told()).toEqual(['g1: , placed']);
  });
});

describe('a record holds a bounded number of users', () => {
  test.each<[string, number, number, readonly number[]]>([
    ['changes', 7, 3, [3, 3, 1]],
    ['changes that fill it', 6, 3, [3, 3]],
    ['fewer', 2, 3, [2]],
  ])('%s: %i by %i', (_, count, most, sizes) => {
    const { says, changes, told } = made(most);
    says(0, first('g1', 'ada'));
    told();
    for (let version = 2; version < count + 2; version++) changes('ada', version);
    expect(told().map((line) => (line.match(/ada/g) ?? []).length)).toEqual(sizes);
  });

  test('answers too; the last of them says that the route is answered', () => {
    const { says, told } = made(2);
    says(0, first('g1', 'ada', 'bob', 'cyd', 'dan'));
    says(0, wish('g1', 2, adds('eve')));
    expect(told()).toEqual(['g1: ada1 bob1', 'g1: cyd1 dan1', 'g1: , answered 1, placed', 'g1: eve1, answered 2, placed']);
  });
});

describe('a gateway that is not understood', () => {
  test.each<[string, readonly (readonly [number, Wish])[], readonly string[]]>([
    ['is asked to say its routes, though it only lives', [[0, wish('g1', 7)]], ['g1: reroute']],
    ['is asked, whatever it adds', [[0, wish('g1', 7, adds('ada'))]], ['g1: reroute']],
    [
      'is asked once a second at most',
      [
        [0, wish('g1', 7)],
        [0.999, wish('g1', 7)],
        [1, wish('g1', 7)],
        [1.5, wish('g1', 7)],
      ],
      ['g1: reroute', 'g1: reroute'],
    ],
    [
      'each by itself',
      [
        [0, wish('g1', 7)],
        [0, wish('g2', 7)],
      ],
      ['g1: reroute', 'g2: reroute'],
    ],
  ])('%s', (_, records, expected) => {
    const { says, told } = made();
    for (const [lease, record] of records) says(lease, record);
    expect(told()).toEqual(expected);
  });

  test('where a record is missing it is told no position until it has said all anew', () => {
    const { says, changes, told } = made();
    says(0, first('g1', 'ada'));
    told();
    says(0.5, wish('g1', 3, adds('cyd')));
    changes('ada', 2);
    // What it had is told all the same.
    expect(told()).toEqual(['g1: reroute', 'g1: ada2']);
    says(0.6, wish('g1', 4, { anew: true, ...adds('ada', 'bob', 'cyd') }));
    expect(told()).toEqual(['g1: ada1 bob1 cyd1, answered 4, placed']);
  });

  test('a mark that bears a later number than any record is a record missing', () => {
    const { says, told } = made();
    says(0, first('g1', 'ada'));
    told();
    says(0.5, wish('g1', 2));
    expect(told()).toEqual(['g1: reroute']);
  });
});

describe('repeats', () => {
  test('a record that comes again does nothing', () => {
    const { one, says, changes, told } = made();
    says(0, first('g1', 'ada'));
    says(0, wish('g1', 2, { remove: ['ada'], ...adds('bob') }));
    says(0, wish('g1', 3, adds('cyd')));
    told();
    says(0, wish('g1', 2, { remove: ['ada'], ...adds('bob') }));
    says(0, first('g1', 'ada'));
    expect(told()).toEqual(['g1: , placed']);
    changes('ada', 2);
    changes('cyd', 2);
    expect(told()).toEqual(['g1: cyd2, placed']);
    expect(one.entries()).toBe(2);
  });
});

describe('routes said anew', () => {
  test('are all that there is', () => {
    const { one, says, changes, told } = made();
    says(0, first('g1', 'ada', 'bob'));
    says(0, wish('g1', 2, { anew: true, ...adds('bob', 'cyd') }));
    told();
    for (const user of ['ada', 'bob', 'cyd']) changes(user, 2);
    expect(told()).toEqual(['g1: bob2 cyd2, placed']);
    expect(one.entries()).toBe(2);
  });

  test('in pieces: no position before the last of them', () => {
    const { says, changes, told } = made();
    says(0, wish('g1', 1, { anew: true, whole: false, ...adds('ada') }));
    changes('ada', 2);
    says(0, wish('g1', 2, { whole: false, ...adds('bob') }));
    says(0, wish('g1', 3, adds('cyd')));
    expect(told()).toEqual(['g1: ada1, answered 1', 'g1: ada2 bob1, answered 2', 'g1: cyd1, answered 3, placed']);
  });

  test('what was to be told by the old ones is told before', () => {
    const { says, changes, told } = made();
    says(0, first('g1', 'ada'));
    changes('ada', 2);
    says(0, wish('g1', 2, { anew: true, ...adds('bob') }));
    expect(told()).toEqual(['g1: ada1, answered 1, placed', 'g1: ada2, placed', 'g1: bob1, answered 2, placed']);
  });
});

describe('the lease', () => {
  test.each<[number, readonly string[]]>([
    [2.999, ['g1: ada2, placed']],
    [3, []],
  ])('a gateway not heard of for %f s of the routes’ time: %j', (lease, expected) => {
    const { says, changes, told } = made();
    says(0, first('g2'));
    says(0, first('g1', 'ada'));
    told();
    says(lease, wish('g2', 1));
    changes('ada', 2);
    expect(told().filter((line) => line.startsWith('g1'))).toEqual(expected);
  });

  test('every record prolongs it, a repeat too; once it is over the next record is not understood', () => {
    const { one, says, told } = made();
    says(0, first('g1', 'ada'));
    says(2, wish('g1', 1));
    says(4, wish('g1', 1));
    told();
    says(6.9, wish('g1', 1));
    expect(told()).toEqual(['g1: , placed']);
    says(9.9, wish('g2', 4));
    expect(one.entries()).toBe(0);
    says(10, wish('g1', 1));
    expect(told()).toEqual(['g2: reroute', 'g1: reroute']);
  });

  test('what was gathered for a gateway is told before it is dropped', () => {
    const { says, changes, told } = made();
    says(0, first('g1', 'ada'));
    changes('ada', 2);
    says(3, wish('g2', 1));
    expect(told()).toEqual(['g1: ada1, answered 1, placed', 'g1: ada2, placed', 'g2: reroute']);
  });
});
