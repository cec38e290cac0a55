import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { State } from '../../schemas/generated.ts';
import type { Sent } from '../recent-diffs.ts';
import { Arena, blockWords } from './arena.ts';
import { WatchTable } from './table.ts';

const sentOf = (epoch: number, version: number, state: State | null): Sent => ({ epoch, version, state });

describe('What was last sent of a user is kept as it was', () => {
  test.each<[what: string, sent: Sent]>([
    ['nothing yet of an epoch', sentOf(1_700_000_000, 0, 'offline')],
    ['a state of another gateway, of no known version', sentOf(-1, -1, 'away')],
    ['no state known', sentOf(-1, -1, null)],
    ['a state of another gateway, as of an offset', { ...sentOf(-1, -1, 'away'), below: 17 }],
    ['the last offset that there can be', { ...sentOf(-1, -1, null), below: Number.MAX_SAFE_INTEGER }],
    ['a version beyond 32 bits', sentOf(5, 2 ** 32 + 7, 'dnd')],
    ['the last version that fits', sentOf(5, 2 ** 39 - 1, 'invisible')],
    ['busy', sentOf(6, 3, 'busy')],
    ['online', sentOf(6, 4, 'online')],
  ])('%s', (_, sent) => {
    const list = new WatchTable().open('w');
    const at = list.add('ada', 5);
    expect(list.sentOf(at)).toBeNull();
    list.say(at, sent);
    expect(list.sentOf(at)).toEqual(sent);
    expect(list.whyOf(at)).toBe(5);
    list.because(at, 2);
    expect([list.whyOf(at), list.sentOf(at)]).toEqual([2, sent]);
  });

  test('epochs are told apart, however many there are', () => {
    const list = new WatchTable().open('w');
    const at = list.add('ada', 1);
    for (const epoch of [9, 3, 9, 70_000, 3]) {
      list.say(at, sentOf(epoch, 1, 'online'));
      expect(list.sentOf(at)?.epoch).toBe(epoch);
    }
  });
});

describe('A table is what sets and maps would be', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'add', 'add', 'remove', 'sent', 'leave'),
    who: fc.nat(5),
    user: fc.nat(40),
    version: fc.nat(1_000),
  });

  test('whatever comes and goes, in any order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new WatchTable<string>();
        const lists = new Map<number, ReturnType<typeof table.open>>();
        const model = new Map<number, Map<string, number | null>>();
        for (const { what, who, user, version } of steps) {
          const key = `user-${user}`;
          const list = lists.get(who) ?? table.open(`w${who}`);
          const known = model.get(who) ?? new Map<string, number | null>();
          lists.set(who, list);
          model.set(who, known);
          const at = list.find(key);
          expect(at >= 0).toBe(known.has(key));
          if (what === 'add' && at < 0) {
            list.add(key, 4);
            known.set(key, null);
          } else if (what === 'remove' && at >= 0) {
            list.remove(at);
            known.delete(key);
          } else if (what === 'sent' && at >= 0) {
            list.say(at, sentOf(1, version, 'online'));
            known.set(key, version);
          } else if (what === 'leave') {
            list.clear();
            lists.delete(who);
            model.delete(who);
          }
        }
        for (const [who, list] of lists) {
          const known = model.get(who) as Map<string, number | null>;
          expect([...list.keys()].sort()).toEqual([...known.keys()].sort());
          for (const [key, version] of known) expect(list.sentOf(list.find(key))?.version ?? null).toBe(version);
        }
        for (let user = 0; user <= 40; user += 1) {
          const those = [...model].filter(([, known]) => known.has(`user-${user}`)).map(([who]) => `w${who}`);
          expect([...table.watching(`user-${user}`)].sort()).toEqual(those.sort());
        }
        expect(table.size).toBe([...model.values()].reduce((sum, { size }) => sum + size, 0));
      }),
      { numRuns: 300 },
    );
  });

  test('a user whom everyone watches, and a watcher of ten thousand', () => {
    const table = new WatchTable<number>();
    const fans = Array.from({ length: 70_000 }, (_, i) => table.open(i));
    for (const fan of fans) fan.add('star', 4);
    expect(table.watching('star')).toHaveLength(70_000);
    for (const fan of fans.slice(0, 69_999)) fan.clear();
    expect(table.watching('star')).toEqual([69_999]);
    const collector = table.open(-1);
    for (let i = 0; i < 10_000; i += 1) collector.add(`user-${(i * 7_919) % 10_000}`, 4);
    expect(collector.size).toBe(10_000);
    for (let i = 0; i < 10_000; i += 2) collector.remove(collector.find(`user-${i}`));
    expect([...collector.keys()].sort()).toEqual(Array.from({ length: 5_000 }, (_, i) => `user-${2 * i + 1}`).sort());
  });

  test('memory that was given back is used again', () => {
    const table = new WatchTable<number>();
    const crowd = () => {
      const lists = Array.from({ length: 2_000 }, (_, i) => table.open(i));
      for (const [i, list] of lists.entries()) for (let k = 0; k < 50; k += 1) list.add(`user-${(i * 31 + k * 17) % 5_000}`, 4);
      return lists;
    };
    const first = crowd();
    const { bytes } = table.arena;
    for (const list of first) list.clear();
    expect([table.size, table.users]).toEqual([0, 0]);
    crowd();
    expect(table.arena.bytes).toBeLessThanOrEqual(bytes * 1.1);
  });
});

describe('An arena', () => {
  test('blocks do not overlap, whatever their sizes', () => {
    const arena = new Arena();
    const blocks = [1, 4, 5, 9, 100, 3_000, 65_536, 65_537, 300_000, 7].map((words, i) => {
      const address = arena.take(words);
      arena.wordsOf(address).fill(i, arena.offsetOf(address), arena.offsetOf(address) + blockWords(words));
      return { address, words, i };
    });
    for (const { address, words, i } of blocks) {
      const from = arena.offsetOf(address);
      expect(new Set(arena.wordsOf(address).subarray(from, from + blockWords(words)))).toEqual(new Set([i]));
    }
  });

  test('a large block goes when it is given back, a small one waits for the next', () => {
    const arena = new Arena();
    const large = arena.take(1_000_000);
    const { bytes } = arena;
    arena.giveBack(large, 1_000_000);
    expect(arena.bytes).toBeLessThan(bytes);
    const small = arena.take(10);
    arena.giveBack(small, 10);
    expect(arena.take(12)).toBe(small);
  });
});
