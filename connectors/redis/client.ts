/**
 * A connection to one Redis or to a Redis cluster, as the cache needs it: several commands in one round trip,
 * and a quick "not now" while it is away.
 *
 * **Model.** Nothing is queued for a Redis that is away: a command is sent on a ready connection or refused at
 * once with STORE_UNAVAILABLE, because a reader has the database and a sink has its log to try again from. Only the
 * very first connection is waited for, for a second. The connection is made again by itself, with pauses from
 * 50 ms to 1 s. A Redis that takes commands and doesn't answer within a second is treated as away: its
 * connection is dropped, so that the next callers don't wait too.
 */
import { Cluster, type ClusterNode, Redis } from 'ioredis';
import { PresenceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Script } from './scripts.ts';

export interface RedisClientOptions {
  /**
   * `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. A cluster: `rediscluster://` (TLS: `redisscluster://`),
   * or several hosts (`redis://a:6379,b:6379`).
   */
  readonly url: string;
  readonly logger: Logger;
  /** How long a command may take before Redis counts as away. Default 1,000. */
  readonly timeout_ms?: number;
}

export type Argument = string | number | Buffer;
export type Command = readonly [name: string, ...args: Argument[]];

export interface RedisClient {
  /** All replies, in order; on one Redis the commands run in this order. Rejects with STORE_UNAVAILABLE if any fails. */
  send(commands: readonly Command[]): Promise<readonly unknown[]>;
  /** The same of one script, each call with its own keys and arguments. */
  run(
    script: Script,
    calls: readonly { readonly keys: readonly string[]; readonly args: readonly Argument[] }[],
  ): Promise<readonly unknown[]>;
  /** Commands of one `send` may run on several nodes, in any order. */
  readonly isCluster: boolean;
  close(): Promise<void>;
}

export function connectRedis(options: RedisClientOptions): RedisClient {
  const timeout_ms = options.timeout_ms ?? 1_000;
  const where = placeOf(options.url);
  const client = openRedis(options.url, timeout_ms, options.logger);
  const firstReady = untilFirstReady(client, timeout_ms);

  const unavailable = (cause: unknown): PresenceError =>
    new PresenceError(
      'STORE_UNAVAILABLE',
      `Redis cannot be used now: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        at: where,
        retriable: true,
        cause,
      },
    );

  /** Each command settles by itself: a reply or an Error. */
  const attempt = async (commands: readonly Command[]): Promise<readonly unknown[]> => {
    await firstReady;
    if (client.status !== 'ready') throw unavailable(new Error(`the connection is ${client.status}`));
    if (client instanceof Cluster) {
      return await Promise.all(commands.map(([name, ...args]) => client.call(name, ...args).catch((error: unknown) => error)));
    }
    const pipeline = client.pipeline();
    for (const [name, ...args] of commands) pipeline.call(name, ...args);
    const replies = (await pipeline.exec()) ?? [];
    return replies.map(([error, reply]) => error ?? reply);
  };

  const settled = (replies: readonly unknown[]): readonly unknown[] => {
    const fault = replies.find((reply) => reply instanceof Error);
    if (fault === undefined) return replies;
    if (/timed out/i.test((fault as Error).message) && client instanceof Redis) client.disconnect(true);
    throw unavailable(fault);
  };

  return {
    isCluster: client instanceof Cluster,
    send: async (commands) => (commands.length === 0 ? [] : settled(await attempt(commands))),
    run: async (script, calls) => {
      if (calls.length === 0) return [];
      const replies = [...(await attempt(calls.map(({ keys, args }) => ['EVALSHA', script.sha, keys.length, ...keys, ...args])))];
      // A node that restarted has forgotten the script: once more with its text, which it then keeps.
      const forgotten = [...replies.keys()].filter(
        (i) => replies[i] instanceof Error && (replies[i] as Error).message.startsWith('NOSCRIPT'),
      );
      if (forgotten.length > 0) {
        const again = await attempt(
          forgotten.map((i) => {
            const { keys, args } = calls[i]!;
            return ['EVAL', script.lua, keys.length, ...keys, ...args];
          }),
        );
        for (const [j, i] of forgotten.entries()) replies[i] = again[j];
      }
      return settled(replies);
    },
    close: async () => {
      client.disconnect();
    },
  };
}

/** Connects in the background, and again whenever the connection is lost. Nothing is queued for one that is away. */
export function openRedis(url: string, timeout_ms: number, logger: Logger): Redis | Cluster {
  const client = open(url, timeout_ms);
  watch(client, placeOf(url), logger);
  return client;
}

const retry = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 5), 1_000);

function open(url: string, timeout_ms: number): Redis | Cluster {
  const common = {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: timeout_ms,
    commandTimeout: timeout_ms,
    keepAlive: 5_000,
  } as const;
  const nodes = clusterNodes(url);
  if (nodes === null) return new Redis(url, { ...common, retryStrategy: retry });
  const { auth, tls, hosts } = nodes;
  return new Cluster([...hosts], {
    enableOfflineQueue: false,
    clusterRetryStrategy: retry,
    slotsRefreshTimeout: timeout_ms,
    redisOptions: { ...common, ...auth, ...(tls ? { tls: {} } : {}) },
  });
}

/** The nodes that a cluster's address names; null for a single Redis. */
export function clusterNodes(
  url: string,
): { hosts: readonly ClusterNode[]; auth: { username?: string; password?: string }; tls: boolean } | null {
  const [, scheme, user, password, hosts] = /^([a-z]+):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]+)/.exec(url) ?? [];
  if (hosts === undefined || (!hosts.includes(',') && !scheme!.includes('cluster'))) return null;
  return {
    hosts: hosts.split(',').map((host) => {
      const [name, port] = host.split(/:(?=\d+$)/);
      return { host: name!, port: Number(port ?? 6379) };
    }),
    auth: {
      ...(user ? { username: decodeURIComponent(user) } : {}),
      ...(password ? { password: decodeURIComponent(password) } : {}),
    },
    tls: scheme!.startsWith('rediss'),
  };
}

/** The address without its password. */
const placeOf = (url: string): string => url.replace(/\/\/[^@/]*@/, '//');

/** One line when Redis goes and one when it comes. */
function watch(client: Redis | Cluster, where: string, logger: Logger): void {
  let away = false;
  client.on('error', (error: Error) => {
    if (!away) logger.warn({ redis: where, error: error.message }, 'Redis cannot be reached; trying again until it answers.');
    away = true;
  });
  client.on('ready', () => {
    if (away) logger.info({ redis: where }, 'Redis answers again.');
    away = false;
  });
}

function untilFirstReady(client: Redis | Cluster, timeout_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, timeout_ms);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    client.once('ready', done);
    client.once('error', done);
    client.once('end', done);
  });
}
