/**
 * Fan-out: what comes by the feed (feed.ts), in either mode, is pushed to the connections that watch it.
 *
 * **Model.** A watcher is a connection; it watches its own user (their truth), the user's kept list, and what it asked for.
 * A snapshot begins each watch (fan-out-snapshots.ts). Then each diff newer by (epoch, version) than what this
 * connection was last sent of the user goes into the frame of this turn: all batches that came in one turn are
 * one frame a connection, or two where they are very many (fan-out-queue.ts). `from` is what the connection was last sent; a
 * diff that ends there is not sent. A slow reader keeps the newest diff of each user (watchers.ts), and gets it when its socket
 * has room. So does whoever is told faster than `pushRate`: what is held is told as tokens come.
 *
 * A cursor in each frame says up to where the diffs were told, and what was last sent of whom something is withheld. A resume
 * is told by the feed who changed since, and tells them once. Connections that are told nothing get an empty frame with a fresh
 * cursor once a minute, so that five minutes count from the disconnect and not from the last change.
 *
 * **Limits.** 10,000 users asked for a connection (BAD_INPUT), 10,000 a kept list; recent diffs, kept lists and entries to be
 * corrected as their files say. Batches wait for the frames before them, so nothing piles up here.
 */
import { clock, type Timer, turn } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { Presence } from '../schemas/presence.ts';
import { type Cursor, decodeCursor } from './cursor.ts';
import { badInput } from './devices-speaker.ts';
import { createBroadcastFeed } from './fan-out-broadcast.ts';
import { Cursors } from './fan-out-cursors.ts';
import type { FanOutOptions } from './fan-out-options.ts';
import { DiffQueue } from './fan-out-queue.ts';
import { createRoutedFeed } from './fan-out-routed.ts';
import { Snapshots } from './fan-out-snapshots.ts';
import type { Changed, Feed, FeedSink } from './feed.ts';
import { observe } from './freshness.ts';
import { createInterest, type InterestTable, WATCHED_MAX } from './interest.ts';
import { defaultPushRate } from './limits.ts';
import type { Connection, ListChange, PolicableFanOut } from './parts.ts';
import { type Recent, type Sent, sees } from './recent-diffs.ts';
import { isNews, type Watcher, Watchers, Why } from './watchers.ts';

/** A connection told nothing for this long gets a fresh cursor. */
export const CURSOR_EVERY_MS = 60_000;
/** How often slow readers are asked whether they have room, and throttled ones whether they have tokens. */
const TICK_MS = 100;

const frames = counter('presence_gateway_frames_total', 'Frames pushed to watchers, by type.', ['type']);
const pushed = counter('presence_gateway_diffs_pushed_total', 'Diffs pushed to connections.');
const throttled = gauge('presence_gateway_throttled_count', 'Connections that wait for tokens to be told more.');
const resumes = counter('presence_gateway_resumes_total', 'Resumes, by what was answered.', ['answer']);

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start; `ready` says when all was read. */
export async function createFanOut(options: FanOutOptions): Promise<PolicableFanOut> {
  const fanOut = new WatchedFanOut(options);
  const { log, codecs, logger, interestEntriesMax } = options;
  const interest = await createInterest({
    log,
    codecs,
    logger,
    onChange: (watcher, added, removed) => {
      fanOut.listChanged(watcher, added, removed);
      options.onListChange?.(watcher, added, removed);
    },
    ...(interestEntriesMax === undefined ? {} : { entriesMax: interestEntriesMax }),
  });
  const createFeed = options.mode === 'routed' ? createRoutedFeed : createBroadcastFeed;
  fanOut.start(interest, await createFeed(options, fanOut.now, fanOut));
  return fanOut;
}

class WatchedFanOut implements PolicableFanOut, FeedSink {
  readonly #logger: Logger;
  readonly now: () => number;
  readonly #options: FanOutOptions;
  readonly #maySee: (connection: Connection, key: string) => boolean;
  readonly #watchers: Watchers;
  #interest: InterestTable | null = null;
  #theFeed: Feed | null = null;
  #theSnapshots: Snapshots | null = null;
  #cursors: Cursors | null = null;
  #ready: Promise<void> = Promise.resolve();
  /** Diffs read and not told yet. */
  readonly #queue: DiffQueue;
  #flushing: Promise<void> | null = null;
  /** Those whose frames of this turn hold something. */
  readonly #touched = new Set<Watcher>();
  /** Those from whom something is held back: slow readers, and who is told too fast. */
  readonly #slow = new Set<Watcher>();
  #timers: Timer[] = [];

  constructor(options: FanOutOptions) {
    this.#options = options;
    this.#logger = options.logger;
    this.now = options.now ?? clock.now;
    this.#maySee = options.maySee ?? (() => true);
    this.#queue = new DiffQueue(options.onlineFirstFrom);
    this.#watchers = new Watchers((key, isWatched) => this.#feed.watched(key, isWatched), {
      covers: (place) => this.#feed.covers(place),
      pushRate: options.pushRate ?? defaultPushRate,
      audit: options.audit ?? null,
    });
  }

  start(interest: InterestTable, feed: Feed): void {
    const { readPresences, logger } = this.#options;
    const send = (watcher: Watcher, presences: readonly Presence[]) =>
      this.#frame(watcher, 'snapshot', `"presences":${JSON.stringify(presences)}`);
    this.#interest = interest;
    this.#theFeed = feed;
    this.#cursors = new Cursors(feed, this.#queue.waiting);
    this.#theSnapshots = new Snapshots({ readPresences, logger, feed, flush: () => this.#flush(), send });
    this.#ready = Promise.all([interest.ready, feed.ready]).then(() => {});
    this.#timers = [clock.setInterval(() => this.#releaseSlow(), TICK_MS), clock.setInterval(() => this.#everySecond(), 1_000)];
  }

  /** Nobody comes before the start. */
  get #feed(): Feed {
    return this.#theFeed as Feed;
  }

  get #snapshots(): Snapshots {
    return this.#theSnapshots as Snapshots;
  }

  get ready(): Promise<void> {
    return this.#ready;
  }

  async attach(connection: Connection): Promise<void> {
    const watcher = this.#watchers.attach(connection, this.now());
    watcher.pending += 1; // until its first snapshot no cursor is complete
    const keys = new Set([connection.userKey]);
    try {
      await this.#ready;
      if (watcher.gone) return;
      this.#watchers.watch(watcher, connection.userKey, 'self');
      for (const key of this.interest(connection.userKey)) {
        if (!this.#maySee(connection, key)) continue;
        this.#watchers.watch(watcher, key, 'kept');
        keys.add(key);
      }
    } finally {
      watcher.pending -= 1;
    }
    await this.#snapshots.send(watcher, [...keys]);
  }

  async subscribe(connection: Connection, keys: readonly string[]): Promise<void> {
    const watcher = this.#watchers.of(connection);
    if (watcher === undefined) return;
    Snapshots.mayAsk(watcher);
    const asked = this.#ask(watcher, keys);
    watcher.pending += 1; // these are watched, and not told of yet
    await this.#ready.finally(() => {
      watcher.pending -= 1;
    });
    if (!watcher.gone) await this.#snapshots.send(watcher, asked);
  }

  unsubscribe(connection: Connection, keys: readonly string[]): void {
    const watcher = this.#watchers.of(connection);
    if (watcher === undefined) return;
    this.#flush(); // what was to be told of them comes before
    for (const key of keys) this.#watchers.unwatch(watcher, key, 'asked');
  }

  async resume(connection: Connection, text: string, keys: readonly string[]): Promise<void> {
    const cursor = decodeCursor(text);
    const watcher = this.#watchers.of(connection);
    if (watcher === undefined) return;
    Snapshots.mayAsk(watcher);
    const fresh = new Set(keys.filter((key) => !watcher.watches.has(key)));
    const asked = this.#ask(watcher, keys);
    for (const key of fresh) watcher.resuming.set(key, cursor);
    watcher.pending += 1; // these are watched, and not told of yet
    let unsaid: readonly string[] | null = null;
    try {
      await this.#ready;
      const options = {
        viewOf: (key: string) => watcher.view(key),
        tell: (changed: Changed) => this.#resumeOne(watcher, cursor, changed),
      };
      unsaid = await this.#feed.resume(
        cursor,
        asked.filter((key) => fresh.has(key)),
        options,
      );
    } finally {
      watcher.pending -= 1;
      for (const key of fresh) if (watcher.resuming.get(key) === cursor) watcher.resuming.delete(key);
    }
    if (watcher.gone) return;
    if (unsaid === null) {
      resumes.inc({ answer: 'snapshot' });
      return this.#snapshots.send(watcher, asked);
    }
    if (unsaid.length < fresh.size || fresh.size === 0) {
      resumes.inc({ answer: 'diffs' });
      this.#touched.add(watcher); // it is answered with a frame, be it an empty one
      this.#flush();
    } else resumes.inc({ answer: 'snapshot' });
    if (unsaid.length > 0) await this.#snapshots.send(watcher, unsaid);
  }

  detach(connection: Connection): void {
    const watcher = this.#watchers.of(connection);
    if (watcher === undefined) return;
    this.#watchers.detach(connection);
    this.#snapshots.detach(watcher);
    this.#slow.delete(watcher);
    this.#touched.delete(watcher);
  }

  watches(connection: Connection): readonly { readonly key: string; readonly asked: boolean }[] {
    const watches = this.#watchers.of(connection)?.watches;
    const keys = [...(watches?.keys() ?? [])].filter((key) => key !== connection.userKey);
    return keys.map((key) => ({ key, asked: ((watches?.get(key)?.why ?? 0) & Why.asked) !== 0 }));
  }

  tell(connection: Connection, presences: readonly Presence[]): void {
    const watcher = this.#watchers.of(connection);
    if (watcher === undefined || presences.length === 0) return;
    this.#flush(); // a cursor must not pass what waits for the end of this turn
    this.#frame(watcher, 'snapshot', `"presences":${JSON.stringify(presences)}`);
  }

  interest(watcher: string): readonly string[] {
    return this.#interest?.list(watcher) ?? [];
  }

  keep(watcher: string, change: ListChange): Promise<readonly string[]> {
    return (this.#interest as InterestTable).keep(watcher, change);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clock.clearInterval(timer);
    await this.#theFeed?.close();
    await this.#interest?.close();
  }

  /** Every connection of the user follows their kept list. */
  listChanged(userKey: string, added: readonly string[], removed: readonly string[]): void {
    for (const watcher of this.#watchers.ownedBy(userKey)) {
      // Not begun yet: it will begin with the list as it is then.
      if (!watcher.watches.has(userKey)) continue;
      for (const key of removed) this.#watchers.unwatch(watcher, key, 'kept');
      const seen = added.filter((key) => this.#maySee(watcher.connection, key));
      const news = seen.filter((key) => this.#watchers.watch(watcher, key, 'kept').added);
      if (news.length > 0) void this.#snapshots.send(watcher, news);
    }
  }

  /** Diffs read from the log. They are told at the end of this turn, with all others of it. */
  diffs(items: readonly Recent[]): Promise<void> | undefined {
    this.moved();
    for (const item of items) if (this.#watchers.isWatched(item.diff.user_id)) this.#queue.push(item);
    if (this.#queue.size === 0) return undefined;
    this.#flushing ??= this.#tellQueue();
    return this.#flushing;
  }

  async #tellQueue(): Promise<void> {
    await turn();
    this.#flushing = null;
    this.#flush();
    if (this.#queue.isFull) this.#tellRest();
    else void this.#queue.quiet()?.then(() => this.#tellRest());
  }

  #tellRest(): void {
    this.#offerAll();
    this.#flush();
  }

  moved(): void {
    this.#cursors?.moved();
  }

  wasSent(recent: Recent, from: Sent['state']): void {
    this.#offerAll();
    const key = recent.diff.user_id;
    for (const watcher of this.#watchers.watching(key)) {
      const watch = watcher.watches.get(key);
      if (watch?.sent == null || watch.sent.state !== null) continue;
      const view = watcher.view(key);
      if (sees(recent.diff.audience, view) && isNews(recent, view, watch.sent)) watch.sent = { ...watch.sent, state: from };
    }
  }

  /** Counts against the limit and registers; nothing changes where it is refused. The keys, each once. */
  #ask(watcher: Watcher, keys: readonly string[]): readonly string[] {
    const asked = [...new Set(keys)];
    const more = asked.filter((key) => ((watcher.watches.get(key)?.why ?? 0) & Why.asked) === 0).length;
    if (watcher.asked + more > WATCHED_MAX) {
      throw badInput(`user_ids: a connection watches up to ${WATCHED_MAX} users, this would make ${watcher.asked + more}`);
    }
    for (const key of asked) this.#watchers.watch(watcher, key, 'asked');
    return asked;
  }

  #resumeOne(watcher: Watcher, cursor: Cursor, { key, sent, last }: Changed): void {
    // Unsubscribed meanwhile; who asks for them again is told by a snapshot first.
    if (watcher.resuming.get(key) !== cursor) return;
    watcher.resuming.delete(key);
    const watch = watcher.watches.get(key);
    // A snapshot began it after all.
    if (watch === undefined || watch.sent !== null) return;
    // What waits for the end of the turn came before.
    this.#offerAll();
    watch.sent = sent;
    if (sent.below !== undefined) watcher.tells(key, this.#feed.placeBelow(key, sent.below));
    // A snapshot of the same user may go out before the last answer comes: this goes before it.
    if (last !== null && watcher.offer(key, last, monotonicMs())) this.#touched.add(watcher);
    else if (watcher.held.size > 0) this.#slow.add(watcher);
  }

  #flush(): void {
    this.#offer(this.#queue.first());
    if (this.#touched.size === 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const watcher of touched) this.#sendDiffs(watcher);
  }

  /** What waits for the second go too. */
  #offerAll(): void {
    this.#offer(this.#queue.first());
    this.#offer(this.#queue.second());
    // They were given a cursor that is no good.
    for (const watcher of (this.#cursors as Cursors).marked()) if (!watcher.gone) this.#touched.add(watcher);
  }

  /** Into the frames that are being made: they go out when the feed's positions cover them. */
  #offer(queue: readonly Recent[]): void {
    if (queue.length === 0) return;
    const now = this.now();
    const ticks = monotonicMs();
    for (const item of queue) {
      const key = item.diff.user_id;
      let first = true;
      for (const watcher of this.#watchers.watching(key)) {
        if (watcher.offer(key, item, ticks)) {
          if (first) observe(item, now);
          first = false;
          this.#touched.add(watcher);
        } else if (watcher.held.size > 0) this.#slow.add(watcher);
      }
    }
  }

  #releaseSlow(): void {
    const now = monotonicMs();
    let waiting = 0;
    for (const watcher of this.#slow) {
      if (watcher.connection.slow) continue;
      this.#flush();
      watcher.release(now);
      if (watcher.held.size === 0) this.#slow.delete(watcher);
      else waiting += 1;
      if (watcher.out.length > 0) this.#sendDiffs(watcher);
    }
    throttled.set(waiting);
  }

  #everySecond(): void {
    this.#feed.everySecond();
    this.#flush(); // a cursor must not pass what waits for the end of this turn
    this.#snapshots
      .reconcile()
      .catch((error: unknown) => this.#logger.error({ err: error }, 'Snapshots could not be corrected.'));
    const before = this.now() - CURSOR_EVERY_MS;
    for (const watcher of this.#watchers.all) {
      if (watcher.framedAt < before && watcher.pending === 0 && !watcher.connection.slow) this.#sendDiffs(watcher);
    }
  }

  #sendDiffs(watcher: Watcher): void {
    const { out } = watcher;
    const elements = out.length === 1 ? (out[0] as string) : out.join(',');
    if (out.length > 0) pushed.inc(out.length);
    out.length = 0;
    if (watcher.held.size > 0) this.#slow.add(watcher);
    this.#frame(watcher, 'diffs', `"diffs":[${elements}]`);
  }

  #frame(watcher: Watcher, type: 'snapshot' | 'diffs', body: string): void {
    if (watcher.gone || !watcher.connection.open) return;
    const now = this.now();
    watcher.framedAt = now;
    frames.inc({ type });
    watcher.connection.send(`{"type":"${type}",${body},"cursor":"${(this.#cursors as Cursors).of(watcher, now)}"}`);
  }
}

/** For buckets. */
const monotonicMs = (): number => Math.floor(clock.monotonic());
