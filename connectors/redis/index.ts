export { createRedisCache, type RedisCacheOptions } from './cache.ts';
export { lastSeenKey, progressKey, SHARDS, shardOf, stateKey } from './keys.ts';
