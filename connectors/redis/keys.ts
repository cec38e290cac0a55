/** Names and encodings in Redis (contract.md, "Tables and keys"); literal braces let a cluster spread the shards. */
import { partitionOf } from '../../base/murmur2.ts';
import type { Progress } from '../../ports/presence-cache.ts';
import type { PresenceBlob } from '../../schemas/presence.ts';

export const SHARDS = 64;

export const shardOf = (userKey: string): number => partitionOf(userKey, SHARDS);
export const stateKey = (shard: number): string => `presence:state:{${shard}}`;
export const lastSeenKey = (shard: number): string => `presence:last_seen:{${shard}}`;
/** A hash: partition → Progress. */
export const progressKey = 'presence:progress';

/** The blob as JSON, its guard first: scripts.ts reads it without parsing. */
export function encodeBlob(blob: PresenceBlob): string {
  const { epoch, offset, expires_at, ...rest } = blob;
  return JSON.stringify(expires_at === undefined ? { epoch, offset, ...rest } : { epoch, offset, expires_at, ...rest });
}

/** null for what is no blob (somebody else wrote there): the same as not cached. */
export function decodeBlob(json: string): PresenceBlob | null {
  try {
    const value = JSON.parse(json) as PresenceBlob | null;
    return typeof value?.epoch === 'number' && typeof value.public === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** As with blobs: the guard first. */
export function encodeProgress({ epoch, offset, ...rest }: Progress): string {
  return JSON.stringify({ epoch, offset, ...rest });
}

export const decodeProgress = (json: string): Progress => JSON.parse(json) as Progress;
