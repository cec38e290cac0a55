/**
 * Who watches whom, and what each was last sent: pairs of a watcher (a connection) and a user, as numbers.
 *
 * **Why.** A gateway holds a million such pairs for 19,000 connections. As objects in maps and sets a pair costs 190 bytes, here
 * 16 in its watcher's block and 4 in its user's list (`npm run bench:idle`).
 *
 * **Model.** Watchers and users have slots, numbers that are given anew when they are free. Each watcher has one block of the
 * arena, in four columns of so many words as it has room for pairs: the users' slots (in order, so that one is found by halving),
 * the place of the watcher in that user's list, flags, and the version last sent. Each user has a list of watchers' slots.
 * Whoever is taken out of a user's list is replaced by its last, whose place is put right: both directions cost the same
 * for a user whom everyone watches.
 *
 * `sent` is packed: the state, whether anything was sent, the epoch (by its number among those met, 65,535 at most: each is a
 * failover or a cut-over), and 39 bits of the version; or, of what another gateway sent, 53 bits of an offset.
 */
import { PresenceError } from '../../base/errors.ts';
import { type State, stateSymbols } from '../../schemas/generated.ts';
import type { Sent } from '../recent-diffs.ts';
import { Arena, blockWords } from './arena.ts';
import { NumberList } from './list.ts';

export const Why = { self: 1, kept: 2, asked: 4 } as const;
export type Reason = keyof typeof Why;

const COLUMNS = 4;
const WHY_MASK = 0b111;
const SENT = 1 << 3;
/** Sent by another gateway: the state is known; of the version only, perhaps, the offset below which changes are in it. */
const BEFORE = 1 << 4;
const STATE_SHIFT = 5;
const HIGH_SHIFT = 9;
const HIGH_MASK = 0x7f;
const EPOCH_SHIFT = 16;
/** Metric: none, each is a failover. At the limit an epoch met for the first time takes the number of the last one. */
const EPOCHS_MAX = 65_535;
const TWO_32 = 2 ** 32;

const states: readonly (State | null)[] = [null, ...stateSymbols];
/** What four bits tell apart. */
const STATES_MAX = 16;
if (states.length > STATES_MAX)
  throw new PresenceError('INTERNAL', `There are ${states.length - 1} states, and room for ${STATES_MAX - 1}.`, {
    at: 'gateway/watch/table.ts',
    retriable: false,
  });

interface WatchedUser {
  readonly key: string;
  readonly slot: number;
  readonly watchers: NumberList;
}

export class WatchTable<W> {
  readonly arena = new Arena();
  readonly #users = new Map<string, WatchedUser>();
  readonly #bySlot: (WatchedUser | null)[] = [];
  readonly #freeUsers: number[] = [];
  readonly #lists: (WatchList<W> | null)[] = [];
  readonly #freeLists: number[] = [];
  readonly #epochs: number[] = [];
  /** Diffs of one user go to all their watchers in turn. */
  #last: WatchedUser | undefined;
  readonly #onWatched: (key: string, isWatched: boolean) => void;
  /** Pairs. */
  size = 0;

  /** `onWatched`: somebody watches this user from now on, or nobody any more. */
  constructor(onWatched: (key: string, isWatched: boolean) => void = () => {}) {
    this.#onWatched = onWatched;
  }

  /** An empty list for a watcher who comes; `clear` it when they go. */
  open(watcher: W): WatchList<W> {
    const slot = this.#freeLists.pop() ?? this.#lists.length;
    const list = new WatchList(this, watcher, slot);
    this.#lists[slot] = list;
    return list;
  }

  /** Everyone who watches this user, as of now. */
  watching(key: string): readonly W[] {
    const user = this.userOf(key);
    if (user === undefined) return [];
    const { watchers } = user;
    return Array.from({ length: watchers.size }, (_, place) => this.#listOf(watchers.at(place)).watcher);
  }

  /** Users who are watched. */
  get users(): number {
    return this.#users.size;
  }

  keyOf(slot: number): string {
    return (this.#bySlot[slot] as WatchedUser).key;
  }

  userOf(key: string): WatchedUser | undefined {
    if (this.#last?.key === key) return this.#last;
    this.#last = this.#users.get(key);
    return this.#last;
  }

  /** The user, and the place that this watcher has in their list from now on. */
  join(key: string, list: number): readonly [user: number, place: number] {
    let user = this.userOf(key);
    if (user === undefined) {
      const slot = this.#freeUsers.pop() ?? this.#bySlot.length;
      user = { key, slot, watchers: new NumberList(this.arena) };
      this.#bySlot[slot] = user;
      this.#users.set(key, user);
      this.#last = user;
      this.#onWatched(key, true);
    }
    this.size += 1;
    return [user.slot, user.watchers.push(list)];
  }

  leave(slot: number, place: number): void {
    const user = this.#bySlot[slot] as WatchedUser;
    const moved = user.watchers.take(place);
    if (moved >= 0) this.#listOf(moved).movedTo(slot, place);
    this.size -= 1;
    if (user.watchers.size > 0) return;
    this.#users.delete(user.key);
    this.#bySlot[slot] = null;
    this.#freeUsers.push(slot);
    this.#last = undefined;
    this.#onWatched(user.key, false);
  }

  /** Its slot may be given to somebody else. */
  closed(list: number): void {
    this.#lists[list] = null;
    this.#freeLists.push(list);
  }

  epochOf(number: number): number {
    return this.#epochs[number] as number;
  }

  numberOfEpoch(epoch: number): number {
    const known = this.#epochs.lastIndexOf(epoch);
    if (known >= 0) return known;
    if (this.#epochs.length === EPOCHS_MAX) this.#epochs.pop();
    return this.#epochs.push(epoch) - 1;
  }

  #listOf(slot: number): WatchList<W> {
    return this.#lists[slot] as WatchList<W>;
  }
}

/** One pair, in its list: good until something is added to the list or removed from it. */
export class Watch {
  readonly #list: WatchList<unknown>;
  readonly #at: number;

  constructor(list: WatchList<unknown>, at: number) {
    this.#list = list;
    this.#at = at;
  }

  /** Reasons, added up (`Why`). */
  get why(): number {
    return this.#list.whyOf(this.#at);
  }
  set why(why: number) {
    this.#list.because(this.#at, why);
  }

  /** What was last sent of the user; null before the snapshot that begins the watch. */
  get sent(): Sent | null {
    return this.#list.sentOf(this.#at);
  }
  set sent(sent: Sent) {
    this.#list.say(this.#at, sent);
  }
}

/** Whom one watcher watches. */
export class WatchList<W> {
  readonly watcher: W;
  readonly #table: WatchTable<W>;
  readonly #slot: number;
  #address = 0;
  /** Pairs that its block has room for. */
  #room = 0;
  #words = 0;
  size = 0;

  constructor(table: WatchTable<W>, watcher: W, slot: number) {
    this.#table = table;
    this.watcher = watcher;
    this.#slot = slot;
  }

  has(key: string): boolean {
    return this.find(key) >= 0;
  }

  get(key: string): Watch | undefined {
    const at = this.find(key);
    return at < 0 ? undefined : new Watch(this, at);
  }

  /** The place of this user in the list, until anything is added or removed; -1 where they are not watched. */
  find(key: string): number {
    const user = this.#table.userOf(key);
    if (user === undefined || this.size === 0) return -1;
    const at = this.#search(user.slot);
    return at < this.size && this.#read(0, at) === user.slot ? at : -1;
  }

  /** Its place; those behind it have moved. */
  add(key: string, why: number): number {
    const [user, place] = this.#table.join(key, this.#slot);
    if (this.size === this.#room) this.#grow();
    const at = this.#search(user);
    this.#shift(at, 1);
    this.size += 1;
    this.#write(0, at, user);
    this.#write(1, at, place);
    this.#write(2, at, why);
    this.#write(3, at, 0);
    return at;
  }

  remove(at: number): void {
    this.#table.leave(this.#read(0, at), this.#read(1, at));
    this.#shift(at + 1, -1);
    this.size -= 1;
    if (this.size === 0) this.#giveBack();
  }

  /** The watcher goes: nothing more may be asked of the list. */
  clear(): void {
    for (let at = 0; at < this.size; at += 1) this.#table.leave(this.#read(0, at), this.#read(1, at));
    this.size = 0;
    this.#giveBack();
    this.#table.closed(this.#slot);
  }

  *keys(): Generator<string> {
    for (let at = 0; at < this.size; at += 1) yield this.#table.keyOf(this.#read(0, at));
  }

  whyOf(at: number): number {
    return this.#read(2, at) & WHY_MASK;
  }

  because(at: number, why: number): void {
    this.#write(2, at, (this.#read(2, at) & ~WHY_MASK) | why);
  }

  sentOf(at: number): Sent | null {
    const flags = this.#read(2, at);
    if ((flags & SENT) === 0) return null;
    const state = states[(flags >>> STATE_SHIFT) & (STATES_MAX - 1)] as State | null;
    if ((flags & BEFORE) !== 0) {
      const below = (flags >>> HIGH_SHIFT) * TWO_32 + this.#read(3, at);
      return { epoch: -1, version: -1, state, ...(below === 0 ? {} : { below }) };
    }
    const version = ((flags >>> HIGH_SHIFT) & HIGH_MASK) * TWO_32 + this.#read(3, at);
    return { epoch: this.#table.epochOf(flags >>> EPOCH_SHIFT), version, state };
  }

  say(at: number, { epoch, version, state, below = 0 }: Sent): void {
    const why = this.#read(2, at) & WHY_MASK;
    const said = SENT | (states.indexOf(state) << STATE_SHIFT);
    // Of what was sent elsewhere there is no version, but perhaps an offset.
    const word = epoch < 0 ? below : version;
    const high = Math.floor(word / TWO_32) << HIGH_SHIFT;
    const kind = epoch < 0 ? BEFORE : this.#table.numberOfEpoch(epoch) << EPOCH_SHIFT;
    this.#write(2, at, why | said | high | kind);
    this.#write(3, at, word % TWO_32);
  }

  /** In the list of this user, it lies there now. */
  movedTo(user: number, place: number): void {
    this.#write(1, this.#search(user), place);
  }

  /** Where this user is, or would be. */
  #search(user: number): number {
    const { arena } = this.#table;
    if (this.size === 0) return 0;
    const words = arena.wordsOf(this.#address);
    const from = arena.offsetOf(this.#address);
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((words[from + middle] as number) < user) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #read(column: number, at: number): number {
    const { arena } = this.#table;
    return arena.wordsOf(this.#address)[arena.offsetOf(this.#address) + column * this.#room + at] as number;
  }

  #write(column: number, at: number, value: number): void {
    const { arena } = this.#table;
    arena.wordsOf(this.#address)[arena.offsetOf(this.#address) + column * this.#room + at] = value;
  }

  /** All from `at` on, by so many places. */
  #shift(at: number, by: number): void {
    const { arena } = this.#table;
    const words = arena.wordsOf(this.#address);
    for (let column = 0; column < COLUMNS; column += 1) {
      const from = arena.offsetOf(this.#address) + column * this.#room;
      words.copyWithin(from + at + by, from + at, from + this.size);
    }
  }

  #grow(): void {
    const { arena } = this.#table;
    const wanted = (this.size + 1) * COLUMNS;
    const address = arena.take(wanted);
    const words = blockWords(wanted);
    const room = Math.floor(words / COLUMNS);
    for (let column = 0; column < COLUMNS && this.size > 0; column += 1) {
      const from = arena.offsetOf(this.#address) + column * this.#room;
      const those = arena.wordsOf(this.#address).subarray(from, from + this.size);
      arena.wordsOf(address).set(those, arena.offsetOf(address) + column * room);
    }
    this.#giveBack();
    this.#address = address;
    this.#room = room;
    this.#words = words;
  }

  #giveBack(): void {
    if (this.#words > 0) this.#table.arena.giveBack(this.#address, this.#words);
    this.#address = this.#room = this.#words = 0;
  }
}
