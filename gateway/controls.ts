/**
 * What the topology says to this gateway (presence.deliveries, from its end at our start: our id is new, so
 * nothing before can be for us). At least once; repeats are harmless.
 */
import { hasCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter } from '../base/metrics.ts';
import type { Follower, Log, LogBatch } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { topicNames } from '../schemas/topics.ts';

export interface ControlHandlers {
  /** That connection no longer speaks for the device. */
  readonly lost: (control: { readonly user_id: string; readonly device_id: string; readonly connection_id: string }) => void;
  /** State anew every device held on that partition. */
  readonly restate: (partition: number) => void;
}

export interface ControlOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  readonly gatewayId: string;
  readonly handlers: ControlHandlers;
}

const controls = counter('presence_gateway_controls_total', 'Control records from the topology, by kind.', ['kind']);

/** Rejects with LOG_UNAVAILABLE. */
export function followControls(options: ControlOptions): Promise<Follower> {
  const { log, codecs, logger, gatewayId, handlers } = options;
  const onBatch = async (batch: LogBatch): Promise<void> => {
    const mine = batch.records.filter((record) => record.value !== null && record.key?.toString() === gatewayId);
    if (mine.length === 0) return;
    await codecs.prepare(mine.map((record) => record.value));
    for (const record of mine) {
      try {
        const control = codecs.delivery.decode(record.value as Buffer);
        controls.inc({ kind: control.kind });
        const { user_id, device_id, connection_id, partition } = control;
        if (control.kind === 'restate' && partition !== null) handlers.restate(partition);
        if (control.kind === 'lost' && user_id !== null && device_id !== null && connection_id !== null) {
          handlers.lost({ user_id, device_id, connection_id });
        }
      } catch (error) {
        // The topology's next mismatch says it again; stopping here would stop every later control.
        if (!hasCode(error, 'UNDECODABLE')) throw error;
        logger.warn(
          { err: error, partition: batch.partition, offset: record.offset },
          'A control record cannot be read; it is left out.',
        );
      }
    }
  };
  return log.follow({ topics: [topicNames.deliveries], from: 'end', onBatch });
}
