/** What an answer may tell its caller of whom: the policy, as HTTP asks it. Streams: policed.ts. */
import { userKey } from '../schemas/user-key.ts';
import type { Principal } from './auth.ts';
import { type Asker, maySee, type WatchPolicy } from './policy.ts';
import type { View } from './recent-diffs.ts';

/** `never`: as of a user who was never seen. */
export type HistoryAccess = View | 'never' | 'forbidden';

export interface Watching {
  /** Whether presences of this user may be told. */
  maySee(principal: Principal, userId: string): boolean;
  /** Whose view of this user's history may be told. */
  history(principal: Principal, userId: string): HistoryAccess;
}

/** `policy` null: everyone in the tenant. `historyOf`: who may read a user's history beside them and admins. */
export function createWatching(policy: WatchPolicy | null, historyOf: 'self' | 'tenant'): Watching {
  const may = (principal: Principal, userId: string): boolean => {
    const { tenant, watch, scopes } = principal;
    const asker: Asker = { userKey: principal.userKey, tenant, watch, admin: scopes.has('presence:admin') };
    return policy === null || maySee(policy, asker, userKey(tenant, userId));
  };
  return {
    maySee: may,
    history(principal, userId) {
      if (userId === principal.userId || principal.scopes.has('presence:admin')) return 'self';
      if (historyOf === 'self') return 'forbidden';
      return may(principal, userId) ? 'others' : 'never';
    },
  };
}
