/**
 * Snapshots: what the cache (or database) says, with the diffs laid on top that it had not caught up with.
 *
 * **Model.** A watch is registered first, then the cache is read, then, in one turn, the newest held diff of each user
 * is laid over what was read and the frame is sent: every later diff comes after it, none falls between. A
 * cache that lags further back than diffs are held can be wrong without anyone knowing; such entries are marked
 * `stale` and read again each second until the cache has caught up, and then sent again, right. A read that
 * fails is repeated for as long as the connection lives: the snapshot comes when it can.
 *
 * The cache may also be ahead of the diffs read here (their record is still on its way). A cursor would then lie before
 * what was told, and a resume would tell it again: so a snapshot waits for those diffs for a moment (`AHEAD_MS`), and
 * the connection's cursors are marked incomplete until they have come.
 *
 * **Limits.** `BEHIND_MAX` entries wait to be corrected; beyond it they stay marked stale until their next diff. While
 * nothing can be read, `SNAPSHOTS_WAITING_MAX` snapshots of one connection wait; more are refused (STORE_UNAVAILABLE).
 */
import { clock, sleep, type Timer } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { Presence } from '../schemas/presence.ts';
import type { Known } from './feed.ts';
import type { Reads } from './parts.ts';
import { newer } from './recent-diffs.ts';
import type { Watcher } from './watchers.ts';

export const BEHIND_MAX = 100_000;
/** Of one connection: asked for and not sent yet. */
export const SNAPSHOTS_WAITING_MAX = 50;
const AHEAD_MS = 500;
/** So long for the answers to routes; after that it comes from the cache alone, marked stale, and again later. */
const KNOWN_MS = 2_000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1_000;

const failedReads = counter('presence_gateway_snapshot_reads_failed_total', 'Reads for snapshots that failed and were repeated.');
const waitingGauge = gauge('presence_gateway_snapshots_waiting_count', 'Snapshots asked for and not sent yet.');
const behindGauge = gauge('presence_gateway_snapshots_behind', 'Snapshot entries sent as stale that wait to be corrected.');

export interface SnapshotOptions {
  readonly readPresences: Reads['presences'];
  readonly feed: Known & { known(keys: readonly string[]): Promise<void> | undefined };
  readonly logger: Logger;
  /** Right before a frame: sends the diffs that wait for the end of the turn, so that the cursor does not pass them. */
  readonly flush: () => void;
  /** Sends `{"type":"snapshot",…}` with the cursor as of now. */
  readonly send: (watcher: Watcher, presences: readonly Presence[]) => void;
}

export class Snapshots {
  readonly #options: SnapshotOptions;
  /** Entries to be corrected, and whether they were marked stale. */
  readonly #behind = new Map<Watcher, Map<string, boolean>>();
  #behindSize = 0;
  #waiting = 0;
  #reconciling = false;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  /** Reads and sends; the keys must be watched already. Resolves when it was sent, or the connection has gone. */
  async send(watcher: Watcher, keys: readonly string[]): Promise<void> {
    watcher.pending += 1;
    this.#waits(1);
    let read: readonly Presence[] | null = null;
    const known = this.#options.feed.known(keys);
    let late = false;
    try {
      read = await this.#readUntilDone(watcher, keys);
      late = known !== undefined && !(await settlesWithin(known, KNOWN_MS));
      if (read !== null && !late) await this.#waitForDiffs(watcher, keys, read);
    } finally {
      this.#waits(-1);
      // Until what is newest is known, no cursor of this connection is exact.
      if (late) void known?.then(() => this.#settled(watcher));
      else this.#settled(watcher);
    }
    if (read !== null && !watcher.gone) this.#tell(watcher, keys, read);
  }

  #settled(watcher: Watcher): void {
    watcher.pending -= 1;
  }

  #waits(more: number): void {
    this.#waiting += more;
    waitingGauge.set(this.#waiting);
  }

  /** Throws STORE_UNAVAILABLE where this connection has as many waiting as it may. */
  static mayAsk(watcher: Watcher): void {
    if (watcher.pending < SNAPSHOTS_WAITING_MAX) return;
    throw new PresenceError('STORE_UNAVAILABLE', `${watcher.pending} snapshots of this connection wait to be read.`, {
      at: 'subscribe',
      retriable: true,
    });
  }

  /** Reads again what was sent as stale, and sends what the cache has caught up with. Called once a second. */
  async reconcile(): Promise<void> {
    if (this.#reconciling) return;
    this.#reconciling = true;
    try {
      for (const [watcher, keys] of [...this.#behind]) {
        this.#forget(watcher);
        await this.#correct(watcher, new Map([...keys].filter(([key]) => watcher.watches.has(key))));
      }
    } finally {
      this.#reconciling = false;
      behindGauge.set(this.#behindSize);
    }
  }

  detach(watcher: Watcher): void {
    this.#forget(watcher);
  }

  async #correct(watcher: Watcher, behind: ReadonlyMap<string, boolean>): Promise<void> {
    if (watcher.gone) return;
    const keys: string[] = [];
    // Where no answer of the cache would do it is not asked: after a mass return it would be for everybody, each second.
    for (const [key, marked] of behind)
      if (this.#isBehind(watcher, key, null)) this.#remember(watcher, key, marked);
      else keys.push(key);
    if (keys.length === 0) return;
    const read = await this.#read(watcher, keys);
    if (watcher.gone) return;
    const wrong: { readonly key: string; readonly presence: Presence }[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      const presence = read?.[i];
      const marked = behind.get(key) as boolean;
      const sent = watcher.watches.get(key)?.sent;
      if (presence === undefined || this.#isBehind(watcher, key, presence)) this.#remember(watcher, key, marked);
      // What was right, and not marked, is not told again.
      else if (marked || (sent != null && newer(presence, sent))) wrong.push({ key, presence });
    }
    const ready = wrong.map(({ presence }) => presence);
    if (ready.length > 0)
      this.#tell(
        watcher,
        wrong.map(({ key }) => key),
        ready,
      );
  }

  async #readUntilDone(watcher: Watcher, keys: readonly string[]): Promise<readonly Presence[] | null> {
    if (keys.length === 0) return [];
    for (let wait = RETRY_MS_MIN; !watcher.gone; wait = Math.min(RETRY_MS_MAX, wait * 2)) {
      const read = await this.#read(watcher, keys);
      if (read !== null) return watcher.gone ? null : read;
      await sleep(wait);
    }
    return null;
  }

  async #read(watcher: Watcher, keys: readonly string[]): Promise<readonly Presence[] | null> {
    try {
      return await this.#options.readPresences(keys, { userKey: watcher.connection.userKey, admin: false });
    } catch (error) {
      failedReads.inc();
      this.#options.logger.debug({ err: error }, 'A snapshot cannot be read now; it is tried again.');
      return null;
    }
  }

  async #waitForDiffs(watcher: Watcher, keys: readonly string[], read: readonly Presence[]): Promise<void> {
    const until = clock.monotonic() + AHEAD_MS;
    const isAhead = (key: string, i: number): boolean => this.#isAhead(watcher, key, read[i] as Presence);
    for (let ahead = keys.some(isAhead); ahead && !watcher.gone && clock.monotonic() < until; ahead = keys.some(isAhead))
      await sleep(5);
  }

  #tell(watcher: Watcher, keys: readonly string[], read: readonly Presence[]): void {
    this.#options.flush();
    const presences: Presence[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      const watch = watcher.watches.get(key);
      // Unsubscribed meanwhile: not told any more.
      if (watch === undefined) continue;
      const cached = read[i] as Presence;
      // Where nothing was ever confirmed the system is new, or so broken that readyz says it: not called stale.
      const behind = this.#isBehind(watcher, key, cached);
      const stale = behind && cached.fresh_at !== null;
      if (behind) this.#remember(watcher, key, stale);
      const now = this.#overlay(watcher, key, cached);
      watch.sent = { epoch: now.epoch, version: now.version, state: now.state };
      watcher.held.delete(key);
      if (this.#isAhead(watcher, key, cached)) watcher.ahead.set(key, cached);
      const newest = this.#options.feed.newest(key, watcher.view(key));
      if (newest !== undefined) watcher.tells(key, newest);
      presences.push(stale ? { ...now, stale } : now);
    }
    this.#options.send(watcher, presences);
  }

  /** The newest of: what was read, the newest diff held, what this connection was sent already. */
  #overlay(watcher: Watcher, key: string, cached: Presence): Presence {
    const view = watcher.view(key);
    const recent = this.#options.feed.newest(key, view) ?? watcher.held.get(key);
    let presence = cached;
    if (recent !== undefined && newer(recent.sent(view), presence)) {
      const { to: state, source, at } = recent.diff;
      const devices = state === 'offline' ? 0 : source === 'manual' ? cached.devices : Math.max(1, cached.devices);
      presence = { ...cached, state, source, since: new Date(at).toISOString(), ...versionOf(recent.sent(view)), devices };
    }
    const sent = watcher.watches.get(key)?.sent;
    if (sent == null || sent.state === null || !newer(sent, presence)) return presence;
    return { ...presence, state: sent.state, ...versionOf(sent) };
  }

  #isBehind(watcher: Watcher, key: string, cached: Presence | null): boolean {
    return this.#options.feed.isBehind(key, watcher.view(key), cached);
  }

  #isAhead(watcher: Watcher, key: string, cached: Presence): boolean {
    return this.#options.feed.isAhead(key, watcher.view(key), cached);
  }

  #remember(watcher: Watcher, key: string, stale: boolean): void {
    if (this.#behindSize >= BEHIND_MAX) return;
    let keys = this.#behind.get(watcher);
    if (keys === undefined) {
      keys = new Map();
      this.#behind.set(watcher, keys);
    }
    if (!keys.has(key)) this.#behindSize += 1;
    keys.set(key, stale);
  }

  #forget(watcher: Watcher): void {
    this.#behindSize -= this.#behind.get(watcher)?.size ?? 0;
    this.#behind.delete(watcher);
  }
}

const versionOf = ({ epoch, version }: { readonly epoch: number; readonly version: number }) => ({ epoch, version });

/** Whether it settles in time. */
async function settlesWithin(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), ms);
  });
  const settled = await Promise.race([work.then(() => true), late]);
  clock.clearTimeout(timer);
  return settled;
}
