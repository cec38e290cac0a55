/** The command line as its users meet it: exit codes, messages, and parts that are not there. */
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../stack/index.ts';
import { until } from './client.ts';
import { type Presence, presence } from './process.ts';

const running: Presence[] = [];
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Presence => {
  const one = presence(args, env);
  running.push(one);
  return one;
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.end('SIGKILL')));
});

/** Its code, and what it said on standard error, npm's own remarks left out. */
async function outcome(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly [number | null, string]> {
  const one = run(args, env);
  const { code } = await one.ended;
  return [code, one.stderr];
}

describe('exit codes', () => {
  test.each<[what: string, args: readonly string[], env: Readonly<Record<string, string>>, code: number, said: RegExp]>([
    ['help', ['--help'], {}, 0, /^$/],
    ['help of a command', ['up', '--help'], {}, 0, /^$/],
    ['no command', [], {}, 2, /Usage: presence/],
    ['an unknown command', ['upp'], {}, 2, /unknown command 'upp'/],
    ['an unknown option', ['up', '--prot', '1'], {}, 2, /--prot is not an option/],
    ['a flag without its value', ['up', '--port'], {}, 2, /--port/],
    [
      'several faults',
      ['up', '--port', 'x'],
      { ROLE: 'sinks', LOG_LEVEL: 'loud' },
      2,
      /2 settings are wrong:\n {2}- --port .*\n {2}- LOG_LEVEL/,
    ],
    ['a role alone', ['up', '--role', 'topology'], {}, 2, /--role topology: a role alone needs Kafka/],
    ['what is not there yet', ['replay', 'run'], {}, 2, /not there yet\. Nothing was done/],
    ['a simulation of no seeds', ['simulate', '--seeds', '9..1'], {}, 2, /--seeds must be A\.\.B/],
    ['a gateway that is not there', ['drain', 'http://127.0.0.1:1'], {}, 1, /cannot be reached/],
    ['a URL that is none', ['drain', 'nowhere'], {}, 2, /nowhere is not a URL/],
    ['a plan without log', ['replay', 'plan'], {}, 2, /Which log\?/],
    ['an audit of nobody', ['audit'], {}, 2, /--watcher or --watched/],
    ['an audit since no time', ['audit', '--watched', 'ada', '--since', 'today'], {}, 2, /--since must be a time/],
    ['an audit without log', ['audit', '--watched', 'ada'], {}, 2, /Which log\?/],
    ['a healthy topology', ['topology', 'lint'], {}, 0, /^$/],
    ['schemas that can be released', ['schemas', 'check'], {}, 0, /^$/],
    ['a token without secret', ['token', 'ada'], {}, 2, /AUTH_JWT_SECRET is not set/],
  ])('%s', async (_, args, env, code, said) => {
    const [ended, stderr] = await outcome(args, env);
    expect(stderr).toMatch(said);
    expect(ended).toBe(code);
  });

  test('every option stands in the help with its variable', async () => {
    const help = run(['up', '--help'], { COLUMNS: '200' });
    await help.ended;
    const variables =
      'ROLE HOST PORT KAFKA_BROKERS SCHEMA_REGISTRY_URL DATABASE_URL REDIS_URL DATA_DIR AUTH_JWT_SECRET AUTH_JWKS_URL';
    for (const variable of `${variables} ALLOWED_ORIGINS TLS_CERT_FILE TLS_KEY_FILE LOG_LEVEL PARTITIONS FANOUT`.split(' '))
      expect(help.stdout).toContain(`[${variable}]`);
  });

  test('the topology is shown as text, as data and as a drawing', async () => {
    const [text, json, mermaid] = ['', '--json', '--mermaid'].map((form) =>
      run(['topology', 'describe', ...(form === '' ? [] : [form])]),
    );
    for (const one of [text, json, mermaid]) expect(await one!.ended).toMatchObject({ code: 0 });
    expect(text!.stdout).toContain('drop-repeats');
    expect(JSON.parse(json!.stdout)).toMatchObject({ name: 'presence' });
    expect(mermaid!.stdout).toMatch(/^(flowchart|graph) /);
  });
});

describe('parts that are not there', () => {
  test('Kafka and registry that are down are waited for, /readyz names them, and SIGTERM ends the wait with 0', async () => {
    const port = await freePort();
    const down = `127.0.0.1:${await freePort()}`;
    const one = run(['up', '--role', 'topology', '--port', String(port)], {
      KAFKA_BROKERS: down,
      SCHEMA_REGISTRY_URL: `http://${down}`,
    });
    const ready = await until(
      () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          async (response) => [response.status, await response.text()] as const,
          () => [0, ''] as const,
        ),
      ([, text]) => text.includes('cannot be reached'),
    );
    expect(ready[0]).toBe(503);
    expect(JSON.parse(ready[1])).toMatchObject({
      status: 'not ready',
      checks: { 'schema registry': { ok: false }, log: { ok: false }, topology: { ok: false } },
    });
    expect(await fetch(`http://127.0.0.1:${port}/healthz`).then(({ status }) => status)).toBe(200);
    const refused = await fetch(`http://127.0.0.1:${port}/presence?user_ids=ada`);
    expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('content-type')]).toEqual([
      503,
      '1',
      'application/problem+json',
    ]);
    expect(one.stderr).toContain('Waiting for a part that cannot be reached.');
    expect(await one.end()).toMatchObject({ code: 0 });
  });

  test('a database that is down is waited for', async () => {
    const port = await freePort();
    const one = run(['up', '--port', String(port)], { DATABASE_URL: `postgres://127.0.0.1:${await freePort()}/x` });
    await until(
      () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          (response) => response.text(),
          () => '',
        ),
      (text) => /"database":\{"ok":false,"detail":"[^"]*(ECONNREFUSED|reached)/.test(text),
    );
    expect(await one.end('SIGINT')).toMatchObject({ code: 0 });
  });

  test('a taken port is an error that names it', async () => {
    const taken = createServer();
    const port = await new Promise<number>((done) =>
      taken.listen(0, '127.0.0.1', () => done((taken.address() as { port: number }).port)),
    );
    const [code, stderr] = await outcome(['up', '--port', String(port)]);
    taken.close();
    expect(stderr).toContain(`Cannot listen on HOST 127.0.0.1, PORT ${port}: something else listens there.`);
    expect(code).toBe(2);
  });
});
