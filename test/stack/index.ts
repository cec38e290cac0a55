/**
 * Real parts for tests and benchmarks. Each call starts one for the caller alone; a suite that does not hurt
 * its part shares it with the others through `suite.ts`.
 */
export { browser, browserArgs } from './browser.ts';
export { kafka } from './kafka.ts';
export { isSkipped, type KafkaPart, type Part, type Skipped } from './part.ts';
export { freshDatabase, postgres } from './postgres.ts';
export { freePort } from './process.ts';
export { redis } from './redis.ts';
export { schemaRegistry } from './schema-registry.ts';
