/** A shared count in Redis, by rate-limiter-flexible: a key a user and limit, which ends with its period. */
import type { Cluster, Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { SharedLimit, SharedRate } from '../../ports/shared-rate.ts';
import { openRedis } from './client.ts';

export interface SharedRateOptions extends SharedLimit {
  /** See RedisClientOptions. */
  readonly url: string;
  readonly logger: Logger;
  /** How long Redis may take. Default 1,000. */
  readonly timeout_ms?: number;
}

/** Connects in the background. */
export function createRedisSharedRate({ url, logger, timeout_ms = 1_000, ...limit }: SharedRateOptions): SharedRate {
  const client: Redis | Cluster = openRedis(url, timeout_ms, logger);
  const limiter = new RateLimiterRedis({
    storeClient: client,
    keyPrefix: `presence:rate:${limit.name}`,
    points: limit.points,
    duration: limit.period_s,
    rejectIfRedisNotReady: true,
  });
  return {
    async count(key, n) {
      try {
        await limiter.consume(key, n);
        return 0;
      } catch (error) {
        if (error instanceof RateLimiterRes) return Math.max(1, error.msBeforeNext);
        throw new PresenceError('STORE_UNAVAILABLE', 'The shared rate cannot be counted now.', {
          at: 'REDIS_URL',
          retriable: true,
          cause: error,
        });
      }
    },
    close: async () => client.disconnect(),
  };
}
