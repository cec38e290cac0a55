/** The role `sinks`: presence.state into database and cache, presence.diffs into the history. */
import type { Logger } from '../base/logger.ts';
import { runStateSinks, type SinkStatus } from '../connectors/sinks/index.ts';
import type { PresenceCache } from '../ports/presence-cache.ts';
import type { Database, LogParts } from './parts.ts';

export interface Sinks {
  /** What any of them waits for; null if nothing. */
  readonly problem: string | null;
  readonly status: readonly SinkStatus[];
  close(): Promise<void>;
}

export function runSinks(
  { log, codecs }: LogParts,
  stores: { readonly database: Database; readonly cache: PresenceCache },
  logger: Logger,
): Sinks {
  const sinks = runStateSinks({
    log,
    codecs,
    logger: logger.child({ part: 'sinks' }),
    store: stores.database.store,
    cache: stores.cache,
  });
  return {
    get problem() {
      const waiting = sinks.status().filter(({ state }) => state !== 'running');
      return waiting.length === 0 ? null : waiting.map(sentence).join('; ');
    },
    get status() {
      return sinks.status();
    },
    close: () => sinks.close(),
  };
}

const sentence = ({ sink, state, problem }: SinkStatus): string => `${sink} is ${state}${problem === null ? '' : `: ${problem}`}`;
