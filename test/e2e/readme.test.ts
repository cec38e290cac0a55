/** What the README tells a newcomer to type, as curl sends it, on the system that `npm start` starts. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isSkipped } from '../stack/index.ts';
import { makeSystem, type System } from './system.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const commands = [...readme.matchAll(/^curl (?:.*\\\n)*.*$/gm)].map(([command]) => command);

/** Does what curl would: a body without a stated type is sent as a form. */
function typed(command: string, url: string): Promise<Response> {
  const address = /https?:\/\/127\.0\.0\.1:8080([^\s']*)/.exec(command)?.[1] ?? '';
  const body = /-d '([^']*)'/.exec(command)?.[1];
  const stated = [...command.matchAll(/-H '([^:]+): ([^']*)'/g)].map(([, name, value]): [string, string] => [
    name as string,
    value as string,
  ]);
  const headers = new Headers(body === undefined ? [] : [['content-type', 'application/x-www-form-urlencoded']]);
  for (const [name, value] of stated) headers.set(name, value);
  return fetch(`${url}${address}`, body === undefined ? { headers } : { method: 'POST', headers, body });
}

let system: System;
beforeAll(async () => {
  const made = await makeSystem('embedded');
  if (isSkipped(made)) throw new Error(made.skipped);
  system = made;
  await system.start();
});
afterAll(() => system?.stop());

test("the README's first two commands say that ada is online, and show it to bob", async () => {
  const [say, look] = commands as [string, string];
  expect(commands.length).toBe(2);
  const said = await typed(say, system.url);
  expect([said.status, await said.json()]).toEqual([202, { trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) }]);
  await expect
    .poll(async () => ((await (await typed(look, system.url)).json()) as { presences: unknown[] }).presences, { timeout: 10_000 })
    .toEqual([expect.objectContaining({ user_id: 'ada', state: 'online', source: 'app', devices: 1 })]);
});
