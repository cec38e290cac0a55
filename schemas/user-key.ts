/** In keys, tables and caches a user is `user_id` in the default tenant and `tenant/user_id` in any other (contract.md). */
export const DEFAULT_TENANT = 'default';

export const userKey = (tenant: string, userId: string): string => (tenant === DEFAULT_TENANT ? userId : `${tenant}/${userId}`);

export interface UserName {
  readonly tenant: string;
  readonly user_id: string;
}

export function parseUserKey(key: string): UserName {
  const slash = key.indexOf('/');
  return slash < 0 ? { tenant: DEFAULT_TENANT, user_id: key } : { tenant: key.slice(0, slash), user_id: key.slice(slash + 1) };
}
