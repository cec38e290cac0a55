/** Several gateways of one machine on one port: each takes its share, and one that ends leaves its clients to the others. */
import { expect, test } from 'vitest';
import { freePort, isSkipped } from '../stack/index.ts';
import { skipSuite } from '../stack/suite.ts';
import { Stream, until } from './client.ts';
import { type Presence, presence } from './process.ts';
import { makeSystem } from './system.ts';

const CLIENTS = 40;

const system = await makeSystem('real');
if (isSkipped(system)) skipSuite('A shared port', system.skipped);
else
  test('two gateways share a port, are asked for their figures on ports of their own, and lose no client when one ends', {
    timeout: 180_000,
  }, async () => {
    await system.start();
    const [port, ...ops] = [await freePort(), await freePort(), await freePort()] as [number, number, number];
    const shared = ['--port', String(port), '--share-port', 'true'];
    const start = (own: number): Presence =>
      presence(['up', '--role', 'gateway', ...shared, '--ops-port', String(own)], system.env);
    const [first, second] = ops.map(start) as [Presence, Presence];
    const [, url] = await first.printed(/presence is up: (\S+)/);
    await second.printed(/presence is up/);

    const connections = async (own: number): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${own}/metrics`)).text();
      return Number(/^presence_gateway_connections (\d+)$/m.exec(text)?.[1]);
    };
    const all = () => Promise.all(ops.map(connections));
    const streams = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => Stream.open(url as string, `sharer-${i}`)));
    const before = await until(all, ([a = 0, b = 0]) => a + b === CLIENTS);
    // All on one of two: once in 2^39.
    expect(Math.min(...before)).toBeGreaterThan(0);
    for (const own of ops) expect((await fetch(`http://127.0.0.1:${own}/readyz`)).status).toBe(200);

    expect((await first.end()).code).toBe(0);
    // Who comes now finds the other one.
    const later = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => Stream.open(url as string, `late-sharer-${i}`)));
    expect(
      await until(
        () => connections(ops[1] as number),
        (now) => now === (before[1] as number) + CLIENTS,
      ),
    ).toBeGreaterThan(CLIENTS);

    // Whoever does not say that it shares is refused the port.
    const third = presence(['up', '--role', 'gateway', '--port', String(port)], system.env);
    expect((await third.ended).code).toBe(2);
    expect(third.stderr).toContain(`PORT ${port}`);
    for (const stream of [...streams, ...later]) stream.close();
    expect((await second.end()).code).toBe(0);
    await system.stop();
  });
