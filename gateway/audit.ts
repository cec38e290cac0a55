/**
 * The audit: a record in presence.audit of who watched, or looked at, whom (schemas/audit.avsc).
 *
 * **Model.** The fan-out says of each watch when it begins and ends, the policy whom it refused, answers what they told of whom.
 * What one connection begins or ends by the next tick is gathered into one record, in order; so is one answer. Oneself is nobody
 * watched. A read is written at once; the same read again by the same asker (audit-repeats.ts) is counted for a minute
 * and then written once, with how often. A connection that ends is one record without names: it ends all its watches.
 *
 * Nobody waits for it, and nothing that a client is told or when depends on it: what is said here is noted and no more. Encoding
 * and sending are the queue's (audit-queue.ts), which says what becomes of records that the log does not take.
 *
 * **Limits.** USERS_A_RECORD_MAX, several records beyond; GATHERED_USERS_MAX names wait for a tick, then it comes early.
 */
import { clock, type Timer } from '../base/clock.ts';
import { userKey } from '../schemas/user-key.ts';
import type { AuditDraft, AuditQueue } from './audit-queue.ts';
import { Repeats } from './audit-repeats.ts';
import type { Principal } from './auth.ts';
import type { Connection } from './parts.ts';

/** Users named by one record; a longer list is several. */
export const USERS_A_RECORD_MAX = 500;
/** Names of one tick that are held before they become records. */
export const GATHERED_USERS_MAX = 100_000;
const TICK_MS = 100;

type Why = 'self' | 'kept' | 'asked';

/** Told of each watch as it begins and ends (watchers.ts). */
export interface WatchListener {
  began(connection: Connection, key: string, why: Why): void;
  ended(connection: Connection, key: string, why: Why): void;
  /** The connection is gone, and with it what it still watched. */
  closed(connection: Connection): void;
}

export interface Audit extends WatchListener {
  /** A connection asked for these, and may not see them. */
  refused(connection: Connection, keys: readonly string[]): void;
  /** Whatever begins and ends during `run` does so because what may be seen has changed. */
  policy(run: () => void): void;
  /** An answer that told of these users of the asker's tenant, or (not allowed) told nothing of them. */
  looked(action: 'read' | 'history' | 'override', by: Principal, userIds: readonly string[], allowed: boolean): void;
  /** Writes what waits, for at most `within_ms`. */
  close(within_ms: number): Promise<void>;
}

/** What one connection began, or ended, for one reason, one after the other. */
type Run = Pick<AuditDraft, 'action' | 'cause' | 'allowed'> & { readonly users: string[] };

export class AuditTrail implements Audit {
  readonly #queue: AuditQueue;
  readonly #repeats: Repeats;
  readonly #timer: Timer;
  readonly #gathered = new Map<Connection, Run[]>();
  #names = 0;
  #because: 'policy' | null = null;

  constructor(queue: AuditQueue) {
    this.#queue = queue;
    this.#repeats = new Repeats((draft) => this.#put(draft));
    this.#timer = clock.setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  began(connection: Connection, key: string, why: Why): void {
    if (key !== connection.userKey) this.#note(connection, 'watch_began', this.#causeOf(why), true, key);
  }

  ended(connection: Connection, key: string, why: Why): void {
    if (key !== connection.userKey) this.#note(connection, 'watch_ended', this.#causeOf(why), true, key);
  }

  closed(connection: Connection): void {
    this.#note(connection, 'watch_ended', 'closed', true, null);
  }

  refused(connection: Connection, keys: readonly string[]): void {
    for (const key of keys) this.#note(connection, 'watch_began', this.#because ?? 'asked', false, key);
  }

  policy(run: () => void): void {
    this.#because = 'policy';
    try {
      run();
    } finally {
      this.#because = null;
    }
  }

  looked(action: 'read' | 'history' | 'override', by: Principal, userIds: readonly string[], allowed: boolean): void {
    const users = [...new Set(userIds)].filter((id) => id !== by.userId).map((id) => userKey(by.tenant, id));
    if (users.length === 0) return;
    const at = clock.now();
    const admin = by.scopes.has('presence:admin');
    const watcher = by.userKey;
    const look: AuditDraft = {
      ...{ watcher, at, until: at, action, cause: 'asked', allowed, admin, connection_id: null, users, times: 1 },
    };
    if (this.#repeats.isNew(look)) this.#put(look);
  }

  async close(within_ms: number): Promise<void> {
    clock.clearInterval(this.#timer);
    this.#repeats.close();
    this.#flush();
    await this.#queue.close(within_ms);
  }

  #causeOf(why: Why): Run['cause'] {
    return this.#because ?? (why === 'kept' ? 'kept' : 'asked');
  }

  /** Called for each watch: it makes nothing but a run where the last one is of another kind. */
  #note(connection: Connection, action: Run['action'], cause: Run['cause'], allowed: boolean, key: string | null): void {
    let runs = this.#gathered.get(connection);
    if (runs === undefined) {
      runs = [];
      this.#gathered.set(connection, runs);
    }
    let run = runs[runs.length - 1];
    if (run === undefined || run.action !== action || run.cause !== cause || run.allowed !== allowed) {
      run = { action, cause, allowed, users: [] };
      runs.push(run);
      this.#names += 1;
    }
    if (key !== null) run.users.push(key);
    this.#names += 1;
    if (this.#names >= GATHERED_USERS_MAX) this.#flush();
  }

  #tick(): void {
    this.#repeats.tick(clock.now());
    this.#flush();
  }

  #flush(): void {
    if (this.#names === 0) return;
    const at = clock.now();
    for (const [connection, runs] of this.#gathered) {
      const { id: connection_id, userKey: watcher, principal } = connection;
      const admin = principal?.scopes.has('presence:admin') ?? false;
      for (const run of runs) this.#put({ watcher, at, until: at, admin, connection_id, times: 1, ...run });
    }
    this.#gathered.clear();
    this.#names = 0;
  }

  #put(draft: AuditDraft): void {
    const { users } = draft;
    if (users.length <= USERS_A_RECORD_MAX) return void this.#queue.put(draft);
    for (let from = 0; from < users.length; from += USERS_A_RECORD_MAX)
      this.#queue.put({ ...draft, users: users.slice(from, from + USERS_A_RECORD_MAX) });
  }
}
