/**
 * Who watches whom, and what each connection was last sent of each user.
 *
 * **Model.** A watch is a pair of connection and user. It has reasons (the user themself, the kept list, asked for); it ends
 * with the last of them. `sent` is null until the snapshot that begins it: diffs that come meanwhile are laid over
 * that snapshot. A connection whose socket is full holds the newest diff of each user and no more (`held`): bounded
 * by what it watches. So does one that is told faster than it may be: a bucket of tokens a connection counts the diffs that
 * are pushed to it. Snapshots and control frames take none, and a diff that is not sent (it ends where the reader is) neither.
 */
import { counter, gauge } from '../base/metrics.ts';
import type { WatchListener } from './audit.ts';
import { type Cursor, WITHHELD_MAX } from './cursor.ts';
import { Bucket, type Rate } from './limits.ts';
import type { Connection } from './parts.ts';
import { newer, type Recent, type Sent, sees, type Versioned, type View } from './recent-diffs.ts';
import { Sparse } from './watch/sparse.ts';
import { type Reason, type Watch, type WatchList, WatchTable, Why } from './watch/table.ts';

export { Why } from './watch/table.ts';

const watchersGauge = gauge('presence_gateway_watchers', 'Connections that watch.');
const watchesGauge = gauge('presence_gateway_watches', 'Pairs of a connection and a user whom it watches.');
const suppressed = counter('presence_gateway_diffs_suppressed_total', 'Diffs not sent to a connection, by reason.', ['reason']);
const heldBack = counter('presence_gateway_diffs_held_total', 'Diffs held back from a connection for now, by reason.', [
  'reason',
]);

/** Whether it is newer than what was last sent. An offset of -1 tells nothing. */
export const isNews = (recent: Recent, view: View, sent: Sent): boolean =>
  newer(recent.sent(view), sent) && (sent.below === undefined || recent.offset < 0 || recent.offset >= sent.below);

const none: ReadonlyMap<string, Sent> = new Map();

/** Of a change in presence.diffs. */
export type Place = Pick<Recent, 'partition' | 'offset'>;

/** What all watchers of a gateway share. */
export interface Shared {
  /** Whether the feed's position lies behind that place. */
  readonly covers: (place: Place) => boolean;
  /** Of diffs pushed to one connection. */
  readonly pushRate: Rate;
  /** Told of each watch; null: nobody is. */
  readonly audit: WatchListener | null;
}

/** Where it says `now`: a clock in whole ms that does not go back. */
export class Watcher {
  readonly connection: Connection;
  readonly watches: WatchList<Watcher>;
  asked = 0;
  /** Snapshots under way. */
  pending = 0;
  /** The newest diff of each user that came while the reader was slow, or the bucket empty. */
  readonly held = new Sparse<string, Recent>();
  /** Users of whom a snapshot said more than the diffs read here by then: the version of it. */
  readonly ahead = new Sparse<string, Versioned>();
  /** Users of whom more was told than the feed's position covers yet. */
  readonly beyond = new Sparse<string, Place>();
  /** Users of whom a resume is to be answered, by the resume that asked: what ends the watch takes it back. */
  readonly resuming = new Sparse<string, Cursor>();
  /** Elements of the frame that is being made. */
  readonly out: string[] = [];
  /** When the last frame with a cursor went out, monotonic ms. */
  framedAt: number;
  gone = false;
  /** What is held waits for tokens, not for room in the socket. */
  throttled = false;
  readonly #shared: Shared;
  /** None before the first diff: many connections are told of nothing for long. */
  #bucket: Bucket | null = null;

  constructor(connection: Connection, table: WatchTable<Watcher>, shared: Shared, framedAt: number) {
    this.connection = connection;
    this.#shared = shared;
    this.watches = table.open(this);
    this.framedAt = framedAt;
  }

  view(key: string): View {
    return key === this.connection.userKey ? 'self' : 'others';
  }

  /**
   * What a cursor as of now must say beside the positions: of each user of whom something is withheld, or of whom a snapshot
   * said more than the diffs read here, what was last sent. null: no cursor would be exact.
   */
  withheld(alsoWithheld: ReadonlySet<string>): ReadonlyMap<string, Sent> | null {
    if (this.pending > 0) return null;
    for (const [key, place] of this.beyond.size === 0 ? [] : [...this.beyond])
      if (this.#shared.covers(place)) this.beyond.delete(key);
    const { held, ahead, beyond, watches } = this;
    if (held.size === 0 && ahead.size === 0 && beyond.size === 0 && alsoWithheld.size === 0) return none;
    if (Math.max(held.size, ahead.size, beyond.size) > WITHHELD_MAX) return null;
    const found = new Map<string, Sent>();
    const note = (key: string): boolean => {
      const sent = watches.get(key)?.sent;
      if (sent == null || found.has(key)) return true;
      if (sent.state === null || sent.version < 0 || found.size === WITHHELD_MAX) return false;
      found.set(key, sent);
      return true;
    };
    const few = alsoWithheld.size <= watches.size;
    const also = few ? alsoWithheld : [...watches.keys()].filter((key) => alsoWithheld.has(key));
    for (const keys of [held.keys(), ahead.keys(), beyond.keys(), also]) for (const key of keys) if (!note(key)) return null;
    return found;
  }

  /** This user was told of as of this place: a cursor says so, until the feed's position does. */
  tells(key: string, place: Place): void {
    const known = this.beyond.get(key);
    if (!this.#shared.covers(place) && (known === undefined || known.offset < place.offset)) this.beyond.set(key, place);
  }

  /** Puts a diff into the frame that is being made, or holds it back. Whether it went into the frame. */
  offer(key: string, recent: Recent, now: number): boolean {
    const ahead = this.ahead.get(key);
    if (ahead !== undefined && !newer(ahead, recent.sent(this.view(key)))) this.ahead.delete(key);
    if (this.held.size === 0) {
      const { slow } = this.connection;
      if (!slow && this.#mayPush(now)) return this.#deliver(key, recent, now);
      this.throttled = !slow;
    }
    const at = this.watches.find(key);
    const view = this.view(key);
    const sent = at < 0 ? null : this.watches.sentOf(at);
    if (sent === null || !sees(recent.diff.audience, view)) return false;
    if (!isNews(recent, view, sent)) return false;
    const before = this.held.get(key);
    if (before !== undefined && newer(before.sent(view), recent.sent(view))) return false;
    // From here on what came before the first one held back is known, whatever becomes the newest.
    if (sent.state === null) this.watches.say(at, { ...sent, state: recent.diff.from });
    const reason = this.throttled ? 'throttled' : 'slow';
    if (before !== undefined) suppressed.inc({ reason });
    heldBack.inc({ reason });
    this.held.set(key, recent);
    return false;
  }

  /** What was held back, into the frame that is being made: whoever waits longest first, as far as there are tokens. */
  release(now: number): void {
    for (const [key, recent] of this.held) {
      this.throttled = !this.#mayPush(now);
      if (this.throttled) return;
      this.held.delete(key);
      this.#deliver(key, recent, now);
    }
    this.throttled = false;
  }

  #mayPush(now: number): boolean {
    return this.#bucket === null || this.#bucket.left(this.#shared.pushRate, now) >= 1;
  }

  #deliver(key: string, recent: Recent, now: number): boolean {
    const at = this.watches.find(key);
    const view = this.view(key);
    const sent = at < 0 ? null : this.watches.sentOf(at);
    // Without a snapshot yet: the snapshot will have it.
    if (sent === null || !sees(recent.diff.audience, view)) return false;
    const next = recent.sent(view);
    if (!isNews(recent, view, sent)) return false;
    const from = sent.state ?? recent.diff.from;
    this.watches.say(at, next);
    this.tells(key, recent);
    if (from === recent.diff.to) {
      suppressed.inc({ reason: 'same' });
      return false;
    }
    const { pushRate } = this.#shared;
    this.#bucket ??= new Bucket(pushRate.burst, now);
    this.#bucket.take(pushRate, now);
    this.out.push(recent.json(view, from));
    return true;
  }
}

/** Watchers, and who watches whom. */
export class Watchers {
  readonly #table: WatchTable<Watcher>;
  readonly #byConnection = new Map<string, Watcher>();
  /** The connections of a user: nearly always one. */
  readonly #own = new Map<string, Watcher | Set<Watcher>>();

  readonly #shared: Shared;

  /** `onWatched`: somebody watches this user from now on, or nobody any more. */
  constructor(onWatched: (key: string, isWatched: boolean) => void, shared: Shared) {
    this.#table = new WatchTable(onWatched);
    this.#shared = shared;
  }

  get all(): Iterable<Watcher> {
    return this.#byConnection.values();
  }

  of(connection: Connection): Watcher | undefined {
    return this.#byConnection.get(connection.id);
  }

  isWatched(key: string): boolean {
    return this.#table.userOf(key) !== undefined;
  }

  watching(key: string): readonly Watcher[] {
    return this.#table.watching(key);
  }

  ownedBy(userKey: string): Iterable<Watcher> {
    const own = this.#own.get(userKey) ?? [];
    return own instanceof Watcher ? [own] : own;
  }

  attach(connection: Connection, framedAt: number): Watcher {
    const watcher = new Watcher(connection, this.#table, this.#shared, framedAt);
    this.#byConnection.set(connection.id, watcher);
    const own = this.#own.get(connection.userKey);
    if (own === undefined) this.#own.set(connection.userKey, watcher);
    else if (own instanceof Set) own.add(watcher);
    else this.#own.set(connection.userKey, new Set([own, watcher]));
    this.#measure();
    return watcher;
  }

  detach(connection: Connection): void {
    const watcher = this.#byConnection.get(connection.id);
    if (watcher === undefined) return;
    watcher.gone = true;
    this.#byConnection.delete(connection.id);
    const own = this.#own.get(connection.userKey);
    if (own instanceof Set) own.delete(watcher);
    if (own === watcher || (own instanceof Set && own.size === 0)) this.#own.delete(connection.userKey);
    if (watcher.watches.size > (watcher.watches.has(connection.userKey) ? 1 : 0)) this.#shared.audit?.closed(connection);
    watcher.watches.clear();
    watcher.held.clear();
    watcher.ahead.clear();
    watcher.beyond.clear();
    watcher.resuming.clear();
    this.#measure();
  }

  /** Adds a reason to watch this user. The watch, and whether it is new. */
  watch(watcher: Watcher, key: string, reason: Reason): { readonly watch: Watch; readonly added: boolean } {
    const { watches } = watcher;
    const added = !watches.has(key);
    if (added) watches.add(key, 0);
    const watch = watches.get(key) as Watch;
    if (reason === 'asked' && (watch.why & Why.asked) === 0) watcher.asked += 1;
    watch.why |= Why[reason];
    if (added) {
      this.#measure();
      this.#shared.audit?.began(watcher.connection, key, reason);
    }
    return { watch, added };
  }

  /** Takes a reason away; with the last one the watch ends. */
  unwatch(watcher: Watcher, key: string, reason: Reason): void {
    const { watches } = watcher;
    const at = watches.find(key);
    const why = at < 0 ? 0 : watches.whyOf(at);
    if ((why & Why[reason]) === 0) return;
    if (reason === 'asked') watcher.asked -= 1;
    watches.because(at, why & ~Why[reason]);
    if (watches.whyOf(at) !== 0) return;
    watches.remove(at);
    this.#shared.audit?.ended(watcher.connection, key, reason);
    watcher.held.delete(key);
    watcher.ahead.delete(key);
    watcher.beyond.delete(key);
    watcher.resuming.delete(key);
    this.#measure();
  }

  #measure(): void {
    watchersGauge.set(this.#byConnection.size);
    watchesGauge.set(this.#table.size);
  }
}
