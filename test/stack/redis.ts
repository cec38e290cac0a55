/** A Redis server of its own, with append-only persistence, so that a restart keeps what was acknowledged. */
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { containerRunner, engineAnswers } from './containers.ts';
import { ensureCommand } from './machine.ts';
import { type Part, type Skipped, startPart } from './part.ts';
import { freePort, processRunner, tempFolder } from './process.ts';
import { orSkipped } from './skip.ts';

const imageVersion = '7.4';

/** Starts a Redis for the caller alone: `redis://127.0.0.1:port`, 64 databases. */
export async function redis(): Promise<Part | Skipped> {
  return await orSkipped('Redis', async () => {
    const port = await freePort();
    const settings = ['--databases', '64', '--appendonly', 'yes', '--appendfsync', 'no', '--save', ''];
    const container = await engineAnswers();
    if (!container) await ensureCommand('redis-server', ['redis-server']);
    const folder = tempFolder('redis');
    const runner = container
      ? containerRunner({ image: `redis:${imageVersion}`, port, inside: 6379, command: ['redis-server', ...settings] })
      : processRunner({
          name: 'redis',
          folder,
          command: ['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...settings],
        });
    return await startPart({
      description: container ? `Redis ${imageVersion} (container)` : `Redis ${nativeVersion()} (native)`,
      url: `redis://127.0.0.1:${port}`,
      runner,
      answers: () => pong(port),
    });
  });
}

const nativeVersion = (): string =>
  /v=([\d.]+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? '?';

function pong(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(1000, () => socket.destroy(new Error('Redis did not answer.')));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      if (String(data).startsWith('+PONG')) resolve();
      else reject(new Error(`Redis answered ${String(data).trim()}`));
    });
  });
}
