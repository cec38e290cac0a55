/**
 * Who may watch whom: one policy, asked before anything of a user is told to anybody else.
 *
 * | Policy | Who may see a user |
 * | --- | --- |
 * | `tenant` (default) | everyone in the tenant |
 * | `contacts` | whom the user's own kept list (presence.interest) names: who keeps me may be seen by me |
 * | `claim` | whose token names them in the claim `watch`: user ids or patterns with `*`, a list or one text with spaces |
 * | a module | whom its function says (`CustomPolicy`) |
 *
 * Always: oneself, and an admin of the tenant over whom they like. Never: another tenant. Who may not be seen reads as a user
 * who was never seen, in answers, snapshots and history alike; nothing of theirs is delivered. A policy answers at once, of
 * what it holds: it is asked for each user of each list. One that throws has said no (counted, logged once a minute).
 */
import { clock } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter } from '../base/metrics.ts';
import { parseUserKey } from '../schemas/user-key.ts';
import type { Patterns } from './patterns.ts';

/** Who asks. */
export interface Asker {
  readonly userKey: string;
  readonly tenant: string;
  readonly admin: boolean;
  /** The token's claim `watch`; undefined where it has none. */
  readonly watch: Patterns | undefined;
}

export interface WatchPolicy {
  readonly name: string;
  /** Of two users of one tenant, who are not the same. */
  maySee(asker: Asker, key: string): boolean;
  /** Where nobody says that an answer has changed: every standing watch is asked for again within this long. */
  readonly recheck_ms?: number;
  close?(): Promise<void> | void;
}

/** What a module of one's own exports as default (WATCH_POLICY=module:./policy.mjs). */
export interface CustomPolicy {
  /** Must answer at once. `watch`: whether the asker's token names this user in its claim of that name. */
  maySee(asker: { readonly tenant: string; readonly user_id: string; readonly watch: boolean }, user_id: string): boolean;
  /** Awaited before the gateway serves. */
  start?(): Promise<void>;
  /** Standing watches are asked for again within this long. Default 3,000, at least 1,000. */
  readonly recheck_ms?: number;
  close?(): Promise<void> | void;
}

const failures = counter(
  'presence_gateway_policy_failures_total',
  'Questions to a policy of the installation that it failed to answer.',
);
const FAILURE_LOG_MS = 60_000;
const RECHECK_MS_MIN = 1_000;
const RECHECK_MS = 3_000;

/** Whom a kept list names, as sets: a list is replaced whole when it changes, so its set goes with it. */
function listSets(listOf: (key: string) => readonly string[]): (key: string) => ReadonlySet<string> {
  const sets = new WeakMap<readonly string[], ReadonlySet<string>>();
  return (key) => {
    const list = listOf(key);
    let set = sets.get(list);
    if (set === undefined) {
      set = new Set(list);
      sets.set(list, set);
    }
    return set;
  };
}

/** `listOf`: the kept list of a user's key, as it is now. */
export function contactsPolicy(listOf: (key: string) => readonly string[]): WatchPolicy {
  const named = listSets(listOf);
  return { name: 'contacts', maySee: ({ userKey }, key) => named(key).has(userKey) };
}

export const claimPolicy: WatchPolicy = {
  name: 'claim',
  maySee: ({ watch }, key) => watch?.match(parseUserKey(key).user_id) ?? false,
};

export function customPolicy(custom: CustomPolicy, logger: Logger): WatchPolicy {
  let logged = Number.NEGATIVE_INFINITY;
  return {
    name: 'module',
    recheck_ms: Math.max(RECHECK_MS_MIN, custom.recheck_ms ?? RECHECK_MS),
    maySee({ userKey, tenant, watch }, key) {
      const { user_id } = parseUserKey(key);
      try {
        return (
          custom.maySee({ tenant, user_id: parseUserKey(userKey).user_id, watch: watch?.match(user_id) ?? false }, user_id) ===
          true
        );
      } catch (error) {
        failures.inc();
        if (clock.monotonic() - logged >= FAILURE_LOG_MS) {
          logged = clock.monotonic();
          logger.error({ err: error }, 'The watch policy failed to answer; what it was asked for is not shown.');
        }
        return false;
      }
    },
    ...(custom.close === undefined ? {} : { close: () => custom.close?.() }),
  };
}

/** Rejects with BAD_SETTING where the module cannot be loaded, is none of ours, or does not start. */
export async function loadCustomPolicy(url: string): Promise<CustomPolicy> {
  const bad = (message: string, cause?: unknown): PresenceError =>
    new PresenceError('BAD_SETTING', message, {
      at: 'WATCH_POLICY',
      retriable: false,
      help: 'The module exports by default {maySee(asker, user_id): boolean}: docs/security.md.',
      cause,
    });
  let loaded: { readonly default?: Partial<CustomPolicy> };
  try {
    loaded = (await import(url)) as typeof loaded;
    if (typeof loaded.default?.maySee === 'function') await loaded.default.start?.();
  } catch (error) {
    throw bad(`The watch policy ${url} cannot be loaded: ${error instanceof Error ? error.message : String(error)}.`, error);
  }
  if (typeof loaded.default?.maySee !== 'function') throw bad(`The watch policy ${url} has no function maySee.`);
  return loaded.default as CustomPolicy;
}

/** As `policy.maySee`, for any two users and whoever asks. */
export function maySee(policy: WatchPolicy | null, asker: Asker, key: string): boolean {
  if (asker.userKey === key) return true;
  if (parseUserKey(key).tenant !== asker.tenant) return false;
  return policy === null || asker.admin || policy.maySee(asker, key);
}
