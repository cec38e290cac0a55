/**
 * What this client knows of each user: snapshots, and diffs on top. Pure: no clock, no socket.
 *
 * **Model.** A user is *held* once a snapshot told of them. A diff moves a held user on if it is newer by (epoch, version);
 * what is not newer than what is held changes nothing, so the picture never goes back, whatever comes twice or late. A
 * diff's `from` is what the connection was last sent: if it is not what is held, something was missed (a *gap*). The
 * diff is taken all the same, since it is the newest that is known, and the user is named in `gaps`, to be asked for anew.
 *
 * A diff of a user not held yet is kept, and played after the snapshot (of each user the newest EARLY_MAX); the caller says
 * of which users that makes sense, since it alone knows whom it asked for.
 *
 * Maps, no objects: `__proto__` is a user like any other.
 */
import type { DiffView, Presence } from './protocol.ts';

/** Diffs of one user kept until their snapshot comes; beyond it the oldest go, and the newest state still arrives. */
const EARLY_MAX = 16;

/** What became of one user. */
export interface Change {
  readonly presence: Presence;
  /** What was known before; undefined for a user not known before. */
  readonly previous: Presence | undefined;
  /** The diff that says why and when; undefined where a snapshot told of it. */
  readonly diff: DiffView | undefined;
}

interface Versioned {
  readonly epoch: number;
  readonly version: number;
}

/** Whether `a` is newer than `b` by (epoch, version). */
const newer = (a: Versioned, b: Versioned): boolean => a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);

export class Picture {
  readonly presences = new Map<string, Presence>();
  readonly #early = new Map<string, DiffView[]>();

  /** Takes a snapshot, then what came before it. `gaps` gets whom to ask for anew. */
  snapshot(presences: readonly Presence[], gaps: string[]): Change[] {
    const changes: Change[] = [];
    for (const presence of presences) {
      const { user_id } = presence;
      const previous = this.presences.get(user_id);
      // As old as what is held: it says more than diffs do (devices, last_seen, stale).
      if (previous === undefined || !newer(previous, presence)) {
        this.presences.set(user_id, presence);
        changes.push({ presence, previous, diff: undefined });
      }
      const early = this.#early.get(user_id);
      this.#early.delete(user_id);
      if (early !== undefined) changes.push(...this.diffs(early, gaps));
    }
    return changes;
  }

  /** Takes diffs in order. `keepEarly`: whether a snapshot of a user not held is on its way. */
  diffs(diffs: readonly DiffView[], gaps: string[], keepEarly?: (userId: string) => boolean): Change[] {
    const changes: Change[] = [];
    for (const diff of diffs) {
      const { user_id } = diff;
      const previous = this.presences.get(user_id);
      if (previous === undefined) {
        if (keepEarly?.(user_id)) this.#keep(diff);
        else gaps.push(user_id);
        continue;
      }
      if (!newer(diff, previous)) continue;
      if (diff.from !== previous.state) gaps.push(user_id);
      const presence = moved(previous, diff);
      this.presences.set(user_id, presence);
      changes.push({ presence, previous, diff });
    }
    return changes;
  }

  forget(userId: string): void {
    this.presences.delete(userId);
    this.#early.delete(userId);
  }

  clear(): void {
    this.presences.clear();
    this.#early.clear();
  }

  #keep(diff: DiffView): void {
    const early = this.#early.get(diff.user_id) ?? [];
    early.push(diff);
    if (early.length > EARLY_MAX) early.shift();
    this.#early.set(diff.user_id, early);
  }
}

/** What a diff does not say (devices, last_seen) is worked out as the gateway does where it lays diffs over a snapshot. */
function moved(presence: Presence, { to: state, source, at, epoch, version }: DiffView): Presence {
  const { devices, last_seen } = presence;
  const off = state === 'offline';
  return {
    ...presence,
    state,
    source,
    since: at,
    last_seen: off ? at : last_seen,
    fresh_at: at,
    stale: false,
    epoch,
    version,
    devices: off ? 0 : source === 'manual' ? devices : Math.max(1, devices),
  };
}
