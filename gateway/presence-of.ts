/**
 * From what is stored of a user to what this viewer sees of them, as of now: the user (and an admin of the tenant) the truth,
 * everybody else the public view. The only place where an answer or a snapshot is made of a record.
 */
import type { Progress } from '../ports/presence-cache.ts';
import type { Presence, PresenceBlob } from '../schemas/presence.ts';
import { parseUserKey } from '../schemas/user-key.ts';
import type { Viewer } from './parts.ts';

/** contract.md: `stale` is true when fresh_at is longer ago than this while the user should be live. */
export const STALE_MS = 5_000;

/** What cache or database have of a user. */
export interface Found {
  readonly blob: PresenceBlob | null;
  readonly progress: Progress | undefined;
}

const msOf = (time: string | null): number => (time === null ? 0 : Date.parse(time));

/** Up to when a state is confirmed, ms; 0 for never. */
function confirmedAt(blob: PresenceBlob | null, progress: Progress | undefined): number {
  const stamp = progress?.stamp ?? 0;
  if (blob === null) return stamp;
  return blob.expires_at === undefined ? Math.max(stamp, msOf(blob.fresh_at)) : msOf(blob.fresh_at);
}

const timeOf = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());

/** With its own fresh_at, for filling. */
export const freshened = (blob: PresenceBlob, progress: Progress | undefined): PresenceBlob => ({
  ...blob,
  fresh_at: timeOf(confirmedAt(blob, progress)),
});

/**
 * The epoch that others are shown: the partition's. A record bears the epoch of the cut that wrote it, and one of an
 * invisible user is written when they do something: their own epoch would tell of it.
 */
const epochForOthers = (seen: Presence, progress: Progress | undefined): number => Math.max(seen.epoch, progress?.epoch ?? 0);

/**
 * Up to when what others see is confirmed: as far as the sinks have come, whenever the record was written last (which is when an
 * invisible user did something), though never before what it says began.
 */
function confirmedForOthers(blob: PresenceBlob, progress: Progress | undefined): number {
  if (blob.expires_at !== undefined || progress === undefined) return confirmedAt(blob, progress);
  return Math.max(progress.stamp, msOf(blob.public.since));
}

/** A user of whom nothing is known, or nothing may be. */
export const neverSeen = (user_id: string, fresh_at: string | null = null): Presence => ({
  user_id,
  state: 'offline',
  source: 'inferred',
  since: null,
  last_seen: null,
  fresh_at,
  stale: false,
  epoch: 0,
  version: 0,
  devices: 0,
});

/** What this viewer sees, as of now. */
export function presenceOf(key: string, { blob, progress }: Found, viewer: Viewer, now: number): Presence {
  const own = viewer.admin || viewer.userKey === key;
  const { user_id } = parseUserKey(key);
  if (blob === null) return neverSeen(user_id, timeOf(confirmedAt(null, progress)));
  const seen: Presence = own ? blob : blob.public;
  const streaming = own ? blob.streaming : blob.public_streaming;
  const confirmed = own ? confirmedAt(blob, progress) : confirmedForOthers(blob, progress);
  // The sinks may have written a record and not yet said how far they are: a beat that it has confirms the state as well.
  const fresh = streaming ? Math.max(confirmed, msOf(seen.last_seen)) : confirmed;
  const fresh_at = timeOf(fresh);
  return {
    user_id,
    state: seen.state,
    source: seen.source,
    since: seen.since,
    last_seen: streaming ? fresh_at : seen.last_seen,
    fresh_at,
    stale: seen.state !== 'offline' && now - fresh > STALE_MS,
    // Who was never seen has none: another would say that there is something which this viewer may not see.
    epoch: seen.version === 0 ? 0 : own ? seen.epoch : epochForOthers(seen, progress),
    version: seen.version,
    devices: seen.devices,
  };
}
