/**
 * While a partition has no owner, what is read of its users is said to be stale; an instance that comes back, or a standby that
 * takes over, goes on where the one before it was. On real parts, each role a process of its own, snapshots in STATE_DIR.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isSkipped } from '../stack/index.ts';
import { tempFolder } from '../stack/process.ts';
import { skipSuite } from '../stack/suite.ts';
import { presenceOf, Stream, until } from './client.ts';
import { presence } from './process.ts';
import { makeSystem } from './system.ts';

const stateDir = tempFolder('state');
const system = await makeSystem('real', { STATE_DIR: stateDir });
if (isSkipped(system)) skipSuite('Takeover on real parts', system.skipped);
else
  test('without a topology reads are stale and nobody is declared offline; the next one goes on from its snapshot', {
    timeout: 180_000,
  }, async () => {
    await system.start();
    const [ada, bob] = ['ada', 'bob'].map((name) => `${name}-${randomUUID().slice(0, 8)}`) as [string, string];
    const user = await Stream.open(system.url, ada);
    user.hello({ state: 'busy' });
    const read = () => presenceOf(system.url, bob, ada);
    await until(read, ({ state }) => state === 'busy');

    const [topology] = system.processes;
    await topology?.end('SIGTERM');
    expect(existsSync(join(stateDir, 'presence.state', '0.image'))).toBe(true);
    const stale = await until(read, (one) => one.stale);
    expect(stale).toMatchObject({ state: 'busy', devices: 1 });
    // They share the partitions, each the other's standby.
    const later = [1, 2].map(() => presence(['up', '--port', '0', '--role', 'topology'], system.env));
    const [first, second] = later as [(typeof later)[0], (typeof later)[0]];
    await Promise.all(later.map((one) => one.printed(/presence is up/)));
    expect(await until(read, (one) => !one.stale)).toMatchObject({ state: 'busy', version: stale.version });
    expect(first.stdout + first.stderr + second.stdout + second.stderr).toContain('A partition has been taken.');

    await first.end('SIGKILL');
    user.send({ type: 'heartbeat', seq: 1, state: 'away' });
    // Whoever had it, it is one step from what it was: nobody was offline meanwhile.
    expect(await until(read, ({ state, stale: old }) => state === 'away' && !old)).toMatchObject({ version: stale.version + 1 });
    user.close();
    expect((await second.end()).code).toBe(0);
    await system.stop();
  });
