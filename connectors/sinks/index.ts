/**
 * The sinks: presence.state into the database and the cache, presence.diffs into the history. Each is a consumer
 * group of its own, so that one whose target is away holds up no other.
 *
 * ```
 *  presence.state ─> presence.sink.store ─> presence, presence_users, presence_progress
 *                 └> presence.sink.cache ─> presence:state:{n}, presence:last_seen:{n}, presence:progress
 *  presence.diffs ─> presence.sink.history ─> presence_history, presence_history_others
 * ```
 */
import type { Logger } from '../../base/logger.ts';
import type { Log, LogProducer } from '../../ports/log.ts';
import type { PresenceCache } from '../../ports/presence-cache.ts';
import type { PresenceStore } from '../../ports/presence-store.ts';
import type { Codecs } from '../../schemas/codec.ts';
import { topicNames } from '../../schemas/topics.ts';
import { blobOf } from '../blob.ts';
import { historyWriter } from './history.ts';
import { Sink, type SinkOptions, type SinkStatus } from './sink.ts';
import { type StateTarget, StateWriter } from './states.ts';

export type { SinkStatus } from './sink.ts';

export const sinkGroups = {
  store: 'presence.sink.store',
  cache: 'presence.sink.cache',
  history: 'presence.sink.history',
} as const;

export interface StateSinksOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** Gets states and history; its schema is brought up to date first. Left out: no such sinks run here. */
  readonly store?: PresenceStore;
  /** Gets states. Left out: no such sink runs here. */
  readonly cache?: PresenceCache;
  /** Positions are committed this often. Default 500. */
  readonly commit_ms?: number;
  /** Expired device rows are removed this often. Default 60,000. */
  readonly cleanUp_ms?: number;
}

export interface StateSinks {
  /** For readyz and the CLI. */
  status(): readonly SinkStatus[];
  /** Writes what is under way if it can, commits positions, and leaves the groups. Leaves store, cache and log open. */
  close(): Promise<void>;
}

/** Starts the sinks that have a target. Returns at once: each goes on trying until its log and target are there. */
export function runStateSinks(options: StateSinksOptions): StateSinks {
  const { log, codecs, logger, store, cache, commit_ms = 500 } = options;
  let producer: Promise<LogProducer> | undefined;
  const deadLetters = (): Promise<LogProducer> => {
    producer ??= log.producer().catch((error: unknown) => {
      producer = undefined; // asked for again with the next attempt
      throw error;
    });
    return producer;
  };
  const common = { log, logger, deadLetters, commit_ms };
  const states = (name: 'store' | 'cache', target: StateTarget): Omit<SinkOptions, 'prepare'> => ({
    ...common,
    name,
    group: sinkGroups[name],
    topic: topicNames.state,
    writer: (partition, committed) => new StateWriter({ codecs, target, partition, committed }),
  });

  const sinks: Sink[] = [];
  if (cache !== undefined) sinks.push(new Sink(states('cache', cacheTarget(cache))));
  if (store !== undefined) {
    let migrating: Promise<void> | undefined;
    const migrated = (): Promise<void> => {
      migrating ??= store.migrate().catch((error: unknown) => {
        migrating = undefined;
        throw error;
      });
      return migrating;
    };
    sinks.push(new Sink({ ...states('store', storeTarget(store)), prepare: migrated }));
    const writer = (): ReturnType<typeof historyWriter> => historyWriter(store, codecs);
    sinks.push(
      new Sink({ ...common, name: 'history', group: sinkGroups.history, topic: topicNames.diffs, prepare: migrated, writer }),
    );
  }
  const cleaning = store === undefined ? undefined : setInterval(() => void cleanUp(store, logger), options.cleanUp_ms ?? 60_000);

  return {
    status: () => sinks.map((sink) => sink.status()),
    close: async () => {
      clearInterval(cleaning);
      await Promise.all(sinks.map((sink) => sink.close()));
      await (await producer)?.close();
    },
  };
}

const storeTarget = (store: PresenceStore): StateTarget => ({
  write: ({ rows, progress, erasures }) => store.applyStates(rows, progress, erasures),
});

const cacheTarget = (cache: PresenceCache): StateTarget => ({
  write: async ({ rows, progress, erasures, stamp }) => {
    const writes = rows.map(({ state, partition, offset }) => ({
      key: state.user_id,
      blob: blobOf(state, { partition, offset, stamp }),
      last_seen_ms: state.last_seen ?? 0,
    }));
    return { refused: [], gaps: await cache.apply(writes, progress, erasures) };
  },
});

async function cleanUp(store: PresenceStore, logger: Logger): Promise<void> {
  try {
    const removed = await store.cleanUp();
    if (removed > 0) logger.info({ rows: removed }, 'Expired device rows were removed.');
  } catch (error) {
    logger.debug({ error: error instanceof Error ? error.message : String(error) }, 'Clean-up will be tried again later.');
  }
}
