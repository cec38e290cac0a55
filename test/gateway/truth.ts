/** A small world of users for tests of the fan-out: what is true, the diffs that made it so, and a lagging cache. */
import type { Reads } from '../../gateway/parts.ts';
import type { Diff, State } from '../../schemas/generated.ts';
import type { Presence } from '../../schemas/presence.ts';
import { parseUserKey } from '../../schemas/user-key.ts';

export const EPOCH = 1_700_000_000;

export interface ViewTruth {
  readonly state: State;
  readonly version: number;
  readonly since: number | null;
}
interface Truth {
  readonly self: ViewTruth;
  readonly others: ViewTruth;
}
const never: Truth = {
  self: { state: 'offline', version: 0, since: null },
  others: { state: 'offline', version: 0, since: null },
};

export class World {
  /** Everything that was true of a user, oldest first. */
  readonly #history = new Map<string, Truth[]>();
  /** How many changes the cache has not seen yet, by user. */
  readonly lag = new Map<string, number>();
  /** fresh_at of what the cache says; default now. */
  freshAt: () => number | null = Date.now;
  reads = 0;

  now(key: string): Truth {
    return this.#history.get(key)?.at(-1) ?? never;
  }

  view(key: string, viewer: string): ViewTruth {
    return key === viewer ? this.now(key).self : this.now(key).others;
  }

  /** The user changes; the diff that tells it. */
  change(key: string, to: State, audience: Diff['audience'] = 'all', more: Partial<Diff> = {}): Diff {
    const before = this.now(key);
    const step = (view: ViewTruth, moves: boolean): ViewTruth =>
      moves ? { state: to, version: view.version + 1, since: more.at ?? Date.now() } : view;
    const after = { self: step(before.self, audience !== 'others'), others: step(before.others, audience !== 'self') };
    const history = this.#history.get(key) ?? [never];
    history.push(after);
    this.#history.set(key, history);
    return {
      user_id: key,
      audience,
      from: audience === 'others' ? before.others.state : before.self.state,
      to,
      at: Date.now(),
      epoch: EPOCH,
      version: after.self.version,
      public_version: after.others.version,
      cause: 'signal',
      source: 'app',
      device_id: null,
      trace_id: null,
      received_at: Date.now(),
      log: 0,
      offset: history.length,
      ...more,
    };
  }

  readonly read: Reads['presences'] = async (keys, viewer): Promise<readonly Presence[]> => {
    this.reads += 1;
    const taken = keys.map((key) => {
      const history = this.#history.get(key) ?? [never];
      const cached = history[Math.max(0, history.length - 1 - (this.lag.get(key) ?? 0))] as Truth;
      return { key, ...(key === viewer.userKey ? cached.self : cached.others) };
    });
    const fresh = this.freshAt();
    await new Promise((resolve) => setTimeout(resolve, 1));
    return taken.map(({ key, state, version, since }) => ({
      user_id: parseUserKey(key).user_id,
      state,
      source: 'app' as const,
      since: since === null ? null : new Date(since).toISOString(),
      last_seen: null,
      fresh_at: fresh === null ? null : new Date(fresh).toISOString(),
      stale: false,
      epoch: version === 0 ? 0 : EPOCH,
      version,
      devices: 1,
    }));
  };
}
