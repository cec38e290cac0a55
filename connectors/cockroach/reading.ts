/** Rows of presence_users back into blobs. */
import type pg from 'pg';
import type { Progress } from '../../ports/presence-cache.ts';
import type { StoreRead } from '../../ports/presence-store.ts';
import type { Source, State } from '../../schemas/generated.ts';
import type { Presence, PresenceBlob } from '../../schemas/presence.ts';
import { parseUserKey } from '../../schemas/user-key.ts';

/** Progress first, then rows: a row is never older than the progress it is returned with. */
export async function readUsers(client: pg.ClientBase, keys: readonly string[]): Promise<StoreRead> {
  const known = await client.query<ProgressRow>(
    'SELECT partition, epoch, state_offset, stamp, input_offset FROM presence_progress',
  );
  const progress = new Map(known.rows.map((row) => [Number(row.partition), progressOf(row)]));
  if (keys.length === 0) return { blobs: [], progress };
  const found = await client.query<UserRow>('SELECT * FROM presence_users WHERE user_id = ANY($1::text[])', [keys]);
  const byKey = new Map(found.rows.map((row) => [row.user_id, blobOfRow(row, progress.get(Number(row.partition)))]));
  return { blobs: keys.map((key) => byKey.get(key) ?? null), progress };
}

/** int8 comes as text. */
type Int8 = string;

interface ProgressRow {
  readonly partition: Int8;
  readonly epoch: Int8;
  readonly state_offset: Int8;
  readonly stamp: Date;
  readonly input_offset: Int8;
}

const progressOf = (row: ProgressRow): Progress => ({
  partition: Number(row.partition),
  epoch: Number(row.epoch),
  offset: Number(row.state_offset),
  stamp: row.stamp.getTime(),
  input_offset: Number(row.input_offset),
});

interface ViewColumns {
  readonly version: Int8;
  readonly state: State;
  readonly source: Source;
  readonly since: Date | null;
  readonly last_seen: Date | null;
  readonly devices: Int8;
  readonly streaming: boolean;
}

type UserRow = ViewColumns & { readonly [K in keyof ViewColumns as `public_${K}`]: ViewColumns[K] } & {
  readonly user_id: string;
  readonly partition: Int8;
  readonly epoch: Int8;
  readonly state_offset: Int8;
  readonly override_id: string | null;
  readonly override_state: State | null;
  readonly override_until: Date | null;
  readonly override_reason: string | null;
};

/** What blobOf of connectors/blob.ts says of the same record, with the partition's time as of now. */
function blobOfRow(row: UserRow, progress: Progress | undefined): PresenceBlob {
  const { user_id } = parseUserKey(row.user_id);
  const stamp = progress === undefined ? null : new Date(progress.stamp);
  const view = (of: ViewColumns): Presence => ({
    user_id,
    state: of.state,
    source: of.source,
    since: of.since?.toISOString() ?? null,
    last_seen: lastSeen(of, stamp)?.toISOString() ?? null,
    fresh_at: stamp?.toISOString() ?? null,
    stale: false,
    epoch: Number(row.epoch),
    version: Number(of.version),
    devices: Number(of.devices),
  });
  return {
    ...view(row),
    public: view({
      version: row.public_version,
      state: row.public_state,
      source: row.public_source,
      since: row.public_since,
      last_seen: row.public_last_seen,
      devices: row.public_devices,
      streaming: row.public_streaming,
    }),
    override:
      row.override_id === null
        ? null
        : {
            override_id: row.override_id,
            state: row.override_state as State,
            until: row.override_until?.toISOString() ?? null,
            reason: row.override_reason,
          },
    streaming: row.streaming,
    public_streaming: row.public_streaming,
    partition: Number(row.partition),
    offset: Number(row.state_offset),
  };
}

function lastSeen(of: ViewColumns, stamp: Date | null): Date | null {
  if (!of.streaming || stamp === null) return of.last_seen;
  return of.last_seen === null || of.last_seen < stamp ? stamp : of.last_seen;
}
