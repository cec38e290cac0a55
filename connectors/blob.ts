/**
 * From a record of presence.state to what readers get: the user's own Presence as JSON, with what others see
 * of it under `public`. The cache keeps it as it is; the database keeps its parts as columns and builds the same.
 *
 * A record is as of a cut and says itself which devices count (`devices_live`, `streaming`), since that depends
 * on which gateways live, which is not in it. `fresh_at`, `stale` and a streaming user's `last_seen` are of the
 * moment of writing: readers work them out anew from the partition's progress.
 */
import type { Override, UserState } from '../schemas/generated.ts';
import type { OverrideView, Presence, PresenceBlob } from '../schemas/presence.ts';
import { parseUserKey } from '../schemas/user-key.ts';

/** Where a record stands in presence.state. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
  /** The partition's time as far as known when it was read; 0 where it is not known. */
  readonly stamp: number;
}

/** RFC 3339 with milliseconds; null for null and for 0, which stands for "never". Throws RangeError beyond the year 275,760. */
export const isoOrNull = (ms: number | null): string | null => (ms === null || ms === 0 ? null : new Date(ms).toISOString());

/** The blob of a user as of one record. */
export function blobOf(state: UserState, place: RecordPlace): PresenceBlob {
  const { user_id } = parseUserKey(state.user_id);
  const own = { ...state, user_id };
  const others = { ...state.public, user_id, epoch: state.epoch };
  return {
    ...view(own, place.stamp),
    public: view(others, place.stamp),
    override: overrideView(state.override),
    streaming: state.streaming,
    public_streaming: state.public.streaming,
    partition: place.partition,
    offset: place.offset,
  };
}

type View = Pick<
  UserState,
  'user_id' | 'state' | 'source' | 'since' | 'last_seen' | 'devices_live' | 'streaming' | 'epoch' | 'version'
>;

/** Picked field by field: nothing of the record comes along that others must not see. */
const view = (of: View, stamp: number): Presence => ({
  user_id: of.user_id,
  state: of.state,
  source: of.source,
  since: isoOrNull(of.since),
  last_seen: isoOrNull(of.streaming ? Math.max(of.last_seen ?? 0, stamp) : of.last_seen),
  fresh_at: isoOrNull(stamp),
  stale: false,
  epoch: of.epoch,
  version: of.version,
  devices: of.devices_live,
});

const overrideView = (override: Override | null): OverrideView | null =>
  override === null
    ? null
    : { override_id: override.override_id, state: override.state, until: isoOrNull(override.until), reason: override.reason };

/** Whether (epoch, offset) of `a` is above that of `b`: the guard of every write of a state. */
export const isNewer = (
  a: { readonly epoch: number; readonly offset: number },
  b: { readonly epoch: number; readonly offset: number },
): boolean => (a.epoch !== b.epoch ? a.epoch > b.epoch : a.offset > b.offset);
