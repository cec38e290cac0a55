/**
 * Bringing the schema up to date, by node-pg-migrate: files of sql/ in order, each once, remembered in a table.
 *
 * Several processes may start at once. PostgreSQL's advisory lock lets one migrate while the others try again; CockroachDB
 * has none, so there every statement may run twice, and a process that lost the race tries again and finds it done.
 */
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import type { Logger } from '../../base/logger.ts';
import { pause } from '../../runtime/waiting.ts';
import type { Database } from './database.ts';
import { remedyFor } from './errors.ts';

const folder = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** How long to wait for another process that migrates. */
const PATIENCE_MS = 60_000;

export async function migrate(database: Database, logger: Logger): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await database.run('write', 'migrate', (client) => migrateOn(client, logger));
    } catch (error) {
      if (!isRace(error) || performance.now() > end) throw error;
      await pause(100 + Math.random() * 200);
    }
  }
}

async function migrateOn(client: pg.ClientBase, logger: Logger): Promise<void> {
  const { rows } = await client.query<{ version: string }>('SELECT version()');
  const cockroach = rows[0]!.version.includes('CockroachDB');
  const run = async (dir: string, migrationsTable: string): Promise<void> => {
    const done = await runner({
      // The runner is given a connection of its own kind and leaves it open.
      dbClient: client as pg.Client,
      dir: folder(dir),
      direction: 'up',
      migrationsTable,
      noLock: cockroach,
      // CockroachDB does not take back changes of the schema with their transaction.
      singleTransaction: !cockroach,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    });
    for (const { name } of done) logger.info({ migration: name }, 'The schema was brought up to date.');
  };
  await run('sql', 'presence_migrations');
  if (cockroach) await run('sql-cockroach', 'presence_migrations_cockroach');
}

/** Somebody else migrates, or has just made what this one was about to make. */
function isRace(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return false;
  const code = (cause as { code?: unknown }).code;
  return /already running/.test(cause.message) || code === '42P07' || code === '23505' || remedyFor(cause) === 'again';
}
