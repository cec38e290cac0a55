/** What a fan-out is given. */
import type { Logger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { WatchListener } from './audit.ts';
import type { Rate } from './limits.ts';
import type { Connection, Reads } from './parts.ts';

export type FanOutMode = 'broadcast' | 'routed';

export interface FanOutOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** As reads.ts has it: cache, then database. */
  readonly readPresences: Reads['presences'];
  /** Most diffs held for snapshots and resumes. Default 500,000. */
  readonly recentDiffsMax?: number;
  /** Most watched users over all kept lists. Default 5,000,000. */
  readonly interestEntriesMax?: number;
  /** Whether a connection may watch whom its user's kept list names. Default: it may. */
  readonly maySee?: (connection: Connection, key: string) => boolean;
  /** A kept list has changed; its watchers know. */
  readonly onListChange?: (watcher: string, added: readonly string[], removed: readonly string[]) => void;
  /** Diffs pushed to one connection. Default 500 a second, 2,000 at once. */
  readonly pushRate?: Rate;
  /** Changes in a turn above which who went offline is told last. Default 1,000. */
  readonly onlineFirstFrom?: number;
  /** How diffs come. Default broadcast. */
  readonly mode?: FanOutMode;
  /** This gateway's, new at each start; routed mode needs it. Default a random one. */
  readonly gatewayId?: string;
  /** Told of each watch. */
  readonly audit?: WatchListener;
  /** Wall clock, ms; for tests. */
  readonly now?: () => number;
}
