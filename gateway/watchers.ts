/**
 * Who watches whom, and what each connection was last sent of each user.
 *
 * **Model.** A watch is a pair of connection and user. It has reasons (the user themself, the kept list, asked for); it ends
 * with the last of them. `sent` is null until the snapshot that begins it: diffs that come meanwhile are laid over
 * that snapshot. A connection whose socket is full holds the newest diff of each user and no more (`held`): bounded
 * by what it watches.
 */
import { counter, gauge } from '../base/metrics.ts';
import type { Connection } from './parts.ts';
import { newer, type Recent, type Sent, sees, type Versioned, type View } from './recent-diffs.ts';

export const Why = { self: 1, kept: 2, asked: 4 } as const;
export type Reason = keyof typeof Why;

export interface Watch {
  why: number;
  sent: Sent | null;
}

const watchersGauge = gauge('presence_gateway_watchers', 'Connections that watch.');
const watchesGauge = gauge('presence_gateway_watches', 'Pairs of a connection and a user whom it watches.');
const suppressed = counter('presence_gateway_diffs_suppressed_total', 'Diffs not sent to a connection, by reason.', ['reason']);

export class Watcher {
  readonly connection: Connection;
  readonly watches = new Map<string, Watch>();
  asked = 0;
  /** Snapshots under way. */
  pending = 0;
  /** The newest diff of each user that came while the reader was slow. */
  readonly held = new Map<string, Recent>();
  /** Users of whom a snapshot said more than the diffs read here by then: the version of it. */
  readonly ahead = new Map<string, Versioned>();
  /** Elements of the frame that is being made. */
  readonly out: string[] = [];
  /** When the last frame with a cursor went out, monotonic ms. */
  framedAt: number;
  gone = false;

  constructor(connection: Connection, now: number) {
    this.connection = connection;
    this.framedAt = now;
  }

  view(key: string): View {
    return key === this.connection.userKey ? 'self' : 'others';
  }

  /** Whether everything up to now has been told, and nothing beyond: a cursor as of now is then exact. */
  get complete(): boolean {
    return this.pending === 0 && this.held.size === 0 && this.ahead.size === 0;
  }

  /** Puts a diff into the frame that is being made, or holds it back. Whether it went into the frame. */
  offer(key: string, recent: Recent): boolean {
    const ahead = this.ahead.get(key);
    if (ahead !== undefined && !newer(ahead, recent.sent(this.view(key)))) this.ahead.delete(key);
    if (this.held.size === 0 && !this.connection.slow) return this.#deliver(key, recent);
    const watch = this.watches.get(key);
    const view = this.view(key);
    if (watch === undefined || watch.sent === null || !sees(recent.diff.audience, view)) return false;
    if (!newer(recent.sent(view), watch.sent)) return false;
    // From here on what came before the first one held back is known, whatever becomes the newest.
    if (watch.sent.state === null) watch.sent = { ...watch.sent, state: recent.diff.from };
    if (this.held.has(key)) suppressed.inc({ reason: 'slow' });
    this.held.set(key, recent);
    return false;
  }

  /** What was held back, into the frame that is being made. */
  release(): void {
    const held = [...this.held];
    this.held.clear();
    for (const [key, recent] of held) this.#deliver(key, recent);
  }

  #deliver(key: string, recent: Recent): boolean {
    const watch = this.watches.get(key);
    const view = this.view(key);
    // Without a snapshot yet: the snapshot will have it.
    if (watch === undefined || watch.sent === null || !sees(recent.diff.audience, view)) return false;
    const next = recent.sent(view);
    if (!newer(next, watch.sent)) return false;
    const from = watch.sent.state ?? recent.diff.from;
    watch.sent = next;
    if (from === recent.diff.to) {
      suppressed.inc({ reason: 'same' });
      return false;
    }
    this.out.push(recent.json(view, from));
    return true;
  }
}

/** The index from users to those who watch them. */
export class Watchers {
  readonly #byConnection = new Map<string, Watcher>();
  readonly #byUser = new Map<string, Set<Watcher>>();
  /** The connections of a user. */
  readonly #own = new Map<string, Set<Watcher>>();
  #watches = 0;

  get all(): Iterable<Watcher> {
    return this.#byConnection.values();
  }

  of(connection: Connection): Watcher | undefined {
    return this.#byConnection.get(connection.id);
  }

  watching(key: string): ReadonlySet<Watcher> | undefined {
    return this.#byUser.get(key);
  }

  ownedBy(userKey: string): Iterable<Watcher> {
    return this.#own.get(userKey) ?? [];
  }

  attach(connection: Connection, now: number): Watcher {
    const watcher = new Watcher(connection, now);
    this.#byConnection.set(connection.id, watcher);
    addTo(this.#own, connection.userKey, watcher);
    this.#measure();
    return watcher;
  }

  detach(connection: Connection): void {
    const watcher = this.#byConnection.get(connection.id);
    if (watcher === undefined) return;
    watcher.gone = true;
    this.#byConnection.delete(connection.id);
    removeFrom(this.#own, connection.userKey, watcher);
    for (const key of watcher.watches.keys()) removeFrom(this.#byUser, key, watcher);
    this.#watches -= watcher.watches.size;
    watcher.watches.clear();
    watcher.held.clear();
    watcher.ahead.clear();
    this.#measure();
  }

  /** Adds a reason to watch this user. The watch, and whether it is new. */
  watch(watcher: Watcher, key: string, reason: Reason): { readonly watch: Watch; readonly added: boolean } {
    const known = watcher.watches.get(key);
    const watch = known ?? { why: 0, sent: null };
    if (reason === 'asked' && (watch.why & Why.asked) === 0) watcher.asked += 1;
    watch.why |= Why[reason];
    if (known !== undefined) return { watch, added: false };
    watcher.watches.set(key, watch);
    addTo(this.#byUser, key, watcher);
    this.#watches += 1;
    this.#measure();
    return { watch, added: true };
  }

  /** Takes a reason away; with the last one the watch ends. */
  unwatch(watcher: Watcher, key: string, reason: Reason): void {
    const watch = watcher.watches.get(key);
    if (watch === undefined || (watch.why & Why[reason]) === 0) return;
    if (reason === 'asked') watcher.asked -= 1;
    watch.why &= ~Why[reason];
    if (watch.why !== 0) return;
    watcher.watches.delete(key);
    watcher.held.delete(key);
    watcher.ahead.delete(key);
    removeFrom(this.#byUser, key, watcher);
    this.#watches -= 1;
    this.#measure();
  }

  #measure(): void {
    watchersGauge.set(this.#byConnection.size);
    watchesGauge.set(this.#watches);
  }
}

function addTo(index: Map<string, Set<Watcher>>, key: string, watcher: Watcher): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([watcher]));
  else set.add(watcher);
}

function removeFrom(index: Map<string, Set<Watcher>>, key: string, watcher: Watcher): void {
  const set = index.get(key);
  set?.delete(watcher);
  if (set?.size === 0) index.delete(key);
}
