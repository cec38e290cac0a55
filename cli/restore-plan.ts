/** What a restore of the presence topology would read, partition by partition, and whether the log still has it. */
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { PartitionState } from '../schemas/generated.ts';
import { partitionKey, topicNames } from '../schemas/topics.ts';

export interface PartitionPlan {
  readonly partition: number;
  /** Records of presence.state that are read: its log is compacted, so at least one a user. */
  readonly stateRecords: number;
  readonly users: number;
  /** Where the partition record stands; null where there is none yet: the input is read from its start. */
  readonly recorded: Pick<PartitionState, 'topology' | 'epoch' | 'offset' | 'tail_offset' | 'missing' | 'repeated'> | null;
  /** The first input offset that is read, and the one behind the last. */
  readonly readFrom: number;
  readonly readTo: number;
  readonly logStart: number;
  /** Why it cannot be restored; null if it can. */
  readonly problem: string | null;
}

export interface RestorePlanOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  /** One partition alone. */
  readonly only?: number;
}

/** Reads presence.state whole, and of presence.signals only where it begins and ends. */
export async function planRestore({ log, codecs, only }: RestorePlanOptions): Promise<readonly PartitionPlan[]> {
  const plans: PartitionPlan[] = [];
  for (const { partition, start, end } of await log.offsets(topicNames.signals)) {
    if (only !== undefined && partition !== only) continue;
    const { records, users, recorded } = await readState(log, codecs, partition);
    const readFrom = recorded?.tail_offset ?? 0;
    const missing = recorded !== null || start > 0 ? start > readFrom : false;
    const problem = missing
      ? `the log begins at ${start}; offsets ${readFrom} to ${start - 1}, which the state does not hold, are gone`
      : null;
    plans.push({ partition, stateRecords: records, users, recorded, readFrom, readTo: end, logStart: start, problem });
  }
  return plans;
}

async function readState(
  log: Log,
  codecs: Codecs,
  partition: number,
): Promise<{ records: number; users: number; recorded: PartitionState | null }> {
  const ours = partitionKey(partition);
  const users = new Set<string>();
  let records = 0;
  let newest: Buffer | null = null;
  await log.read({
    topic: topicNames.state,
    partition,
    from: 0,
    onBatch: (batch) => {
      for (const { key, value } of batch.records) {
        records += 1;
        const name = key?.toString() ?? '';
        if (name === ours) newest = value;
        else if (value === null) users.delete(name);
        else users.add(name);
      }
    },
  });
  if (newest === null) return { records, users: users.size, recorded: null };
  const wait = codecs.prepare([newest]);
  if (wait !== undefined) await wait;
  return { records, users: users.size, recorded: codecs.partitionState.decode(newest) };
}

export function restorePlanText(plan: readonly PartitionPlan[]): string {
  const lines = plan.map(({ partition, stateRecords, users, recorded, readFrom, readTo, problem }) => {
    const at =
      recorded === null
        ? 'nothing processed yet'
        : `${recorded.topology}, epoch ${recorded.epoch}, processed up to ${recorded.offset}`;
    const reads = `reads ${stateRecords} state records (${users} users) and signals ${readFrom} to ${readTo - 1}`;
    return `partition ${partition}: ${problem === null ? reads : `NO BASE: ${problem}`}; ${at}\n`;
  });
  return lines.join('');
}
