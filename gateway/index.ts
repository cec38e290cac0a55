/** A whole gateway, composed from ports: what the CLI runs and tests start. */

import { clock } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import type { PresenceStore } from '../ports/presence-store.ts';
import type { SharedRate } from '../ports/shared-rate.ts';
import type { Codecs } from '../schemas/codec.ts';
import { ACCEPT_RATE_MAX, Admission } from './admission.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { AuditTrail } from './audit.ts';
import { createAuditQueue } from './audit-queue.ts';
import { createAuthenticator } from './auth.ts';
import { type CertificateWatch, watchCertificate } from './certificates.ts';
import { createDevices } from './devices.ts';
import type { FanOutMode } from './fan-out-options.ts';
import { URL_LIMIT_BYTES } from './http/call.ts';
import { Origins } from './http/origins.ts';
import { loadPages, type Pages } from './http/pages.ts';
import { type Check, Readiness } from './http/readiness.ts';
import type { Services } from './http/route.ts';
import { routes } from './http/routes.ts';
import { checkRate, defaultQueryRate, defaultRate, type Rate } from './limits.ts';
import { connectionsThatFit, machineLimits } from './machine.ts';
import { openApiDocument } from './openapi.ts';
import { createOutbox } from './outbox.ts';
import type { Devices, FanOut, Outbox } from './parts.ts';
import { createPolicedFanOut } from './policies.ts';
import type { CustomPolicy } from './policy.ts';
import { Rates } from './rates.ts';
import { createReads } from './reads.ts';
import { useSecret } from './secrecy.ts';
import { Server, type TlsFiles } from './server.ts';
import { loadUws } from './uws.ts';
import { createWatching } from './watching.ts';

export { loadPages, type Pages } from './http/pages.ts';
export type { Check } from './http/readiness.ts';
export type { Rate } from './limits.ts';
export { loadCustomPolicy } from './policy.ts';
export type { TlsFiles } from './server.ts';

export interface GatewayOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly cache: Pick<PresenceCache, 'read' | 'fill' | 'ping'>;
  readonly store: Pick<PresenceStore, 'read' | 'history' | 'ping'>;
  readonly logger: Logger;
  /** Default 127.0.0.1. Beyond loopback only with keys. */
  readonly host?: string;
  /** Default 8080; 0 takes a free one. */
  readonly port?: number;
  /** Several processes of one machine on one port, each with its share of the connections (Linux). Default false. */
  readonly sharePort?: boolean;
  /** TLS, where given. */
  readonly tls?: TlsFiles;
  /** How often its files are looked at for a renewed certificate, ms. Default 10,000. */
  readonly tlsLook_ms?: number;
  /** AUTH_JWT_SECRET or AUTH_JWKS_URL; with neither, development tokens. */
  readonly jwtSecret?: string;
  readonly jwksUrl?: string;
  /** A token's `aud` and `iss`, where they are to be looked at: one of these. */
  readonly audience?: readonly string[];
  readonly issuer?: readonly string[];
  /** Who may watch whom. Default `tenant`: everyone in the tenant. Or a policy of one's own (policy.ts). */
  readonly watchPolicy?: 'tenant' | 'contacts' | 'claim' | CustomPolicy;
  /** Shared by all gateways of an installation (secrecy.ts). Default: made up at each start. */
  readonly secret?: string;
  /** Origins of browsers' pages beside this host's own: `https://app.example.com`, or `*`. */
  readonly allowedOrigins?: readonly string[];
  /** Of requests of one user, and of frames of one connection. Default 100 a second, 200 at once. */
  readonly rate?: Rate;
  /** Of requests of one user that read presences or history. Default 50 a second, 200 at once. */
  readonly queryRate?: Rate;
  /** Of diffs pushed to one connection. Default 500 a second, 2,000 at once. */
  readonly pushRate?: Rate;
  /** Counts over all gateways, where there are several; closed with the gateway. Default: each gateway counts for itself. */
  readonly sharedRates?: { readonly requests: SharedRate; readonly queries: SharedRate };
  /** A folder (index.html is served at `/`), or the pages themselves. Default none. */
  readonly pages?: string | Pages;
  /** More parts that /readyz names. */
  readonly checks?: Readonly<Record<string, Check>>;
  /** Who may read a user's history beside them and admins; others see what they saw. Default `self`: nobody. */
  readonly historyOf?: 'self' | 'tenant';
  /** How diffs come here: all of them, or by routes. Default broadcast. */
  readonly fanOut?: FanOutMode;
  /** Whether who watched whom is written into presence.audit, which must be there. Default false. */
  readonly audit?: boolean;
  /** How long an answer waits for the log before it is 503, ms. Default 10,000. */
  readonly answerWithin_ms?: number;
  /** Streams taken a second, twice as many at once. Default 2,000. */
  readonly acceptRateMax?: number;
  /** Most streams at once. Default 250,000; fewer where file descriptors do not bear them (machine.ts). */
  readonly connectionsMax?: number;
  /** A connection is slow above the first, and closed (4408) above the second. Default 64 KiB and 8 MiB. */
  readonly slowBytes?: number;
  readonly slowBytesMax?: number;
}

export interface Gateway {
  /** Begins to serve. BAD_SETTING where the port cannot be had. */
  listen(): void;
  /** 0 before `listen`. */
  readonly port: number;
  /** `http://127.0.0.1:8080`, with the real port. */
  readonly url: string;
  readonly gatewayId: string;
  readonly readiness: Readiness;
  readonly parts: { readonly outbox: Outbox; readonly devices: Devices; readonly fanOut: FanOut };
  /**
   * Ends it in order: no new sockets, streams told to go and closed with 1012 (within `within_ms`, default 5,000), what
   * is still to be written written (within the same again).
   */
  close(options?: { readonly within_ms?: number }): Promise<void>;
}

/**
 * Makes a gateway; it serves nothing before `listen`. Rejects with BAD_SETTING for what its options contradict,
 * NO_BINARY where uWebSockets.js has none, LOG_UNAVAILABLE (retriable) where a part needs the log at start.
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { log, codecs, cache, store, logger, host = '127.0.0.1', port = 8080, rate = defaultRate } = options;
  const { name, headBytesMax } = loadUws();
  const { queryRate = { ...defaultQueryRate, burst: Math.max(defaultQueryRate.burst, rate.burst) } } = options;
  for (const one of [rate, queryRate]) checkRate(one);
  useSecret(options.secret ?? clock.randomHex(32));
  const authenticator = createAuthenticator({ ...keysOf(options), loopback: checkHost(host, options) });
  const pages: Pages = typeof options.pages === 'string' ? await loadPages(options.pages) : (options.pages ?? new Map());
  const openApi = JSON.stringify(openApiDocument());
  const asyncApi = JSON.stringify(asyncApiDocument());

  const outbox = await createOutbox({ log, codecs, logger });
  const reads = createReads({ cache, store, logger, partitionOf: (key) => outbox.partitionOf(key) });
  const devices = await createDevices({ outbox, log, codecs, logger });
  const { gatewayId } = outbox;
  const audit = options.audit === true ? new AuditTrail(await createAuditQueue({ log, codecs, logger, gatewayId })) : undefined;
  const { fanOut, policy } = await createPolicedFanOut(options, reads, gatewayId, audit);

  const readiness = new Readiness({ ...ownChecks(options, outbox, fanOut), ...options.checks });
  const services: Services = {
    outbox,
    fanOut,
    reads,
    store,
    readiness,
    logger,
    answerWithin_ms: options.answerWithin_ms ?? 10_000,
    watching: createWatching(policy, options.historyOf ?? 'self'),
    ...(audit === undefined ? {} : { audit }),
    drain: (over_ms) => server.streams.drain(over_ms),
    openApi: () => openApi,
    asyncApi: () => asyncApi,
  };
  const requestRates = new Rates(rate, options.sharedRates?.requests);
  const queryRates = new Rates(queryRate, options.sharedRates?.queries);
  const shared = { authenticator, origins: new Origins(options.allowedOrigins ?? []), buckets: requestRates, logger };
  const server: Server = new Server({
    host,
    port,
    sharePort: options.sharePort ?? false,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    http: { ...shared, queryBuckets: queryRates, routes, pages, services },
    stream: {
      ...shared,
      devices,
      fanOut,
      readiness,
      admission: new Admission(options.acceptRateMax ?? ACCEPT_RATE_MAX),
      rate,
      connectionsMax: connectionsThatFit(options.connectionsMax, machineLimits(), logger),
      slowBytes: options.slowBytes ?? 64 * 1024,
      slowBytesMax: options.slowBytesMax ?? 8 * 1024 * 1024,
    },
  });

  const certificates = await watching(options, () => server.reloadTls());

  let closing: Promise<void> | undefined;
  const close = async (within_ms: number): Promise<void> => {
    certificates?.close();
    await server.close(within_ms);
    await devices.close();
    await fanOut.close();
    await audit?.close(within_ms);
    await outbox.close(within_ms);
    await Promise.all([requestRates.close(), queryRates.close()]);
    server.cut();
    logger.info({ gateway_id: outbox.gatewayId }, 'The gateway has ended.');
  };
  return {
    listen() {
      server.listen();
      logger.info({ gateway_id: outbox.gatewayId, host, port: server.port, uws: name }, 'The gateway listens.');
      if (headBytesMax > URL_LIMIT_BYTES) return;
      logger.warn(
        { head_bytes: headBytesMax },
        'Requests with longer heads are cut off unless they come in one segment. Use another Node or C library.',
      );
    },
    get port() {
      return server.port;
    },
    get url() {
      return `${options.tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
    },
    gatewayId: outbox.gatewayId,
    readiness,
    parts: { outbox, devices, fanOut },
    close({ within_ms = 5_000 } = {}) {
      closing ??= close(within_ms);
      return closing;
    },
  };
}

const keysOf = ({ jwtSecret, jwksUrl, audience, issuer }: GatewayOptions) => ({
  ...(jwtSecret === undefined ? {} : { jwtSecret }),
  ...(jwksUrl === undefined ? {} : { jwksUrl }),
  ...(audience === undefined ? {} : { audience }),
  ...(issuer === undefined ? {} : { issuer }),
});

async function watching({ tls, tlsLook_ms, logger }: GatewayOptions, reload: () => void): Promise<CertificateWatch | undefined> {
  if (tls === undefined) return undefined;
  return watchCertificate(tls, { reload, logger, ...(tlsLook_ms === undefined ? {} : { every_ms: tlsLook_ms }) });
}

/** Whether the host is loopback. Beyond it, without keys, anyone could be anyone. */
function checkHost(host: string, { jwtSecret, jwksUrl }: GatewayOptions): boolean {
  const loopback = host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
  if (!loopback && jwtSecret === undefined && jwksUrl === undefined) {
    throw new PresenceError('BAD_SETTING', `HOST=${host} is beyond loopback, and there are no keys to check tokens with.`, {
      at: 'HOST',
      retriable: false,
      help: 'Set AUTH_JWT_SECRET or AUTH_JWKS_URL.',
    });
  }
  return loopback;
}

function ownChecks({ log, cache, store }: GatewayOptions, outbox: Outbox, fanOut: FanOut): Record<string, Check> {
  let read = false;
  fanOut.ready.then(
    () => {
      read = true;
    },
    () => {},
  );
  const must = (well: () => boolean, detail: string) => async () => {
    if (!well()) throw new Error(detail);
  };
  return {
    log: { required: true, probe: () => log.ping() },
    outbox: {
      required: true,
      probe: must(() => outbox.connected && !outbox.full, 'the log does not take what the outbox holds'),
    },
    fan_out: { required: true, probe: must(() => read, 'diffs and lists have not been read yet') },
    cache: { required: false, probe: () => cache.ping() },
    database: { required: false, probe: () => store.ping() },
  };
}
