/**
 * The cache of present states in Redis: hashes `presence:state:{n}`, sorted sets `presence:last_seen:{n}`, one
 * pair for each of 64 shards, and the sinks' progress in `presence:progress`.
 *
 * **Writes.** One script call a shard and batch, all sent at once; each compares (epoch, offset) with what is there,
 * so that a late, repeated or zombie writer changes nothing. Progress is written after every shard has answered,
 * never in the same round trip: a write that failed must not be passed over.
 *
 * **Reads.** Progress first, then blobs, in one round trip on one Redis (two on a cluster, whose nodes keep no common
 * order): a blob is never older than the progress it is returned with. Redis 7.0 cannot expire a hash's field, so a
 * filled entry carries its end, and readers honour it.
 */
import type { Logger } from '../../base/logger.ts';
import { histogram } from '../../base/metrics.ts';
import type {
  CacheRead,
  Gap,
  PresenceCache,
  Progress,
  ProgressWrite,
  StateErasure,
  StateWrite,
} from '../../ports/presence-cache.ts';
import type { PresenceBlob } from '../../schemas/presence.ts';
import { type Argument, type Command, connectRedis, type RedisClient } from './client.ts';
import { decodeBlob, decodeProgress, encodeBlob, encodeProgress, lastSeenKey, progressKey, shardOf, stateKey } from './keys.ts';
import { moveProgress, writeStates } from './scripts.ts';

const seconds = histogram('presence_redis_seconds', 'Calls of the cache, by what they do.', ['op']);

export interface RedisCacheOptions {
  /** See RedisClientOptions. */
  readonly url: string;
  readonly logger: Logger;
  /** How long a command may take before Redis counts as away. Default 1,000. */
  readonly timeout_ms?: number;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
}

/** Connects in the background; every method rejects with STORE_UNAVAILABLE while Redis is away. */
export function createRedisCache(options: RedisCacheOptions): PresenceCache {
  const now = options.now ?? Date.now;
  const client = connectRedis(options);
  const timed = async <T>(op: string, work: () => Promise<T>): Promise<T> => {
    const done = seconds.startTimer({ op });
    try {
      return await work();
    } finally {
      done();
    }
  };
  return {
    apply: (writes, progress, erasures = []) =>
      timed('apply', async () => {
        await client.run(writeStates, shardCalls([...writes.map(writeArguments), ...erasures.map(erasureArguments)], now()));
        return await applyProgress(client, progress);
      }),
    read: (keys) => timed('read', () => read(client, keys, now())),
    fill: (writes, ttl_ms) =>
      timed('fill', async () => {
        const expires_at = now() + ttl_ms;
        const filled = writes.map((write) => writeArguments({ ...write, blob: { ...write.blob, expires_at } }));
        await client.run(writeStates, shardCalls(filled, now()));
      }),
    ping: async () => {
      await client.send([['PING']]);
    },
    close: () => client.close(),
  };
}

type WriteArguments = readonly [key: string, epoch: number, offset: number, blob: string, lastSeen: number];

const writeArguments = ({ key, blob, last_seen_ms }: StateWrite): WriteArguments => [
  key,
  blob.epoch,
  blob.offset,
  encodeBlob(blob),
  last_seen_ms,
];
const erasureArguments = ({ key, epoch, offset }: StateErasure): WriteArguments => [key, epoch, offset, '', 0];

/** One call for each shard that the writes touch. */
function shardCalls(writes: readonly WriteArguments[], now: number): { keys: string[]; args: Argument[] }[] {
  const calls = new Map<number, { keys: string[]; args: Argument[] }>();
  for (const write of writes) {
    const shard = shardOf(write[0]);
    let call = calls.get(shard);
    if (call === undefined) calls.set(shard, (call = { keys: [stateKey(shard), lastSeenKey(shard)], args: [now] }));
    call.args.push(...write);
  }
  return [...calls.values()];
}

async function applyProgress(client: RedisClient, progress: readonly ProgressWrite[]): Promise<readonly Gap[]> {
  if (progress.length === 0) return [];
  const args = progress.flatMap(({ from, ...to }) => [to.partition, from, to.epoch, to.offset, encodeProgress(to)]);
  const [flat] = (await client.run(moveProgress, [{ keys: [progressKey], args }])) as [readonly number[]];
  const gaps: Gap[] = [];
  for (let i = 0; i < flat.length; i += 2) gaps.push({ partition: flat[i]!, offset: flat[i + 1]! });
  return gaps;
}

async function read(client: RedisClient, keys: readonly string[], now: number): Promise<CacheRead> {
  const shards = new Map<number, { readonly places: number[]; readonly fields: string[] }>();
  for (const [place, key] of keys.entries()) {
    const n = shardOf(key);
    let shard = shards.get(n);
    if (shard === undefined) shards.set(n, (shard = { places: [], fields: [] }));
    shard.places.push(place);
    shard.fields.push(key);
  }
  const first: Command = ['HVALS', progressKey];
  const rest: Command[] = [...shards].map(([n, { fields }]) => ['HMGET', stateKey(n), ...fields]);
  const replies = client.isCluster
    ? [...(await client.send([first])), ...(await client.send(rest))]
    : await client.send([first, ...rest]);
  const [records, ...found] = replies as [string[], ...(string | null)[][]];

  const blobs: (PresenceBlob | null)[] = new Array(keys.length).fill(null);
  for (const [i, { places }] of [...shards.values()].entries()) {
    for (const [j, place] of places.entries()) {
      const json = found[i]![j];
      const blob = json == null ? null : decodeBlob(json);
      blobs[place] = blob?.expires_at !== undefined && blob.expires_at <= now ? null : blob;
    }
  }
  const progress = new Map<number, Progress>();
  for (const record of records.map(decodeProgress)) progress.set(record.partition, record);
  return { blobs, progress };
}
