import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { partitionOf } from '../../base/murmur2.ts';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { createRedisCache } from '../../connectors/redis/index.ts';
import { describeWith } from '../stack/suite.ts';
import { presenceCacheContract } from './presence-cache.contract.ts';
import { progress, T0, userState, write } from './states.ts';

presenceCacheContract('The in-process cache', { make: (now) => createInProcessCache({ now }) });

await describeWith('The Redis cache', ['redis'], ({ redis: url }) => {
  presenceCacheContract('on a real Redis', { make: (now) => createRedisCache({ url, logger: silentLogger, now }) });

  test('keys, fields and scores are where the contract says, and the blob is plain JSON', async () => {
    const cache = createRedisCache({ url, logger: silentLogger });
    const client = new Redis(url);
    const key = 'acme/ada';
    const n = partitionOf(key, 64);
    await cache.apply([write(userState(key, { last_seen: T0 + 7 }), 5)], [progress(0, 6, { partition: 3 })]);
    const blob = JSON.parse((await client.hget(`presence:state:{${n}}`, key))!);
    expect(blob).toMatchObject({ user_id: 'ada', state: 'online', version: 1, public: { user_id: 'ada', state: 'online' } });
    expect(await client.zscore(`presence:last_seen:{${n}}`, key)).toBe(String(T0 + 7));
    expect(JSON.parse((await client.hget('presence:progress', '3'))!)).toMatchObject({ partition: 3, offset: 6 });

    await client.hset(`presence:state:{${n}}`, key, 'not ours');
    expect((await cache.read([key])).blobs, 'what somebody else wrote there is not a presence').toEqual([null]);
    await cache.apply([write(userState(key), 5)], []);
    expect((await cache.read([key])).blobs[0]).not.toBeNull();
    client.disconnect();
    await cache.close();
  });
});
