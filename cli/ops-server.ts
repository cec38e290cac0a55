/**
 * /healthz, /readyz and /metrics of a process without a gateway, and of one whose gateway has not started
 * because a part is waited for. Everything else is 503 with Retry-After.
 */

import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { PresenceError } from '../base/errors.ts';
import { registry } from '../base/metrics.ts';
import type { Settings } from './config.ts';

export interface Readable {
  /** By part: what keeps it from being ready; null if it is well. */
  report(): Promise<ReadonlyMap<string, string | null>>;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects with BAD_SETTING where the address cannot be listened on. */
export async function startOpsServer(
  settings: Pick<Settings, 'host' | 'port' | 'tlsCertFile' | 'tlsKeyFile'>,
  readable: Readable,
): Promise<OpsServer> {
  const handle = (url: string, response: ServerResponse): void => {
    answer(url.split('?')[0] as string, readable, response).catch(() => response.destroy());
  };
  const listener: Parameters<typeof createServer>[1] = (request, response) => handle(request.url ?? '/', response);
  const { tlsCertFile: cert, tlsKeyFile: key } = settings;
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
