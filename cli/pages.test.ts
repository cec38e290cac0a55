/** What processes say of the topology, alone and of each other, through the server of a process without a gateway. */
import { createServer } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { presence } from '../topology/presence.ts';
import type { ProcessFigures, Watched } from './figures.ts';
import { type OpsServer, startOpsServer } from './ops-server.ts';
import { type Live, ownPages } from './pages.ts';

const servers: Pick<OpsServer, 'close'>[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

const running = (partition: number) => ({
  partition,
  state: 'running' as const,
  position: 7,
  lag: 0,
  stamp: 9,
  problem: null,
  code: null,
});

async function start(instance: string, partitions: readonly number[], urls: readonly string[] = []): Promise<string> {
  const watched: Watched = {
    spec: presence.spec,
    instance,
    roles: ['topology'],
    since: 1,
    partitionsTotal: 4,
    runner: { partitions: partitions.map(running) },
    sinks: null,
  };
  const pages = await ownPages({ watched, urls, alone: false });
  const server = await startOpsServer(
    { host: '127.0.0.1', port: 0, roles: ['topology'] },
    { pages, report: async () => new Map() },
  );
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}
const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;
const heard = ({ processes }: Live) =>
  processes.map((one) =>
    'problem' in one ? `${one.url} ${one.problem}` : `${one.instance} ${one.partitions.map(({ partition }) => partition)}`,
  );

describe('A process without a gateway', () => {
  test('serves page, figures and docs without a token, and leads from / to the topology', async () => {
    const url = await start('one', [0, 1]);
    const page = await fetch(`${url}/`);
    expect([page.status, page.url, page.headers.get('content-type')]).toEqual([
      200,
      `${url}/topology`,
      'text/html; charset=utf-8',
    ]);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    const again = await fetch(`${url}/topology.js`, {
      headers: { 'if-none-match': (await fetch(`${url}/topology.js`)).headers.get('etag')! },
    });
    expect(again.status).toBe(304);
    expect(await (await fetch(`${url}/docs/stages.md`)).text()).toContain('## dedupe');
    const client = await fetch(`${url}/client.js`);
    expect(client.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const module = await client.text();
    expect(module).toContain('createPresenceClient');
    // It needs no other.
    expect(module).not.toMatch(/\bimport\b/);
    const figures = await json<ProcessFigures>(`${url}/topology.json`);
    expect(figures).toMatchObject({ spec: presence.spec, instance: 'one', roles: ['topology'], partitions_total: 4, sinks: [] });
    expect(figures.partitions.map(({ partition, state, position }) => [partition, state, position])).toEqual([
      [0, 'running', 7],
      [1, 'running', 7],
    ]);
    expect((await fetch(`${url}/presence`)).status).toBe(503);
  });

  test('shows others beside itself, each once, and says who did not answer', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as { readonly port: number };
    await new Promise((done) => closed.close(done));
    const other = createServer((_, response) => response.end('{"hello":"world"}'));
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    servers.push({ close: () => new Promise((done) => other.close(() => done())) });
    const stranger = `http://127.0.0.1:${(other.address() as { readonly port: number }).port}`;

    const two = await start('two', [2, 3]);
    const whole = await json<Live>(`${await start('one', [0, 1], [two, two])}/topology/live`);
    expect([heard(whole), whole.complete]).toEqual([['one 0,1', 'two 2,3'], true]);
    const part = await json<Live>(`${await start('three', [], [two, `http://127.0.0.1:${port}`, stranger])}/topology/live`);
    expect(part.complete).toBe(false);
    expect(heard(part)).toEqual([
      'three ',
      'two 2,3',
      expect.stringMatching(new RegExp(`^http://127.0.0.1:${port} connect ECONNREFUSED`)),
      `${stranger} its answer is no topology: another version, or another service`,
    ]);
  });

  test('without others to ask it does not claim to know who runs what', async () => {
    const live = await json<Live>(`${await start('one', [0])}/topology/live`);
    expect([heard(live), live.complete]).toEqual([['one 0'], false]);
  });
});
