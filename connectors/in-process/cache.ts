/**
 * The cache of present states in the process itself: the embedded default, and the reference that the Redis one
 * is measured against (test/contract/presence-cache.contract.ts).
 *
 * **Model.** One Map from a user's key to its entry, one from partition to progress. A sink's write replaces an
 * entry when it is newer by (epoch, offset), or as new and the entry was only filled. A fill replaces nothing but
 * an older entry or an expired fill. Entries are kept as given (frozen data by agreement, as in every port).
 *
 * **Limit.** It holds every user there is, as presence.state does; the metric is presence_cache_entries_count.
 */
import { gauge } from '../../base/metrics.ts';
import type { Gap, PresenceCache, Progress, ProgressWrite, StateErasure, StateWrite } from '../../ports/presence-cache.ts';
import type { PresenceBlob } from '../../schemas/presence.ts';
import { isNewer } from '../blob.ts';
import { progressMove } from '../progress.ts';

const entries = gauge('presence_cache_entries_count', 'Users held by the in-process cache.');

export interface InProcessCacheOptions {
  /** ms since 1970; for tests. */
  readonly now?: () => number;
}

export function createInProcessCache(options: InProcessCacheOptions = {}): PresenceCache {
  const now = options.now ?? Date.now;
  const blobs = new Map<string, PresenceBlob>();
  const progress = new Map<number, Progress>();

  const apply = (writes: readonly StateWrite[], moves: readonly ProgressWrite[], erasures: readonly StateErasure[]): Gap[] => {
    for (const { key, blob } of writes) {
      const held = blobs.get(key);
      const onlyFilled = held?.expires_at !== undefined && !isNewer(held, blob);
      if (held === undefined || isNewer(blob, held) || onlyFilled) blobs.set(key, blob);
    }
    for (const erasure of erasures) {
      const held = blobs.get(erasure.key);
      if (held !== undefined && !isNewer(held, erasure)) blobs.delete(erasure.key);
    }
    entries.set(blobs.size);
    return moves.flatMap((write) => {
      const move = progressMove(progress.get(write.partition), write);
      if (move.kind === 'move') progress.set(write.partition, move.to);
      return move.kind === 'gap' ? [move.gap] : [];
    });
  };

  const fill = (writes: readonly StateWrite[], ttl_ms: number): void => {
    for (const { key, blob } of writes) {
      const held = blobs.get(key);
      const expired = held?.expires_at !== undefined && held.expires_at <= now() && !isNewer(held, blob);
      if (held === undefined || isNewer(blob, held) || expired) blobs.set(key, { ...blob, expires_at: now() + ttl_ms });
    }
    entries.set(blobs.size);
  };

  const present = (key: string): PresenceBlob | null => {
    const held = blobs.get(key);
    return held === undefined || (held.expires_at !== undefined && held.expires_at <= now()) ? null : held;
  };

  return {
    apply: async (writes, moves, erasures = []) => apply(writes, moves, erasures),
    read: async (keys) => ({ blobs: keys.map(present), progress: new Map(progress) }),
    fill: async (writes, ttl_ms) => fill(writes, ttl_ms),
    ping: async () => {},
    close: async () => {},
  };
}
