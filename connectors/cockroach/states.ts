/**
 * Writing users: rows newer by (epoch, state offset) replace what is there, the device rows of exactly those users
 * move with them, and the progress of their partitions is in the same transaction.
 *
 * Separate statements in one transaction, since CockroachDB refuses several changes of one table in one statement.
 * Rows are locked in order of their keys (users, then progress), so that two writers seldom meet in a deadlock; when they
 * do, one of them is told 40P01 or 40001 and does it again.
 */
import type pg from 'pg';
import type { Gap, Progress, ProgressWrite, StateErasure } from '../../ports/presence-cache.ts';
import type { StateRow } from '../../ports/presence-store.ts';
import { progressMove } from '../progress.ts';
import { type DeviceRow, deviceRows, devices, progress, users } from './tables.ts';

const upsertUsers = `${users.sql}
  ON CONFLICT (user_id) DO UPDATE SET ${users.assignments('user_id')}
  WHERE (presence_users.epoch, presence_users.state_offset) < (excluded.epoch, excluded.state_offset)
  RETURNING user_id`;

const deleteForgotten = `DELETE FROM presence WHERE user_id = ANY($1::text[]) AND NOT EXISTS (
  SELECT 1 FROM unnest($2::text[], $3::text[], $4::bool[]) AS kept (user_id, device_id, override)
  WHERE kept.user_id = presence.user_id AND kept.device_id = presence.device_id AND kept.override = presence.override)`;

const upsertDevices = `${devices.sql}
  ON CONFLICT (user_id, device_id, override) DO UPDATE SET ${devices.assignments('user_id', 'device_id', 'override')}`;

const deleteUsers = `DELETE FROM presence_users WHERE user_id = $1 AND (epoch, state_offset) <= ($2, $3)`;

const lockProgress = `SELECT partition, epoch, state_offset FROM presence_progress
  WHERE partition = ANY($1::int8[]) ORDER BY partition FOR UPDATE`;

const upsertProgress = `${progress.sql}
  ON CONFLICT (partition) DO UPDATE SET ${progress.assignments('partition')}
  WHERE (presence_progress.epoch, presence_progress.state_offset) < (excluded.epoch, excluded.state_offset)`;

const byKey = (a: StateRow, b: StateRow): number => (a.state.user_id < b.state.user_id ? -1 : 1);

/** Within a transaction. */
export async function writeUsers(client: pg.ClientBase, rows: readonly StateRow[]): Promise<void> {
  if (rows.length === 0) return;
  const sorted = [...rows].sort(byKey);
  const { rows: moved } = await client.query<{ user_id: string }>(upsertUsers, users.values(sorted));
  if (moved.length === 0) return;
  const ids = new Set(moved.map(({ user_id }) => user_id));
  const kept: DeviceRow[] = sorted.filter(({ state }) => ids.has(state.user_id)).flatMap(deviceRows);
  await client.query(deleteForgotten, [
    [...ids],
    kept.map(({ user }) => user.state.user_id),
    kept.map(({ device_id }) => device_id),
    kept.map(({ override }) => override),
  ]);
  if (kept.length > 0) await client.query(upsertDevices, devices.values(kept));
}

/** Within a transaction. Tombstones are rare: one by one. */
export async function eraseUsers(client: pg.ClientBase, erasures: readonly StateErasure[]): Promise<void> {
  for (const { key, epoch, offset } of erasures) {
    const { rowCount } = await client.query(deleteUsers, [key, epoch, offset]);
    if ((rowCount ?? 0) > 0) await client.query('DELETE FROM presence WHERE user_id = $1', [key]);
  }
}

/** Within a transaction, after everything that the progress speaks of. */
export async function writeProgress(client: pg.ClientBase, writes: readonly ProgressWrite[]): Promise<Gap[]> {
  if (writes.length === 0) return [];
  const found = await client.query<{ partition: string; epoch: string; state_offset: string }>(lockProgress, [
    writes.map(({ partition }) => partition),
  ]);
  const known = new Map(
    found.rows.map((row) => [
      Number(row.partition),
      { partition: Number(row.partition), epoch: Number(row.epoch), offset: Number(row.state_offset), stamp: 0, input_offset: 0 },
    ]),
  );
  const gaps: Gap[] = [];
  const moves: Progress[] = [];
  for (const write of writes) {
    const move = progressMove(known.get(write.partition), write);
    if (move.kind === 'gap') gaps.push(move.gap);
    if (move.kind === 'move') moves.push(move.to);
  }
  if (moves.length > 0) await client.query(upsertProgress, progress.values(moves));
  return gaps;
}
