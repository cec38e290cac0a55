/**
 * `presence up`: starts the named roles on the named parts, says when they are ready, and ends them in order.
 *
 * **Start.** The address is listened on first, so that a taken port is known at once and /readyz says what is
 * waited for. Log, database and cache are started side by side, each for as long as it takes; then topology,
 * sinks, and last the gateway, which takes the address over. **Later** a part that goes down is each role's own
 * affair: none ends the process. **End** (SIGTERM, SIGINT): the gateway first (its streams are told to go, its
 * outbox is flushed), then the topology, the sinks, and the parts under them.
 */
import type { Logger } from '../base/logger.ts';
import type { Gateway, Pages } from '../gateway/index.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import { topicNames } from '../schemas/topics.ts';
import { presence } from '../topology/presence.ts';
import { Closers } from './closers.ts';
import type { Settings } from './config.ts';
import type { Watched } from './figures.ts';
import { type OpsServer, startOpsServer } from './ops-server.ts';
import { ownPages } from './pages.ts';
import { type Database, instanceName, type LogParts, openLog, startCache, startDatabase, startLog } from './parts.ts';
import { readyText } from './ready-text.ts';
import { runFanOut } from './run-fan-out.ts';
import { startGateway } from './run-gateway.ts';
import { runSinks } from './run-sinks.ts';
import { runPresence } from './run-topology.ts';
import { systemOf } from './system-spec.ts';
import { Board, Interrupted, untilThere, type Waiting } from './waiting.ts';

export interface UpOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
  /** Where what a person should read goes. */
  readonly print: (text: string) => void;
}

/** By part: what keeps it from being well, asked now. */
type Probes = Map<string, () => Promise<string | null>>;

/** Resolves when all has ended after `signal`. Rejects (everything ended too) with what cannot be mended by waiting. */
export async function up({ settings, logger, signal, print }: UpOptions): Promise<void> {
  const closers = new Closers(logger);
  // Also aborted when one part fails for good, so that the others stop waiting.
  const giveUp = new AbortController();
  const waiting: Waiting = { board: new Board(), logger, signal: AbortSignal.any([signal, giveUp.signal]) };
  const probes: Probes = new Map();
  const watched = watchedOf(settings);
  try {
    const pages = await ownPages({ watched, urls: settings.topologyUrls, alone: settings.kafkaBrokers === undefined });
    const ops = await startOpsServer(
      { ...settings, port: settings.opsPort ?? settings.port },
      { pages, report: () => reportOf(waiting.board, probes) },
    );
    closers.add('ops server', () => ops.close());
    await start({ settings, logger, waiting, closers, probes, giveUp, watched, pages }, ops, print);
    await aborted(signal);
    logger.info('Ending.');
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    await closers.closeAll();
  }
}

interface Starting {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly waiting: Waiting;
  readonly closers: Closers;
  readonly probes: Probes;
  readonly giveUp: AbortController;
  readonly watched: Watched;
  readonly pages: Pages;
}

const watchedOf = (settings: Settings): Watched => ({
  spec: systemOf(presence.spec, settings.partitions),
  instance: instanceName(settings),
  roles: settings.roles,
  since: Math.round(performance.timeOrigin),
  partitionsTotal: null,
  runner: null,
  sinks: null,
});

async function start(starting: Starting, ops: OpsServer, print: (text: string) => void): Promise<void> {
  const { settings, logger, waiting, closers, probes, watched, pages } = starting;
  const { roles } = settings;
  for (const role of roles) waiting.board.set(role, 'waits for the parts that it needs');
  const parts = await startParts(starting);
  watched.partitionsTotal = await untilThere('log', () => parts.log.partitions(topicNames.signals), waiting);

  if (roles.includes('topology')) {
    const runner = await untilThere('topology', () => runPresence(settings, parts, logger), waiting);
    watched.runner = runner;
    closers.add('topology', () => runner.close());
    probes.set('topology', async () => runner.problem);
    if (settings.fanout === 'routed') {
      const fanOut = await untilThere('fan-out', () => runFanOut(settings, parts, logger), waiting);
      closers.add('fan-out', () => fanOut.close());
      probes.set('fan-out', async () => fanOut.problem);
    }
  }
  if (roles.includes('sinks')) {
    const sinks = runSinks(parts, stores(parts), logger);
    watched.sinks = sinks;
    waiting.board.clear('sinks');
    closers.add('sinks', () => sinks.close());
    probes.set('sinks', async () => sinks.problem);
  }
  let gateway: Gateway | null = null;
  if (roles.includes('gateway')) {
    const port = settings.opsPort === undefined ? ops.port : settings.port;
    const made = await untilThere(
      'gateway',
      () => startGateway({ settings, ...parts, ...stores(parts), logger, port, pages, probes }),
      waiting,
    );
    gateway = made;
    closers.add('gateway', () => made.close());
    if (settings.opsPort === undefined) await ops.close();
    else probes.set('gateway', () => problemOfGateway(made));
    made.listen();
  }
  logger.info({ roles, port: gateway?.port ?? ops.port, ops_port: ops.port }, 'Up.');
  print(readyText(settings, gateway?.url ?? null, ops.port));
}

interface Stores {
  readonly database: Database;
  readonly cache: PresenceCache;
}
type Parts = LogParts & Partial<Stores>;

/** Roles that need them have made sure that they are there. */
const stores = (parts: Parts): Stores => ({ database: parts.database as Database, cache: parts.cache as PresenceCache });

/** Log, database and cache, side by side; if one fails for good, what the others started is given to the closers all the same. */
async function startParts({ settings, logger, waiting, closers, probes, giveUp }: Starting): Promise<Parts> {
  const log = await openLog(settings, logger.child({ part: 'log' }));
  closers.add('log', () => log.close());
  const needsStores = settings.roles.some((role) => role !== 'topology');
  const begun = [
    startLog(settings, logger, waiting, log),
    needsStores ? startDatabase(settings, logger.child({ part: 'database' }), waiting) : undefined,
    needsStores ? startCache(settings, logger.child({ part: 'cache' }), waiting) : undefined,
  ] as const;
  for (const one of begun) one?.catch(() => giveUp.abort());
  const [logParts, database, cache] = await Promise.allSettled(begun);
  if (database.status === 'fulfilled' && database.value !== undefined) {
    const { store, stop } = database.value;
    closers.add('database', stop);
    probes.set('database', () => problemOf(store.ping()));
  }
  if (cache.status === 'fulfilled' && cache.value !== undefined) {
    const there = cache.value;
    closers.add('cache', () => there.close());
    probes.set('cache', () => problemOf(there.ping()));
  }
  probes.set('log', () => problemOf(log.ping()));
  const failures = [logParts, database, cache].flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  // The others say only that they were interrupted.
  if (failures.length > 0) throw failures.find((failure) => !(failure instanceof Interrupted)) ?? failures[0];
  return {
    ...(logParts as PromiseFulfilledResult<LogParts>).value,
    ...(database.status === 'fulfilled' && database.value !== undefined ? { database: database.value } : {}),
    ...(cache.status === 'fulfilled' && cache.value !== undefined ? { cache: cache.value } : {}),
  };
}

/** In its own words, which /readyz of its port would say at length. */
async function problemOfGateway({ readiness }: Gateway): Promise<string | null> {
  const { status, checks } = await readiness.report();
  if (status === 'ready' || status === 'degraded') return null;
  const down = Object.entries(checks).flatMap(([part, { ok, detail }]) => (ok ? [] : [`${part}: ${detail}`]));
  return [status, ...down].join('; ');
}

const PROBE_MS = 2_000;

/** What a probe says of a part: null if it answered in time. */
async function problemOf(answer: Promise<unknown>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((done) => {
    timer = setTimeout(() => done(`no answer within ${PROBE_MS} ms`), PROBE_MS);
  });
  const said = answer.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return Promise.race([said, late]).finally(() => clearTimeout(timer));
}

async function reportOf(board: Board, probes: Probes): Promise<ReadonlyMap<string, string | null>> {
  const probed = await Promise.all([...probes].map(async ([part, probe]) => [part, await probe()] as const));
  return new Map([...probed, ...board.all]);
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
