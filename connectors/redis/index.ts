export { createRedisCache, type RedisCacheOptions } from './cache.ts';
export { lastSeenKey, progressKey, SHARDS, shardOf, stateKey } from './keys.ts';
export { createRedisSharedRate } from './shared-rate.ts';
