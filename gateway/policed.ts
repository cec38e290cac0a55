/**
 * The fan-out under a policy (policy.ts): who may not be seen is not watched, and reads as never seen.
 *
 * **Model.** What a connection asks for and may not see **sleeps** here: it is told of once, as a user never seen, and
 * the fan-out never hears of it, so a delivery costs nothing more than without a policy. When an answer may have changed
 * (a kept list, a fresh token, or some time where nobody says: `recheck_ms`) the connection is **reviewed**: watches that
 * may no longer be end, and their users are shown as never seen; what slept and may be wakes with a snapshot. Until the
 * kept lists have been read everything sleeps, and nothing is told. A user's kept list is watched through the fan-out,
 * which asks `maySee` itself.
 *
 * **Limits.** `ASLEEP_MAX` a connection (BAD_INPUT, as for those that are watched); reviews wait, each connection once,
 * REVIEWS_A_TICK_MAX of them every TICK_MS.
 */
import { clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import { parseUserKey } from '../schemas/user-key.ts';
import type { Audit } from './audit.ts';
import { badInput } from './devices-speaker.ts';
import type { Connection, FanOut, ListChange, PolicableFanOut } from './parts.ts';
import { type Asker, maySee, type WatchPolicy } from './policy.ts';
import { neverSeen } from './presence-of.ts';

/** Users asked for by one connection who may not be seen. */
export const ASLEEP_MAX = 10_000;
/** Connections reviewed in one tick. */
export const REVIEWS_A_TICK_MAX = 500;
const TICK_MS = 100;

const asleepGauge = gauge('presence_gateway_watches_asleep', 'Users that connections asked for and may not see.');
const waiting = gauge('presence_gateway_reviews_waiting_count', 'Connections whose watches are to be asked for again.');
const ended = counter('presence_gateway_watches_ended_total', 'Watches that ended because the policy no longer allows them.');

/** Whoever a connection speaks for, as the policy asks. */
export const askerOf = ({ userKey, tenant, principal }: Connection): Asker => ({
  userKey,
  tenant,
  admin: principal?.scopes.has('presence:admin') ?? false,
  watch: principal?.watch,
});

interface Guarded {
  readonly connection: Connection;
  principal: Connection['principal'];
  readonly asleep: Set<string>;
}

export interface PolicedOptions {
  readonly policy: WatchPolicy;
  readonly logger: Logger;
  /** Told of what is refused. */
  readonly audit?: Audit;
}

export class PolicedFanOut implements FanOut {
  readonly #policy: WatchPolicy;
  readonly #logger: Logger;
  readonly #audit: Audit | undefined;
  readonly #inner: PolicableFanOut;
  readonly #guarded = new Map<string, Guarded>();
  readonly #byUser = new Map<string, Set<Guarded>>();
  /** In the order in which they are to be reviewed. */
  readonly #due = new Set<Guarded>();
  readonly #timers: readonly Timer[];
  #isReady = false;
  #asleep = 0;

  constructor(inner: PolicableFanOut, { policy, logger, audit }: PolicedOptions) {
    this.#inner = inner;
    this.#policy = policy;
    this.#logger = logger;
    this.#audit = audit;
    inner.ready.then(
      () => {
        this.#isReady = true;
        for (const one of this.#guarded.values()) {
          this.#review(one);
          this.#audit?.refused(one.connection, [...one.asleep]);
          this.#hide(one, [...one.asleep]);
        }
      },
      () => {}, // whoever waits for `ready` is told
    );
    const { recheck_ms } = policy;
    this.#timers = [
      clock.setInterval(() => this.#tick(), TICK_MS),
      clock.setInterval(() => this.#freshTokens(), 1_000),
      ...(recheck_ms === undefined ? [] : [clock.setInterval(() => this.#all(), recheck_ms)]),
    ];
  }

  get ready(): Promise<void> {
    return this.#inner.ready;
  }

  async attach(connection: Connection): Promise<void> {
    const one: Guarded = { connection, principal: connection.principal, asleep: new Set() };
    this.#guarded.set(connection.id, one);
    const own = this.#byUser.get(connection.userKey) ?? new Set();
    this.#byUser.set(connection.userKey, own.add(one));
    await this.#inner.attach(connection);
    const unseen = this.interest(connection.userKey).filter((key) => !this.#mayWatch(connection, key));
    this.#audit?.refused(connection, unseen);
    this.#hide(one, unseen);
  }

  async subscribe(connection: Connection, keys: readonly string[]): Promise<void> {
    const seen = this.#sift(connection, keys);
    // An empty subscription is answered with an empty snapshot; one of which nothing may be seen with what was told already.
    if (seen.length > 0 || keys.length === 0) await this.#inner.subscribe(connection, seen);
  }

  async resume(connection: Connection, cursor: string, keys: readonly string[]): Promise<void> {
    await this.#inner.resume(connection, cursor, this.#sift(connection, keys));
  }

  unsubscribe(connection: Connection, keys: readonly string[]): void {
    const one = this.#guarded.get(connection.id);
    for (const key of keys) if (one?.asleep.delete(key) === true) this.#sleeps(-1);
    this.#inner.unsubscribe(connection, keys);
  }

  detach(connection: Connection): void {
    const one = this.#guarded.get(connection.id);
    if (one !== undefined) {
      this.#guarded.delete(connection.id);
      this.#due.delete(one);
      this.#sleeps(-one.asleep.size);
      const own = this.#byUser.get(connection.userKey);
      own?.delete(one);
      if (own?.size === 0) this.#byUser.delete(connection.userKey);
    }
    this.#inner.detach(connection);
  }

  interest(watcher: string): readonly string[] {
    return this.#inner.interest(watcher);
  }

  keep(watcher: string, change: ListChange): Promise<readonly string[]> {
    return this.#inner.keep(watcher, change);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clock.clearInterval(timer);
    await this.#inner.close();
    await this.#policy.close?.();
  }

  /** A kept list has changed: its user, those whom it names, and those whom it no longer does are reviewed. */
  listHasChanged(watcher: string, added: readonly string[], removed: readonly string[]): void {
    if (!this.#isReady) return;
    for (const key of [watcher, ...added, ...removed]) for (const one of this.#byUser.get(key) ?? []) this.#due.add(one);
    waiting.set(this.#due.size);
  }

  #mayWatch(connection: Connection, key: string): boolean {
    return maySee(this.#policy, askerOf(connection), key);
  }

  /** What may be seen of these; the rest sleeps, and is shown as never seen. Throws BAD_INPUT where too much would sleep. */
  #sift(connection: Connection, keys: readonly string[]): readonly string[] {
    const one = this.#guarded.get(connection.id);
    if (one === undefined) return [];
    const seen = this.#isReady ? keys.filter((key) => this.#mayWatch(connection, key)) : [];
    if (seen.length === keys.length) return seen;
    const may = new Set(seen);
    const unseen = keys.filter((key) => !may.has(key));
    const more = unseen.filter((key) => !one.asleep.has(key));
    if (one.asleep.size + more.length > ASLEEP_MAX)
      throw badInput(
        `user_ids: a connection watches up to ${ASLEEP_MAX} users, this would make ${one.asleep.size + more.length}`,
      );
    for (const key of more) one.asleep.add(key);
    this.#sleeps(more.length);
    if (this.#isReady) {
      this.#audit?.refused(connection, more);
      this.#hide(one, unseen);
    }
    return seen;
  }

  #sleeps(more: number): void {
    this.#asleep += more;
    asleepGauge.set(this.#asleep);
  }

  #hide({ connection }: Guarded, keys: readonly string[]): void {
    this.#inner.tell(
      connection,
      keys.map((key) => neverSeen(parseUserKey(key).user_id)),
    );
  }

  #all(): void {
    for (const one of this.#guarded.values()) this.#due.add(one);
  }

  #freshTokens(): void {
    for (const one of this.#guarded.values()) {
      if (one.principal === one.connection.principal) continue;
      one.principal = one.connection.principal;
      this.#due.add(one);
    }
  }

  #tick(): void {
    let left = REVIEWS_A_TICK_MAX;
    for (const one of this.#due) {
      if ((left -= 1) < 0) break;
      this.#due.delete(one);
      this.#review(one);
    }
    waiting.set(this.#due.size);
  }

  /** Asks for everything of this connection again. */
  #review(one: Guarded): void {
    if (!this.#isReady) return;
    if (this.#audit === undefined) this.#judge(one);
    else this.#audit.policy(() => this.#judge(one));
  }

  #judge(one: Guarded): void {
    const { connection } = one;
    const { userKey } = connection;
    const watches = this.#inner.watches(connection);
    const gone = watches.filter(({ key }) => !this.#mayWatch(connection, key));
    for (const { key, asked } of gone) {
      if (!asked) continue;
      this.#inner.unsubscribe(connection, [key]);
      one.asleep.add(key);
      this.#sleeps(1);
    }
    const kept = new Set(this.interest(userKey));
    const unkept = gone.filter(({ key }) => kept.has(key)).map(({ key }) => key);
    // For all connections of the user, since a list is theirs; those with another token get it back at once.
    if (unkept.length > 0) this.#inner.listChanged(userKey, [], unkept);
    ended.inc(gone.length);
    this.#hide(
      one,
      gone.map(({ key }) => key),
    );
    const watched = new Set(watches.map(({ key }) => key));
    const back = [...kept].filter((key) => key !== userKey && !watched.has(key) && this.#mayWatch(connection, key));
    if (unkept.length + back.length > 0) this.#inner.listChanged(userKey, [...unkept, ...back], []);
    this.#wake(one);
  }

  #wake(one: Guarded): void {
    const awake = [...one.asleep].filter((key) => this.#mayWatch(one.connection, key));
    if (awake.length === 0) return;
    for (const key of awake) one.asleep.delete(key);
    this.#sleeps(-awake.length);
    this.#inner.subscribe(one.connection, awake).catch((error: unknown) => {
      // As much is watched, or waits to be read, as may be: they sleep on.
      this.#logger.debug({ err: error }, 'What may be seen now cannot be watched yet.');
      if (this.#guarded.get(one.connection.id) !== one) return;
      for (const key of awake) one.asleep.add(key);
      this.#sleeps(awake.length);
    });
  }
}
