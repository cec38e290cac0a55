import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { partitionOf } from '../../base/murmur2.ts';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { createRedisCache } from '../../connectors/redis/index.ts';
import { freePort } from '../stack/index.ts';
import { describeWith, skipSuite } from '../stack/suite.ts';
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

interface Cluster {
  readonly url: string;
  stop(): void;
}

/** null where redis-cli or the server's cluster mode is not to be had. */
async function startCluster(): Promise<Cluster | null> {
  if (spawnSync('redis-cli', ['--version']).status !== 0) return null;
  // A port may be taken by somebody else before its node has it: then all is begun anew.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const cluster = await tryCluster();
    if (cluster !== null) return cluster;
  }
  return null;
}

/** Three nodes, no replicas. */
async function tryCluster(): Promise<Cluster | null> {
  const ports = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const [clients, buses] = [ports.slice(0, 3), ports.slice(3)];
  const folders = clients.map(() => mkdtempSync(join(tmpdir(), 'presence-cluster-')));
  const nodes = clients.map((port, i) => {
    const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(buses[i])];
    const settings = [...cluster, '--bind', '127.0.0.1', '--save', '', '--dir', folders[i]!];
    return spawn('redis-server', ['--port', String(port), ...settings], { stdio: 'ignore' });
  });
  const stop = (): void => {
    for (const node of nodes) node.kill('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  const hosts = clients.map((port) => `127.0.0.1:${port}`);
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const made = spawnSync('redis-cli', ['--cluster', 'create', ...hosts, '--cluster-yes'], { encoding: 'utf8' });
    if (made.status === 0) return { url: `redis://${hosts.join()}`, stop };
    if (nodes.some(({ exitCode }) => exitCode !== null)) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  stop();
  return null;
}

const cluster = await startCluster();
if (cluster === null) skipSuite('The Redis cache on a cluster', 'no redis-cli, or no cluster mode');
else {
  afterAll(() => cluster.stop());
  presenceCacheContract('The Redis cache on a cluster of three', {
    make: (now) => createRedisCache({ url: cluster.url, logger: silentLogger, now }),
  });
}
