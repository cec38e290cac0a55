import type { Logger } from '../base/logger.ts';
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Outbox, SendOptions, SignalDraft } from './parts.ts';

export interface OutboxOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** Most signals held. Default 200,000. At the bound `send` is refused. */
  readonly heldSignalsMax?: number;
  /** Most bytes held, estimated. Default 128 MiB. */
  readonly heldBytesMax?: number;
}

/** What the gateway's own parts may do beside `send`. */
export interface GatewayOutbox extends Outbox {
  readonly partitions: number;
  /** Ends of holds: never refused by the bound (at most one a device held). */
  sendAlways(draft: SignalDraft, options?: SendOptions): Promise<'sent' | 'cancelled'>;
  /** Queues restated hellos of a partition, then a marker that says from which ordinal on. */
  restate(partition: number, hellos: readonly { readonly draft: SignalDraft; readonly options?: SendOptions }[]): void;
}

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start. */
export async function createOutbox(_options: OutboxOptions): Promise<GatewayOutbox> {
  throw new Error('not yet');
}
