export { createInProcessCache, type InProcessCacheOptions } from './cache.ts';
