/**
 * Connections to PostgreSQL or CockroachDB, and the one way to use them: a piece of work that may be repeated.
 *
 * **Model.** Two pools, so that a sink that writes as fast as it can never holds up a reader. Work is tried a few times
 * with growing pauses while its error says `again` (errors.ts); what is left is STORE_UNAVAILABLE. A connection on which
 * anything failed is thrown away: after a time-out an answer may still be under way on it.
 *
 * **Limits.** 4 connections for writing, 4 for reading; more callers wait for one, a reader 2 s, a writer 10 s, then
 * STORE_UNAVAILABLE, which is said at once where 1,000 readers or 10,000 writers wait. A statement has as long. Waiting callers:
 * presence_database_waiting_count.
 */
import pg from 'pg';
import { PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { counter, gauge, histogram } from '../../base/metrics.ts';
import { Backoff } from '../../runtime/waiting.ts';
import { remedyFor } from './errors.ts';

const seconds = histogram('presence_database_seconds', 'Calls of the database, repeats included, by what they do.', ['op']);
const retries = counter('presence_database_retries_total', 'Repeats after a lost race or connection.', ['op', 'code']);
const waiting = gauge('presence_database_waiting_count', 'Callers waiting for a connection.', ['pool']);

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`, of PostgreSQL or CockroachDB. */
  readonly url: string;
  readonly logger: Logger;
}

export type Use = 'read' | 'write';

const limits = {
  read: { connections: 4, waiting: 1_000, timeout_ms: 2_000, attempts: 2 },
  write: { connections: 4, waiting: 10_000, timeout_ms: 10_000, attempts: 6 },
} as const;

/**
 * A transaction that lost a race (SQLSTATE class 40) is tried this often: the database is well, and each time somebody
 * else came through, so it ends; giving up would only have the caller begin again with the same rows.
 */
const RACES_MAX = 30;

const lostRace = (error: unknown): boolean => String((error as { code?: unknown }).code ?? '').startsWith('40');

export class Database {
  readonly where: string;
  private readonly pools: Readonly<Record<Use, pg.Pool>>;

  constructor(options: DatabaseOptions) {
    this.where = options.url.replace(/\/\/[^@/]*@/, '//');
    const pool = (use: Use): pg.Pool => {
      const { connections, timeout_ms } = limits[use];
      const made = new pg.Pool({
        connectionString: options.url,
        max: connections,
        connectionTimeoutMillis: timeout_ms,
        query_timeout: timeout_ms,
        idleTimeoutMillis: 30_000,
        application_name: `presence-${use}`,
        keepAlive: true,
      });
      made.on('error', (error) =>
        options.logger.debug({ database: this.where, error: error.message }, 'An idle connection was lost.'),
      );
      return made;
    };
    this.pools = { read: pool('read'), write: pool('write') };
  }

  /**
   * Runs `work` on one connection; again after a lost race or connection. A write that is refused (errors.ts)
   * throws the database's own error, a read BAD_INPUT.
   */
  async run<T>(use: Use, op: string, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    const done = seconds.startTimer({ op });
    const backoff = new Backoff({ first_ms: 20, max_ms: 500 });
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await this.once(use, work);
        } catch (error) {
          const remedy = remedyFor(error);
          if (error instanceof PresenceError) throw error;
          if (remedy === 'refused') throw use === 'read' ? this.badInput(error) : error;
          if (remedy === 'later' || attempt >= (lostRace(error) ? RACES_MAX : limits[use].attempts))
            throw this.unavailable(error);
          retries.inc({ op, code: String((error as { code?: unknown }).code ?? 'connection') });
          await backoff.pause();
        }
      }
    } finally {
      done();
    }
  }

  /** The same in a transaction. */
  transaction<T>(op: string, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.run('write', op, async (client) => {
      await client.query('BEGIN');
      try {
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {}); // the connection is thrown away in any case
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.pools.read.end(), this.pools.write.end()]);
  }

  unavailable(cause: unknown): PresenceError {
    const message =
      cause instanceof Error && cause.message !== '' ? cause.message : String((cause as { code?: unknown })?.code ?? cause);
    return new PresenceError('STORE_UNAVAILABLE', `The database cannot be used now: ${message}`, {
      at: this.where,
      retriable: true,
      cause,
    });
  }

  private badInput(cause: unknown): PresenceError {
    return new PresenceError('BAD_INPUT', `The database cannot look for this: ${(cause as Error).message}`, {
      at: this.where,
      retriable: false,
      cause,
    });
  }

  private async once<T>(use: Use, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    const pool = this.pools[use];
    waiting.set({ pool: use }, pool.waitingCount);
    if (pool.waitingCount >= limits[use].waiting) throw this.unavailable(`${pool.waitingCount} callers wait for a connection.`);
    const client = await pool.connect();
    // Without a listener an error between two queries would end the process; the next query says the same.
    const ignore = (): void => {};
    client.on('error', ignore);
    let failed = true;
    try {
      const result = await work(client);
      failed = false;
      return result;
    } finally {
      client.off('error', ignore);
      client.release(failed);
    }
  }
}
