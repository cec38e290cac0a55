/**
 * Who asks: bearer tokens become principals.
 *
 * Keys come from a shared secret (HS256) or a JWKS URL; with neither, and only while listening on loopback, the
 * development tokens `dev:<user_id>` and `dev-admin:<user_id>` are taken. Verified tokens are remembered
 * until they end, at most `CACHE_LIMIT` of them (the oldest go first): a client shows the same token with
 * each request, and a signature costs a thousand times a look-up.
 */

import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { clock } from '../base/clock.ts';
import { hasCode, PresenceError } from '../base/errors.ts';
import { gauge } from '../base/metrics.ts';
import { DEFAULT_TENANT, userKey } from '../schemas/user-key.ts';
import { type Patterns, patternsOf } from './patterns.ts';
import { idPattern } from './validation/ids.ts';

export type Scope = 'presence:read' | 'presence:write' | 'presence:admin';
const scopes: readonly Scope[] = ['presence:read', 'presence:write', 'presence:admin'];

export interface Principal {
  readonly tenant: string;
  readonly userId: string;
  /** Of the user: user_id, or tenant/user_id. */
  readonly userKey: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Whom the claim `watch` names; undefined where there is none. For the policy `claim` (policy.ts). */
  readonly watch?: Patterns;
  /** When the token ends, ms since 1970; Infinity for one that does not. */
  readonly ends: number;
}

export interface AuthOptions {
  /** HS256. Not together with jwksUrl. */
  readonly jwtSecret?: string;
  readonly jwksUrl?: string;
  /** A token's `aud` must be (or hold) one of these, its `iss` be one of those. Default: neither is looked at. */
  readonly audience?: readonly string[];
  readonly issuer?: readonly string[];
  /** Keys are fetched again for a key id that is not known, at most this often, ms. Default 30,000. */
  readonly jwksCooldown_ms?: number;
  /** Whether development tokens may be taken: with neither key, on loopback only. */
  readonly loopback: boolean;
}

export interface Authenticator {
  /**
   * The principal of this token. Rejects with BAD_INPUT (a bad token, the reason in the message) or, when the
   * keys cannot be fetched, LOG_UNAVAILABLE-like: STORE_UNAVAILABLE (retriable).
   */
  verify(token: string): Promise<Principal>;
  /** As verify, where no waiting is needed: a token seen before. */
  known(token: string): Principal | undefined;
}

/** A signed token's clock may be this far off, seconds. */
const LEEWAY_S = 5;
/** Verified tokens remembered; at the limit the oldest is forgotten, and verified again when it comes. */
const TOKENS_CACHED_MAX = 50_000;
const TOKEN_BYTES_MAX = 8_192;

const cached = gauge('presence_gateway_tokens_cached_count', 'Tokens verified and remembered.');

export function createAuthenticator(options: AuthOptions): Authenticator {
  if (options.jwtSecret !== undefined && options.jwksUrl !== undefined) {
    throw new PresenceError('BAD_SETTING', 'AUTH_JWT_SECRET and AUTH_JWKS_URL are both set.', {
      at: 'AUTH_JWKS_URL',
      retriable: false,
      help: 'Keep one of them.',
    });
  }
  const verifyJwt = jwtVerifier(options);
  const cache = new Map<string, Principal>();

  const known = (token: string): Principal | undefined => {
    const principal = cache.get(token);
    if (principal === undefined || principal.ends + LEEWAY_S * 1000 > clock.now()) return principal;
    cache.delete(token);
    return undefined;
  };
  const remember = (token: string, principal: Principal): void => {
    if (cache.size >= TOKENS_CACHED_MAX) cache.delete(cache.keys().next().value as string);
    cache.set(token, principal);
    cached.set(cache.size);
  };

  return {
    known,
    async verify(token) {
      const seen = known(token);
      if (seen !== undefined) return seen;
      if (token.length > TOKEN_BYTES_MAX) throw badToken(`The token is longer than ${TOKEN_BYTES_MAX} bytes.`);
      const principal =
        verifyJwt === undefined ? developmentPrincipal(token, options.loopback) : principalOf(await verifyJwt(token));
      remember(token, principal);
      return principal;
    },
  };
}

type VerifyJwt = (token: string) => Promise<JWTPayload>;

function jwtVerifier(options: AuthOptions): VerifyJwt | undefined {
  const { audience, issuer } = options;
  const checks = {
    clockTolerance: LEEWAY_S,
    requiredClaims: ['sub'],
    ...(audience === undefined ? {} : { audience: [...audience] }),
    ...(issuer === undefined ? {} : { issuer: [...issuer] }),
  };
  if (options.jwtSecret !== undefined) {
    const secret = new TextEncoder().encode(options.jwtSecret);
    return async (token) => (await jwtVerify(token, secret, { ...checks, algorithms: ['HS256'] }).catch(refuse)).payload;
  }
  if (options.jwksUrl !== undefined) {
    const keys: JWTVerifyGetKey = createRemoteJWKSet(new URL(options.jwksUrl), {
      timeoutDuration: 3_000,
      cooldownDuration: options.jwksCooldown_ms ?? 30_000,
    });
    // Asymmetric only: a public key must never be taken for a shared secret.
    const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
    return async (token) => (await jwtVerify(token, keys, { ...checks, algorithms }).catch(refuse)).payload;
  }
  return undefined;
}

/** jose's errors in our words. What is wrong with the token is its bearer's business; that keys can't be had is not. */
function refuse(error: unknown): never {
  if (error instanceof errors.JWTExpired) throw badToken('The token has ended.', error);
  const unreachable =
    error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError) || error.code === 'ERR_JOSE_GENERIC';
  if (unreachable) {
    throw new PresenceError('STORE_UNAVAILABLE', 'The keys to check tokens with cannot be fetched now.', {
      at: 'AUTH_JWKS_URL',
      retriable: true,
      cause: error,
    });
  }
  throw badToken(`The token is not valid: ${error.message}.`, error);
}

function principalOf(claims: JWTPayload): Principal {
  const { sub, tenant = DEFAULT_TENANT, scope } = claims;
  if (typeof sub !== 'string' || !idPattern.test(sub))
    throw badToken('`sub` is not a user_id: 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -');
  if (typeof tenant !== 'string' || !idPattern.test(tenant))
    throw badToken('`tenant` is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -');
  const watch = patternsOf(claims.watch);
  const given = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
  return {
    tenant,
    userId: sub,
    userKey: userKey(tenant, sub),
    scopes: new Set(scopes.filter((name) => given.includes(name))),
    ...(watch === undefined ? {} : { watch }),
    ends: claims.exp === undefined ? Number.POSITIVE_INFINITY : claims.exp * 1000,
  };
}

function developmentPrincipal(token: string, loopback: boolean): Principal {
  const match = /^(dev|dev-admin):(.*)$/s.exec(token);
  if (match === null) throw badToken('The token is not one of development: dev:<user_id> or dev-admin:<user_id>.');
  if (!loopback) throw badToken('Development tokens are taken on loopback only.');
  const userId = match[2] as string;
  if (!idPattern.test(userId))
    throw badToken('The user_id in the token is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -');
  return {
    tenant: DEFAULT_TENANT,
    userId,
    userKey: userId,
    scopes: new Set(match[1] === 'dev' ? scopes.slice(0, 2) : scopes),
    ends: Number.POSITIVE_INFINITY,
  };
}

const badToken = (message: string, cause?: unknown): PresenceError =>
  new PresenceError('BAD_INPUT', message, { at: 'token', retriable: false, cause });

/** Whether a rejection of `verify` is the token's fault. */
export const isBadToken = (error: unknown): error is PresenceError => hasCode(error, 'BAD_INPUT') && error.at === 'token';

/** The token of an `Authorization: Bearer …` header; undefined if it is not one. */
export function bearerOf(header: string): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(header)?.[1];
}
