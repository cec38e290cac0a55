/**
 * Reads that come again: a page that asks for the same friends every second is two records a minute, not sixty.
 *
 * **Model.** The first read of a kind (asker, action, answer, users in their order) is new: its record is written at once, so
 * that no crash hides it. Those of the same kind within REPEATS_MS of it are counted; when that time is over one record says how
 * often and from when to when; the next one is new again.
 *
 * **At the limit** (`REPEATS_USERS_MAX`, users named by the reads remembered) the oldest is over early.
 */
import { createHash } from 'node:crypto';
import { gauge } from '../base/metrics.ts';
import type { AuditDraft } from './audit-queue.ts';

const REPEATS_MS = 60_000;
/** Users named by reads that are remembered; each read is one more. */
export const REPEATS_USERS_MAX = 500_000;

const remembered = gauge(
  'presence_audit_remembered_users',
  'Users named by reads of the last minute, which are counted if repeated.',
);

interface Read {
  readonly draft: AuditDraft;
  readonly key: string;
  times: number;
  first: number;
  last: number;
}

export class Repeats {
  readonly #write: (draft: AuditDraft) => void;
  readonly #usersMax: number;
  /** The oldest first. */
  readonly #reads = new Map<string, Read>();
  #users = 0;

  /** `write`: what was counted. `usersMax`: for tests. */
  constructor(write: (draft: AuditDraft) => void, usersMax = REPEATS_USERS_MAX) {
    this.#write = write;
    this.#usersMax = usersMax;
  }

  /** Whether it is to be written now; else it has been counted. */
  isNew(draft: AuditDraft): boolean {
    this.tick(draft.at);
    const key = keyOf(draft);
    const known = this.#reads.get(key);
    if (known !== undefined) {
      if (known.times === 0) known.first = draft.at;
      known.times += 1;
      known.last = draft.at;
      return false;
    }
    this.#reads.set(key, { draft, key, times: 0, first: 0, last: 0 });
    this.#users += draft.users.length + 1;
    for (const oldest of this.#reads.values()) {
      if (this.#users <= this.#usersMax) break;
      this.#over(oldest);
    }
    remembered.set(this.#users);
    return true;
  }

  /** Ends what is a minute old (or of a time to come: the clock was set back). */
  tick(now: number): void {
    for (const read of this.#reads.values()) {
      const { at } = read.draft;
      if (now - at < REPEATS_MS && at <= now) break;
      this.#over(read);
    }
    remembered.set(this.#users);
  }

  close(): void {
    for (const read of this.#reads.values()) this.#over(read);
    remembered.set(this.#users);
  }

  #over({ draft, key, times, first, last }: Read): void {
    this.#reads.delete(key);
    this.#users -= draft.users.length + 1;
    if (times > 0) this.#write({ ...draft, at: first, until: last, times });
  }
}

/** Ids hold no space. A long list is a digest: it is a name here, no secret. */
function keyOf({ watcher, action, allowed, admin, users }: AuditDraft): string {
  const names = users.join(' ');
  const short = names.length <= 64 ? names : createHash('sha256').update(names).digest('base64');
  return `${watcher} ${action} ${allowed} ${admin} ${short}`;
}
