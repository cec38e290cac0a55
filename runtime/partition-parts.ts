/** What a PartitionRunner (partition.ts) is given by its instance (runner.ts). */
import type { Logger } from '../base/logger.ts';
import type { Log, LogProducer, LogTransactions, TopicPartition } from '../ports/log.ts';
import type { ControlSender } from './controls.ts';
import type { ImageKeeper } from './image-keeper.ts';
import type { PartitionTicker } from './ticks.ts';
import type { RuntimeLimits, Wiring } from './wiring.ts';

export interface PartitionParts<I, S, P, D, C> {
  readonly log: Log;
  readonly wiring: Wiring<I, S, P, D, C>;
  readonly group: string;
  readonly partition: number;
  readonly limits: RuntimeLimits;
  readonly logger: Logger;
  readonly ticker: Omit<PartitionTicker, 'close'>;
  readonly controls: Pick<ControlSender, 'send'>;
  readonly images: ImageKeeper;
  /** For dead letters. */
  readonly producer: Pick<LogProducer, 'send'>;
  /** Takes this as the group's position: it succeeds only for a member that owns the partition. */
  readonly commitPosition: (offset: number) => Promise<void>;
  /** The partition's transactional id, or what stands for it where the guarantee is less; these partitions are written to. */
  readonly openTransactions: (writes: readonly TopicPartition[]) => Promise<LogTransactions>;
  readonly seek: (position: TopicPartition & { readonly offset: number }) => void;
}
