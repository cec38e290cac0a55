/**
 * The durable store in PostgreSQL or CockroachDB (ports/presence-store.ts; tables in sql/).
 *
 * Applying anything twice, late or from a process that should be dead changes nothing: users are guarded by (epoch,
 * offset in presence.state), their devices move with them, transitions are keyed by (epoch, version).
 */
import type pg from 'pg';
import type { Logger } from '../../base/logger.ts';
import { counter } from '../../base/metrics.ts';
import type { PresenceStore, Refused } from '../../ports/presence-store.ts';
import type { Diff } from '../../schemas/generated.ts';
import { Database } from './database.ts';
import { remedyFor } from './errors.ts';
import { readHistory } from './history.ts';
import { migrate } from './migrate.ts';
import { readUsers } from './reading.ts';
import { writeAllButRefused } from './refused.ts';
import { eraseUsers, writeProgress, writeUsers } from './states.ts';
import { history, historyOthers } from './tables.ts';

const cleaned = counter('presence_device_rows_expired_total', 'Device rows that clean-up removed.');

export interface PresenceStoreOptions {
  /** `postgres://user:password@host:port/database`, of PostgreSQL or CockroachDB. */
  readonly url: string;
  readonly logger: Logger;
}

/** Connects when first used. */
export function createPresenceStore(options: PresenceStoreOptions): PresenceStore {
  const database = new Database(options);
  return {
    migrate: () => migrate(database, options.logger),

    applyStates: async (rows, progress, erasures = []) => {
      const finish = async (client: pg.ClientBase) => {
        await eraseUsers(client, erasures);
        return await writeProgress(client, progress);
      };
      try {
        const gaps = await database.transaction('apply_states', async (client) => {
          await writeUsers(client, rows);
          return await finish(client);
        });
        return { refused: [], gaps };
      } catch (error) {
        if (remedyFor(error) !== 'refused') throw error;
      }
      const refused = await writeAllButRefused(rows, (some) =>
        database.transaction('apply_states', (client) => writeUsers(client, some)),
      );
      return { refused, gaps: await database.transaction('apply_states', finish) };
    },

    applyDiffs: async (diffs) => [
      ...(await insertDiffs(
        database,
        history.sql,
        history.values,
        diffs.filter(({ audience }) => audience !== 'others'),
      )),
      ...(await insertDiffs(
        database,
        historyOthers.sql,
        historyOthers.values,
        diffs.filter(({ audience }) => audience === 'others'),
      )),
    ],

    read: (keys) => database.run('read', 'read', (client) => readUsers(client, keys)),
    history: (query) => database.run('read', 'history', (client) => readHistory(client, query)),
    cleanUp: () => database.run('write', 'clean_up', cleanUp),
    ping: () => database.run('read', 'ping', async (client) => void (await client.query('SELECT 1'))),
    close: () => database.close(),
  };
}

function insertDiffs(
  database: Database,
  sql: string,
  values: (diffs: readonly Diff[]) => unknown[][],
  diffs: readonly Diff[],
): Promise<Refused<Diff>[]> {
  return writeAllButRefused(diffs, (some) =>
    database.run(
      'write',
      'apply_diffs',
      async (client) => void (await client.query(`${sql} ON CONFLICT DO NOTHING`, values(some))),
    ),
  );
}

/** By the partition's time, not this machine's: a store that is behind does not know yet who came back. */
const expired = `DELETE FROM presence WHERE NOT live AND (user_id, device_id, override) IN (
  SELECT device.user_id, device.device_id, device.override
  FROM presence AS device JOIN presence_progress AS progress ON progress.partition = device.partition
  WHERE device.expires_at < progress.stamp AND NOT device.live LIMIT 1000)`;

async function cleanUp(client: pg.ClientBase): Promise<number> {
  const { rowCount } = await client.query(expired);
  cleaned.inc(rowCount ?? 0);
  return rowCount ?? 0;
}
