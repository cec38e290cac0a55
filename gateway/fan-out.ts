import type { Logger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { FanOut, Reads } from './parts.ts';

export interface FanOutOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** As reads.ts has it: cache, then database. */
  readonly readPresences: Reads['presences'];
}

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start; `ready` says when all was read. */
export async function createFanOut(_options: FanOutOptions): Promise<FanOut> {
  throw new Error('not yet');
}
