/** The role `gateway`: the gateway of gateway/index.ts with these settings. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from '../base/logger.ts';
import { createRedisSharedRate } from '../connectors/redis/index.ts';
import {
  type Check,
  createGateway,
  type Gateway,
  type GatewayOptions,
  loadCustomPolicy,
  type Pages,
  type Rate,
} from '../gateway/index.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import type { Settings } from './config.ts';
import type { Database, LogParts } from './parts.ts';

export interface GatewayRole extends LogParts {
  readonly settings: Settings;
  readonly database: Database;
  readonly cache: PresenceCache;
  readonly logger: Logger;
  /** The port that was listened on while parts were waited for. */
  readonly port: number;
  readonly pages: Pages;
  /** What the other roles of this process say of themselves, for /readyz. */
  readonly probes: ReadonlyMap<string, () => Promise<string | null>>;
}

/** It does not listen yet. Rejects with BAD_SETTING where the module of the watch policy cannot be used. */
export async function startGateway(role: GatewayRole): Promise<Gateway> {
  const { settings, log, codecs, cache, database, logger, port, pages } = role;
  return createGateway({
    log,
    codecs,
    cache,
    store: database.store,
    logger: logger.child({ part: 'gateway' }),
    host: settings.host,
    port,
    sharePort: settings.sharePort === 'true',
    allowedOrigins: settings.allowedOrigins,
    historyOf: settings.historyOf,
    acceptRateMax: settings.acceptRate,
    pushRate: { rate: settings.pushRate, burst: 4 * settings.pushRate },
    ...ratesOf(settings, logger),
    watchPolicy: await policyOf(settings),
    ...secretOf(settings),
    fanOut: settings.fanout,
    audit: settings.audit === 'on',
    pages,
    checks: checksOf(role.probes),
    ...(settings.connectionsMax === undefined ? {} : { connectionsMax: settings.connectionsMax }),
    ...(settings.authJwtSecret === undefined ? {} : { jwtSecret: settings.authJwtSecret }),
    ...(settings.authJwksUrl === undefined ? {} : { jwksUrl: settings.authJwksUrl }),
    ...(settings.authAudience === undefined ? {} : { audience: settings.authAudience }),
    ...(settings.authIssuer === undefined ? {} : { issuer: settings.authIssuer }),
    ...(settings.tlsCertFile === undefined || settings.tlsKeyFile === undefined
      ? {}
      : { tls: { certFile: settings.tlsCertFile, keyFile: settings.tlsKeyFile } }),
  });
}

/** With Redis a user's rate holds over all gateways. */
function ratesOf(settings: Settings, logger: Logger): Pick<GatewayOptions, 'rate' | 'queryRate' | 'sharedRates'> {
  const { redisUrl: url, rateLimit, queryRateLimit } = settings;
  const rate = { rate: rateLimit, burst: 2 * rateLimit };
  const queryRate = { rate: queryRateLimit, burst: 4 * queryRateLimit };
  if (url === undefined) return { rate, queryRate };
  // So many in the time in which a bucket fills: the same average, and the same at once.
  const shared = (name: string, { burst, rate: each }: Rate) =>
    createRedisSharedRate({ url, logger, name, points: burst, period_s: burst / each });
  return { rate, queryRate, sharedRates: { requests: shared('requests', rate), queries: shared('queries', queryRate) } };
}

async function policyOf({ watchPolicy }: Settings): Promise<NonNullable<GatewayOptions['watchPolicy']>> {
  if (watchPolicy === 'contacts' || watchPolicy === 'claim') return watchPolicy;
  if (!watchPolicy.startsWith('module:')) return 'tenant';
  return loadCustomPolicy(pathToFileURL(resolve(watchPolicy.slice('module:'.length))).href);
}

/** What all gateways of an installation have in common, and nobody else knows. */
function secretOf({ gatewaySecret, authJwtSecret, databaseUrl }: Settings): { readonly secret?: string } {
  const secret = gatewaySecret ?? authJwtSecret ?? databaseUrl;
  return secret === undefined ? {} : { secret };
}

/** The gateway names log, cache and database itself. */
function checksOf(probes: GatewayRole['probes']): Record<string, Check> {
  const others = [...probes].filter(([part]) => part === 'topology' || part === 'fan-out' || part === 'sinks');
  return Object.fromEntries(
    others.map(([part, problem]) => {
      const probe = async (): Promise<void> => {
        const said = await problem();
        if (said !== null) throw new Error(said);
      };
      return [part, { probe, required: false }];
    }),
  );
}
