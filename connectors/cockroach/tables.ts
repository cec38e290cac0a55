/** The tables of sql/, column by column, from the records that fill them. */

import type { Progress } from '../../ports/presence-cache.ts';
import type { StateRow } from '../../ports/presence-store.ts';
import type { Device, Diff, Source } from '../../schemas/generated.ts';
import { type Column, insertInto } from './columns.ts';

/** contract.md, "Tables and keys". */
export const precedence: Readonly<Record<Source, number>> = { manual: 3, app: 2, inferred: 1 };

/** A device that counts no more is forgotten after 10 minutes; a row left behind by any accident is cleaned up after this. */
export const DEVICE_ROW_TTL_MS = 60 * 60_000;

const orNull = (ms: number): number | null => (ms === 0 ? null : ms);

const userColumns: readonly Column<StateRow>[] = [
  { name: 'user_id', type: 'text', of: ({ state }) => state.user_id },
  { name: 'partition', type: 'int8', of: ({ partition }) => partition },
  { name: 'epoch', type: 'int8', of: ({ state }) => state.epoch },
  { name: 'state_offset', type: 'int8', of: ({ offset }) => offset },
  { name: 'version', type: 'int8', of: ({ state }) => state.version },
  { name: 'state', type: 'text', of: ({ state }) => state.state },
  { name: 'source', type: 'text', of: ({ state }) => state.source },
  { name: 'since', type: 'timestamptz', of: ({ state }) => orNull(state.since) },
  { name: 'last_seen', type: 'timestamptz', of: ({ state }) => state.last_seen },
  { name: 'devices', type: 'int8', of: ({ state }) => state.devices_live },
  { name: 'streaming', type: 'bool', of: ({ state }) => state.streaming },
  { name: 'public_version', type: 'int8', of: ({ state }) => state.public.version },
  { name: 'public_state', type: 'text', of: ({ state }) => state.public.state },
  { name: 'public_source', type: 'text', of: ({ state }) => state.public.source },
  { name: 'public_since', type: 'timestamptz', of: ({ state }) => orNull(state.public.since) },
  { name: 'public_last_seen', type: 'timestamptz', of: ({ state }) => state.public.last_seen },
  { name: 'public_devices', type: 'int8', of: ({ state }) => state.public.devices_live },
  { name: 'public_streaming', type: 'bool', of: ({ state }) => state.public.streaming },
  { name: 'override_id', type: 'text', of: ({ state }) => state.override?.override_id ?? null },
  { name: 'override_state', type: 'text', of: ({ state }) => state.override?.state ?? null },
  { name: 'override_until', type: 'timestamptz', of: ({ state }) => state.override?.until ?? null },
  { name: 'override_reason', type: 'text', of: ({ state }) => state.override?.reason ?? null },
];
export const users = insertInto('presence_users', userColumns);

/** A row of `presence`. */
export interface DeviceRow {
  readonly user: StateRow;
  readonly device_id: string;
  readonly override: boolean;
  readonly state: string;
  readonly last_seen: number;
  readonly session_id: string;
  readonly precedence: number;
  readonly live: boolean;
}

/** The device rows of a user; the override is the row `manual`, whose session is the override's id. */
export function deviceRows(user: StateRow): DeviceRow[] {
  const rows = user.state.devices.map((device) => deviceRow(user, device));
  const { override } = user.state;
  if (override !== null) {
    const { state, set_at, override_id } = override;
    rows.push({
      user,
      device_id: 'manual',
      override: true,
      state,
      last_seen: set_at,
      session_id: override_id,
      precedence: precedence.manual,
      live: true,
    });
  }
  return rows;
}

function deviceRow(user: StateRow, device: Device): DeviceRow {
  const live = device.forget_lease === null;
  const { device_id, session_id, last_seen, source } = device;
  return {
    user,
    device_id,
    override: false,
    state: live ? device.state : 'offline',
    last_seen,
    session_id,
    precedence: precedence[source],
    live,
  };
}

const deviceColumns: readonly Column<DeviceRow>[] = [
  { name: 'user_id', type: 'text', of: ({ user }) => user.state.user_id },
  { name: 'device_id', type: 'text', of: (row) => row.device_id },
  { name: 'override', type: 'bool', of: (row) => row.override },
  { name: 'state', type: 'text', of: (row) => row.state },
  { name: 'last_seen', type: 'timestamptz', of: (row) => row.last_seen },
  { name: 'session_id', type: 'text', of: (row) => row.session_id },
  { name: 'precedence', type: 'int8', of: (row) => row.precedence },
  { name: 'live', type: 'bool', of: (row) => row.live },
  { name: 'expires_at', type: 'timestamptz', of: (row) => (row.live ? null : row.last_seen + DEVICE_ROW_TTL_MS) },
  { name: 'partition', type: 'int8', of: ({ user }) => user.partition },
  { name: 'epoch', type: 'int8', of: ({ user }) => user.state.epoch },
  { name: 'state_offset', type: 'int8', of: ({ user }) => user.offset },
];
export const devices = insertInto('presence', deviceColumns);

const diffColumns: readonly Column<Diff>[] = [
  { name: 'user_id', type: 'text', of: (diff) => diff.user_id },
  { name: 'epoch', type: 'int8', of: (diff) => diff.epoch },
  { name: 'version', type: 'int8', of: (diff) => diff.version },
  { name: 'public_version', type: 'int8', of: (diff) => diff.public_version },
  { name: 'from_state', type: 'text', of: (diff) => diff.from },
  { name: 'to_state', type: 'text', of: (diff) => diff.to },
  { name: 'at', type: 'timestamptz', of: (diff) => diff.at },
  { name: 'cause', type: 'text', of: (diff) => diff.cause },
  { name: 'source', type: 'text', of: (diff) => diff.source },
  { name: 'device_id', type: 'text', of: (diff) => diff.device_id },
  { name: 'trace_id', type: 'text', of: (diff) => diff.trace_id },
  { name: 'log', type: 'int8', of: (diff) => diff.log },
  { name: 'input_offset', type: 'int8', of: (diff) => diff.offset },
];
export const history = insertInto('presence_history', [
  ...diffColumns,
  { name: 'audience', type: 'text', of: (diff: Diff) => diff.audience },
]);
export const historyOthers = insertInto('presence_history_others', diffColumns);

const progressColumns: readonly Column<Progress>[] = [
  { name: 'partition', type: 'int8', of: (progress) => progress.partition },
  { name: 'epoch', type: 'int8', of: (progress) => progress.epoch },
  { name: 'state_offset', type: 'int8', of: (progress) => progress.offset },
  { name: 'stamp', type: 'timestamptz', of: (progress) => progress.stamp },
  { name: 'input_offset', type: 'int8', of: (progress) => progress.input_offset },
];
export const progress = insertInto('presence_progress', progressColumns);
