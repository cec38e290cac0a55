/**
 * What must hold once a storm is over and everything has been read: the log, the database and the cache
 * tell one story, and the ledger shows no loss. Returns every fault that it finds, in words.
 */
import { Redis } from 'ioredis';
import pg from 'pg';
import { partitionOf } from '../../base/murmur2.ts';
import type { Log } from '../../ports/log.ts';
import type { Codecs } from '../../schemas/codec.ts';
import type { Diff, PartitionState } from '../../schemas/generated.ts';
import type { PresenceBlob } from '../../schemas/presence.ts';
import { partitionKey, topicNames } from '../../schemas/topics.ts';

export interface Evidence {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

const CACHE_SHARDS = 64;

/** Every committed record of a topic that has a value, by partition and offset. */
async function eachRecord(
  { log, codecs }: Pick<Evidence, 'log' | 'codecs'>,
  topic: string,
  then: (value: Buffer, key: string, partition: number) => void,
): Promise<void> {
  const partitions = await log.partitions(topic);
  for (let partition = 0; partition < partitions; partition++) {
    await log.read({
      topic,
      partition,
      from: 0,
      onBatch: async ({ records }) => {
        await codecs.prepare(records.map(({ value }) => value));
        for (const { key, value } of records) if (value !== null) then(value, String(key), partition);
      },
    });
  }
}

/** Every committed diff. */
async function readDiffs(evidence: Evidence): Promise<Diff[]> {
  const diffs: Diff[] = [];
  await eachRecord(evidence, topicNames.diffs, (value) => void diffs.push(evidence.codecs.diff.decode(value)));
  return diffs;
}

/** The newest partition record of each partition. */
async function readPartitionStates(evidence: Evidence): Promise<PartitionState[]> {
  const states: PartitionState[] = [];
  await eachRecord(evidence, topicNames.state, (value, key, partition) => {
    if (key === partitionKey(partition)) states[partition] = evidence.codecs.partitionState.decode(value);
  });
  return states;
}

const isOwn = (diff: Diff): boolean => diff.audience !== 'others';

/** Versions run 1, 2, 3 … in each epoch, each diff begins where the one before ended. */
function faultsOfDiffs(diffs: readonly Diff[]): { faults: string[]; last: Map<string, Diff> } {
  const faults: string[] = [];
  const last = new Map<string, Diff>();
  for (const diff of diffs.filter(isOwn)) {
    const before = last.get(diff.user_id);
    const expected = before === undefined || before.epoch !== diff.epoch ? 1 : before.version + 1;
    const where = `${diff.user_id}, ${new Date(diff.at).toISOString()}, ${diff.cause}, input offset ${diff.offset}`;
    if (diff.version !== expected) {
      const previous = before === undefined ? 'none' : `input offset ${before.offset}, ${new Date(before.at).toISOString()}`;
      faults.push(`log: version ${diff.version} where ${expected} should be (${where}; before it: ${previous})`);
    }
    if (before !== undefined && before.to !== diff.from) {
      faults.push(`log: from ${diff.from}, but was ${before.to} (version ${diff.version}, ${where})`);
    }
    last.set(diff.user_id, diff);
  }
  return { faults, last };
}

async function faultsOfDatabase(databaseUrl: string, last: ReadonlyMap<string, Diff>): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const faults: string[] = [];
    const history = await client.query<{ user_id: string; n: string; lowest: string; highest: string }>(
      `SELECT user_id, epoch, count(*) AS n, min(version) AS lowest, max(version) AS highest
       FROM presence_history GROUP BY user_id, epoch`,
    );
    const highest = new Map<string, number>();
    for (const row of history.rows) {
      if (Number(row.lowest) !== 1 || row.n !== row.highest) {
        faults.push(`presence_history: ${row.user_id} has ${row.n} versions from ${row.lowest} to ${row.highest}`);
      }
      highest.set(row.user_id, Math.max(highest.get(row.user_id) ?? 0, Number(row.highest)));
    }
    const users = await client.query<{ user_id: string; state: string; version: string }>(
      'SELECT user_id, state, version FROM presence_users',
    );
    const rows = new Map(users.rows.map((row) => [row.user_id, row]));
    for (const [user, diff] of last) {
      if (highest.get(user) !== diff.version)
        faults.push(`presence_history: ${user} ends at ${highest.get(user)}, the last diff is ${diff.version}`);
      const row = rows.get(user);
      if (row === undefined || Number(row.version) !== diff.version || row.state !== diff.to) {
        faults.push(
          `presence_users: ${user} is ${row?.state} at ${row?.version}, the last diff says ${diff.to} at ${diff.version}`,
        );
      }
    }
    return faults;
  } finally {
    await client.end();
  }
}

async function faultsOfCache(redisUrl: string, last: ReadonlyMap<string, Diff>): Promise<string[]> {
  const redis = new Redis(redisUrl);
  try {
    const faults: string[] = [];
    for (const [user, diff] of last) {
      const json = await redis.hget(`presence:state:{${partitionOf(user, CACHE_SHARDS)}}`, user);
      const blob = json === null ? null : (JSON.parse(json) as PresenceBlob);
      if (blob?.version !== diff.version || blob.state !== diff.to) {
        faults.push(`cache: ${user} is ${blob?.state} at ${blob?.version}, the last diff says ${diff.to} at ${diff.version}`);
      }
    }
    return faults;
  } finally {
    redis.disconnect();
  }
}

/** All faults; none is what there should be. */
export async function verify(
  evidence: Evidence,
): Promise<{ readonly faults: readonly string[]; readonly diffs: readonly Diff[] }> {
  const diffs = await readDiffs(evidence);
  const { faults, last } = faultsOfDiffs(diffs);
  const partitions = await readPartitionStates(evidence);
  for (const state of partitions) {
    if (state.missing > 0) faults.push(`ledger: partition ${state.partition} misses ${state.missing} ordinals`);
  }
  const stored = await Promise.all([faultsOfDatabase(evidence.databaseUrl, last), faultsOfCache(evidence.redisUrl, last)]);
  return { faults: [...faults, ...stored.flat()], diffs };
}
