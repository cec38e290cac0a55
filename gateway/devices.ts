import type { Logger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { GatewayOutbox } from './outbox.ts';
import type { Devices } from './parts.ts';

export interface DevicesOptions {
  readonly outbox: GatewayOutbox;
  /** Where control records come from. */
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
}

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start. */
export async function createDevices(_options: DevicesOptions): Promise<Devices> {
  throw new Error('not yet');
}
