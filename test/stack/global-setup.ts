/**
 * The stack of a test run. It lives in vitest's main process and answers workers on a loopback port:
 * `GET /kafka` starts the shared Kafka the first time, and says its address (or why there is none) each time.
 * So a run starts only what its suites ask for, once, and stops it at the end.
 *
 * vitest calls this once for each project; they share one stack.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { browser, freshDatabase, isSkipped, kafka, type Part, postgres, redis, type Skipped, schemaRegistry } from './index.ts';
import type { SharedName } from './suite.ts';

type Shared = Pick<Part, 'url' | 'stop'>;

const starters: Readonly<Record<SharedName, () => Promise<Shared | Skipped>>> = {
  kafka: () => kafka(),
  schemaRegistry,
  redis,
  postgres,
  browser: async () => {
    const found = await browser();
    return isSkipped(found) ? found : { url: found.executablePath, stop: async () => {} };
  },
};

interface Stack {
  readonly url: string;
  users: number;
  close(): Promise<void>;
}

const key = Symbol.for('presence.test.stack');
const holder = globalThis as { [key]?: Promise<Stack> };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  holder[key] ??= openStack();
  const stack = await holder[key];
  stack.users += 1;
  project.provide('stack', stack.url);
  return async () => {
    stack.users -= 1;
    if (stack.users > 0) return;
    delete holder[key];
    await stack.close();
  };
}

async function openStack(): Promise<Stack> {
  const parts = new Map<SharedName, Promise<Shared | Skipped>>();
  let redisDatabases = 0;
  const folder = mkdtempSync(join(tmpdir(), 'presence-run-'));
  chmodSync(folder, 0o711); // PostgreSQL may run as another user
  process.env.PRESENCE_STACK_TMP = folder;

  const part = (name: SharedName): Promise<Shared | Skipped> => {
    let started = parts.get(name);
    if (started === undefined) {
      started = starters[name]();
      parts.set(name, started);
    }
    return started;
  };

  const answer = async (name: SharedName): Promise<object> => {
    const found = await part(name);
    if (isSkipped(found)) return found;
    if (name === 'postgres') return { url: await freshDatabase(found.url) };
    if (name === 'redis') return { url: `${found.url}/${redisDatabases++ % 64}` };
    return { url: found.url };
  };

  const server = createServer((request, response) => {
    answer(request.url!.slice(1) as SharedName)
      .catch((error: Error) => ({ fault: `${error.message}${error.cause === undefined ? '' : ` (${error.cause})`}` }))
      .then((body) => response.end(JSON.stringify(body)));
  });
  server.requestTimeout = 0; // the first answer may wait for a download
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    users: 0,
    close: () => close(server, parts, folder),
  };
}

async function close(server: Server, parts: ReadonlyMap<SharedName, Promise<Shared | Skipped>>, folder: string): Promise<void> {
  server.closeAllConnections();
  server.close();
  const running = await Promise.allSettled(parts.values());
  await Promise.all(
    running.map((part) => (part.status === 'fulfilled' && !isSkipped(part.value) ? part.value.stop() : undefined)),
  );
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
