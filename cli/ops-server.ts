/**
 * /healthz, /readyz, /metrics and the pages (/topology, docs) of a process without a gateway, and of one whose gateway has
 * not started because a part is waited for. Everything else is 503 with Retry-After; `/`, which is the gateway's page,
 * leads to /topology where no gateway will come.
 */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { PresenceError } from '../base/errors.ts';
import { registry } from '../base/metrics.ts';
import { type Page, type Pages, servePage } from '../gateway/http/pages.ts';
import type { Settings } from './config.ts';

export interface Readable {
  readonly pages: Pages;
  /** By part: what keeps it from being ready; null if it is well. */
  report(): Promise<ReadonlyMap<string, string | null>>;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects with BAD_SETTING where the address cannot be listened on. */
export async function startOpsServer(
  settings: Pick<Settings, 'host' | 'port' | 'roles' | 'tlsCertFile' | 'tlsKeyFile'>,
  readable: Readable,
): Promise<OpsServer> {
  const { tlsCertFile: cert, tlsKeyFile: key, roles } = settings;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '/').split('?')[0] as string;
    const page = path === '/' ? undefined : readable.pages.get(path);
    const answered =
      page !== undefined
        ? sendPage(page, request, response)
        : path === '/' && !roles.includes('gateway')
          ? response.writeHead(302, { location: '/topology' }).end()
          : answer(path, readable, response);
    Promise.resolve(answered).catch(() => response.destroy());
  };
  const server: Server =
    cert === undefined || key === undefined
      ? createServer(listener)
      : createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, listener);
  await new Promise<void>((done, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(settings, error)));
    server.listen(settings.port, settings.host, done);
  });
  return {
    port: (server.address() as { readonly port: number }).port,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function sendPage(page: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, bytes, type } = await servePage(page, { ifNoneMatch: request.headers['if-none-match'] ?? '' });
  const common = { 'x-content-type-options': 'nosniff', ...(type === undefined ? {} : { 'content-type': type }) };
  response.writeHead(status, { 'cache-control': 'no-store', ...headers, ...common }).end(bytes);
}

async function answer(path: string, readable: Readable, response: ServerResponse): Promise<void> {
  const json = (status: number, body: object, type = 'application/json'): void => {
    const headers = { 'content-type': type, ...(status === 503 ? { 'retry-after': '1' } : {}) };
    response.writeHead(status, headers).end(JSON.stringify(body));
  };
  if (path === '/healthz') return json(200, { status: 'ok' });
  if (path === '/metrics') {
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    return;
  }
  const parts = await readable.report();
  const ready = [...parts.values()].every((problem) => problem === null);
  if (path === '/readyz') {
    const checks = [...parts].map(([part, problem]) => [part, problem === null ? { ok: true } : { ok: false, detail: problem }]);
    return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(checks) });
  }
  const detail = ready ? 'There is no gateway in this process.' : 'Not able now: parts are being waited for (see /readyz).';
  json(503, { type: 'about:blank', title: 'Service Unavailable', status: 503, detail }, 'application/problem+json');
}

function cannotListen({ host, port }: Pick<Settings, 'host' | 'port'>, error: NodeJS.ErrnoException): PresenceError {
  const why = error.code === 'EADDRINUSE' ? 'something else listens there' : error.message;
  return new PresenceError('BAD_SETTING', `Cannot listen on HOST ${host}, PORT ${port}: ${why}.`, {
    at: 'PORT',
    retriable: false,
    help: 'Choose another PORT, or 0 for a free one.',
    cause: error,
  });
}
