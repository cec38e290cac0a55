import { describe, expect, test } from 'vitest';
import { PresenceError } from '../base/errors.ts';
import { Gathered, READS_UNDER_WAY_MAX, USERS_A_READ_MAX } from './gathered.ts';

/** A store whose reads come back when they are let. */
class Store {
  readonly reads: (readonly string[])[] = [];
  readonly #open: (() => void)[] = [];
  held = false;
  fails: (keys: readonly string[]) => Error | null = () => null;

  readonly read = async (keys: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    const n = this.reads.push(keys);
    if (this.held) await new Promise<void>((open) => this.#open.push(open));
    const error = this.fails(keys);
    if (error !== null) throw error;
    return new Map(keys.map((key) => [key, n]));
  };
  letGo(): void {
    for (const open of this.#open.splice(0)) open();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const away = new PresenceError('STORE_UNAVAILABLE', 'away', { at: 'test', retriable: true });

describe('reads gathered', () => {
  test('what is asked in one turn is one read, each user in it once', async () => {
    const store = new Store();
    const gathered = new Gathered('cache', store.read);
    const answers = await Promise.all([gathered.ask(['a', 'b']), gathered.ask(['b', 'c']), gathered.ask(['a'])]);
    expect(store.reads).toEqual([['a', 'b', 'c']]);
    expect(answers.map((answer) => answer.get('a'))).toEqual([1, 1, 1]);
  });

  test('a lone one waits for no timer: it is read by the end of the turn', async () => {
    const store = new Store();
    const gathered = new Gathered('cache', store.read);
    void gathered.ask(['a']);
    await turn();
    expect(store.reads).toEqual([['a']]);
  });

  test('nobody is answered by a read that began before they asked', async () => {
    const store = new Store();
    store.held = true;
    const gathered = new Gathered('cache', store.read);
    void gathered.ask(['a']);
    await turn();
    const later = gathered.ask(['a']);
    await turn();
    store.letGo();
    expect((await later).get('a')).toBe(2);
  });

  test('beyond the reads that may be under way the rest is gathered until one comes back', async () => {
    const store = new Store();
    store.held = true;
    const gathered = new Gathered('cache', store.read);
    for (let n = 0; n < READS_UNDER_WAY_MAX + 5; n += 1) {
      void gathered.ask([`u${n}`]);
      await turn();
    }
    expect(store.reads.length).toBe(READS_UNDER_WAY_MAX);
    store.letGo();
    await turn();
    expect(store.reads.slice(READS_UNDER_WAY_MAX)).toEqual([['u2', 'u3', 'u4', 'u5', 'u6']]);
  });

  test('a round trip takes so many users, and no ask is torn apart', async () => {
    const store = new Store();
    const gathered = new Gathered('cache', store.read);
    const half = (name: string) => Array.from({ length: USERS_A_READ_MAX * 0.6 }, (_, n) => `${name}${n}`);
    await Promise.all([gathered.ask(half('a')), gathered.ask(half('b')), gathered.ask(['a0']), gathered.ask([])]);
    expect(store.reads.map((keys) => keys.length)).toEqual([USERS_A_READ_MAX * 0.6, USERS_A_READ_MAX * 0.6 + 1]);
  });

  test('an outage fails all of them at once; what one entry is to blame for fails who asked for it', async () => {
    const store = new Store();
    const gathered = new Gathered('database', store.read);
    const outcome = async (asks: readonly (readonly string[])[]) =>
      (await Promise.allSettled(asks.map((keys) => gathered.ask(keys)))).map(({ status }) => status);
    store.fails = () => away;
    expect(await outcome([['a'], ['b']])).toEqual(['rejected', 'rejected']);
    expect(store.reads.length).toBe(1);
    store.fails = (keys) => (keys.includes('b') ? new Error('b cannot be read') : null);
    expect(await outcome([['a'], ['b', 'c'], ['d']])).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    store.fails = () => null;
    expect(await outcome([['b']])).toEqual(['fulfilled']);
  });
});
