/** Where a plan gets what it compares with, and what is said of what will not do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAgainst, readJoined } from './against.ts';

const committed = readFileSync(new URL('../../../presence.spec.json', import.meta.url), 'utf8');
let folder = '';
let server: Server;
let url = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'against-'));
  server = createServer((request, response) => {
    if (request.url === '/topology.json') response.end(JSON.stringify({ spec: JSON.parse(committed), partitions: [] }));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test('a joined topology is compared with a joined one alone', async () => {
  const joined = readFileSync(new URL('../../../fan-out.spec.json', import.meta.url), 'utf8');
  expect(await readJoined(file('fan-out.json', joined))).toEqual(JSON.parse(joined));
  await expect(readJoined(url)).rejects.toThrow(/is not what .* prints\. It is not valid: joins is missing; table is missing\./);
});

interface Loose {
  readonly stages: { stores?: unknown }[];
  topics: unknown;
  schemas: unknown;
}
function edited(edit: (spec: Loose) => void): string {
  const spec = JSON.parse(committed) as Loose;
  edit(spec);
  return JSON.stringify(spec);
}

test('a file, a running system by its address or page, and what git has', async () => {
  const spec = JSON.parse(committed) as unknown;
  expect(await readAgainst(file('spec.json', committed))).toEqual(spec);
  expect(await readAgainst(url)).toEqual(spec);
  expect(await readAgainst(`${url}/topology.json`)).toEqual(spec);
  expect(await readAgainst('HEAD:presence.spec.json')).toMatchObject({ name: 'presence' });
  expect(await readAgainst('HEAD')).toMatchObject({ name: 'presence' });
});

test.each([
  ['a file that is no JSON', () => file('a.json', '{'), /is no JSON/],
  [
    'a file of something else',
    () => file('b.json', '{"name":"x"}'),
    /is not what `presence topology describe --json` prints\. .*version is missing; source is missing/,
  ],
  [
    'a spec without stores',
    () =>
      file(
        'c.json',
        edited(({ stages }) => delete stages[1]?.stores),
      ),
    /stages\[1\]\.stores is missing/,
  ],
  [
    'a spec of words',
    () =>
      file(
        'd.json',
        edited((spec) => (spec.topics = ['a'] as never)),
      ),
    /topics\[0\] must be an object/,
  ],
  [
    'a schema that is none',
    () =>
      file(
        'e.json',
        edited((spec) => (spec.schemas = [{}] as never)),
      ),
    /schemas\[0\]\.name is missing/,
  ],
  ['nothing', () => 'nowhere', /is no file, no http\(s\) URL and no git object \(git show nowhere:presence\.spec\.json/],
  ['a page that is not there', () => `${url}/spec`, /answered 404 at \/spec/],
  ['a system that is not there', () => 'http://127.0.0.1:65500', /cannot be reached: connect ECONNREFUSED/],
])('%s is told with what would do', async (_, place, said) => {
  const error = await readAgainst(place()).then(
    () => null,
    (caught: Error & { help?: string }) => caught,
  );
  expect(error?.message).toMatch(said);
  expect(error?.help).toBe('Give a spec file, the URL of a running system, or <git ref>:presence.spec.json.');
});
