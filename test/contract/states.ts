/** States, diffs and their writes for the suites of the cache, the store and the sinks. */
import { blobOf } from '../../connectors/blob.ts';
import type { ProgressWrite, StateWrite } from '../../ports/presence-cache.ts';
import type { StateRow } from '../../ports/presence-store.ts';
import type { Device, Diff, PartitionState, UserState } from '../../schemas/generated.ts';

/** A moment in whole milliseconds, so that what comes back can be compared. */
export const T0 = Date.UTC(2026, 0, 1, 12);
export const iso = (ms: number): string => new Date(ms).toISOString();

export const device = (device_id: string, over: Partial<Device> = {}): Device => ({
  device_id,
  session_id: `${device_id}-1`,
  seq: 3,
  state: 'online',
  source: 'inferred',
  last_seen: T0,
  connection_id: null,
  gateway_id: null,
  hold_ordinal: 0,
  ttl_lease: null,
  grace_lease: null,
  forget_lease: null,
  silence_lease: null,
  spoke_at: 0,
  trace: null,
  replaced: [],
  ...over,
});

export function userState(user_id: string, over: Partial<UserState> = {}): UserState {
  const state: UserState = {
    user_id,
    epoch: 1,
    version: 1,
    state: 'online',
    source: 'inferred',
    since: T0,
    last_seen: T0,
    devices_live: 1,
    streaming: false,
    override: null,
    devices: [device('web')],
    public: {
      version: 1,
      state: 'online',
      source: 'inferred',
      since: T0,
      last_seen: T0,
      devices_live: 1,
      streaming: false,
      ghosts: null,
    },
    log: 0,
    offset: 0,
    ...over,
  };
  return state;
}

export const row = (state: UserState, offset: number, partition = 0): StateRow => ({ state, partition, offset });

export const write = (state: UserState, offset: number, partition = 0): StateWrite => ({
  key: state.user_id,
  blob: blobOf(state, { partition, offset, stamp: T0 }),
  last_seen_ms: state.last_seen ?? 0,
});

export const progress = (from: number, offset: number, over: Partial<ProgressWrite> = {}): ProgressWrite => ({
  partition: 0,
  epoch: 1,
  from,
  offset,
  stamp: T0 + offset,
  input_offset: offset * 10,
  ...over,
});

export const diff = (user_id: string, version: number, over: Partial<Diff> = {}): Diff => ({
  user_id,
  audience: 'all',
  from: version % 2 === 1 ? 'offline' : 'online',
  to: version % 2 === 1 ? 'online' : 'offline',
  at: T0 + version * 1_000,
  epoch: 1,
  version,
  public_version: version,
  cause: version % 2 === 1 ? 'signal' : 'goodbye',
  source: 'inferred',
  device_id: 'web',
  trace_id: null,
  received_at: 0,
  log: 0,
  offset: version,
  ...over,
});

export const partitionState = (over: Partial<PartitionState> = {}): PartitionState => ({
  partition: 0,
  topology: 'presence@1',
  epoch: 1,
  log: 0,
  offset: 0,
  stamp: T0,
  lease: 0,
  settle: 0,
  tail_offset: 0,
  tail_stamp: 0,
  tail_lease: 0,
  tail_settle: 0,
  gateways: [],
  missing: 0,
  repeated: 0,
  ...over,
});
