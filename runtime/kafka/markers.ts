/**
 * How transactions end in the log itself.
 *
 * A coordinator answers a commit once it has decided it, and writes a marker into each partition afterwards. A broker that
 * stops or starts may lose that second half: where it knows no leader of a partition at that moment it takes the partition
 * for deleted and leaves it out, and its own record of the transaction says *complete* all the same [measured on 4.3.1, one
 * broker, SIGTERM and SIGKILL: prepared and completed in one millisecond, no marker]. What was acknowledged then hangs:
 * no reader gets it, and the id's next marker decides it, whichever way that goes: half of a transaction, where one partition has
 * its marker and another has not. So neither a commit nor the end of what is left over counts until its markers have been
 * read back, and what is left over ends as its transaction did.
 */
import type { TopicPartition } from '../../ports/log.ts';
import type { Connection } from './client.ts';
import { listOffset } from './fetcher.ts';
import { protocolError } from './internals.ts';
import { findMarker } from './record-batch.ts';
import { type FetchPosition, fetch } from './requests.ts';

const LIMITS = { maxWait_ms: 50, maxBytes: 1 << 20, partitionBytes: 64 << 10, uncommitted: true };

/** Where these partitions end now, decided or not. */
export const endsOf = (connection: Connection, partitions: readonly TopicPartition[]): Promise<FetchPosition[]> =>
  Promise.all(
    partitions.map(async ({ topic, partition }) => ({
      topic,
      partition,
      offset: await listOffset(connection, { topic, partition }, -1, 0),
    })),
  );

/**
 * Looks for the producer's marker from each of these positions on. `open`: where to look on; empty when all were found.
 * `aborted`: whether one of those found is an abort.
 */
export async function findMarkers(
  connection: Connection,
  producerId: number,
  positions: readonly FetchPosition[],
): Promise<{ readonly open: readonly FetchPosition[]; readonly aborted: boolean }> {
  await connection.prepare([...new Set(positions.map(({ topic }) => topic))]);
  const { leaders, orphans } = connection.byLeader(positions);
  if (orphans.length > 0) throw orphans[0];
  const asked = [...leaders].map(([leader, some]) => connection.send(leader, fetch(some, LIMITS)));
  const answers = (await Promise.all(asked)).flat();
  let aborted = false;
  const open = positions.flatMap((position): readonly FetchPosition[] => {
    const answer = answers.find(({ topic, partition }) => topic === position.topic && partition === position.partition);
    if (answer === undefined) return [position];
    if (answer.errorCode !== 0) throw protocolError(answer.errorCode);
    const { end, nextOffset } = findMarker(answer.data, position.offset, producerId);
    if (end === null) return [{ ...position, offset: nextOffset }];
    aborted ||= end === 'abort';
    return [];
  });
  return { open, aborted };
}
