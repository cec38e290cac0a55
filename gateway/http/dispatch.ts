/**
 * From a request to its answer: find the route, know the caller, check the rate, read and check the input, run
 * the handler. The order is fixed, so that each refusal is the same whatever else is wrong: 414, 404, 405,
 * 401, 429, 403, 413, 415, 400.
 */

import { z } from 'zod';
import { clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { type Authenticator, bearerOf, isBadToken, type Principal } from '../auth.ts';
import type { UserRate } from '../limits.ts';
import { refused, requestSeconds, requests } from '../metrics.ts';
import { continueTrace } from '../trace.ts';
import type { HttpRequest, HttpResponse } from '../uws.ts';
import { parse } from '../validation/faults.ts';
import { type Head, parseJson, parseQuery, type Reply, Responder, readHead, URL_LIMIT_BYTES } from './call.ts';
import type { Origins } from './origins.ts';
import { type Pages, servePage } from './pages.ts';
import { Problem, problemOf } from './problem.ts';
import type { Call, Route, RouteSpec, Services } from './route.ts';
import { STREAM_PATH } from './routes.ts';

export interface DispatchOptions {
  readonly routes: readonly Route[];
  readonly pages: Pages;
  readonly services: Services;
  readonly authenticator: Authenticator;
  readonly buckets: UserRate;
  /** Of what is read, beside. */
  readonly queryBuckets: UserRate;
  readonly origins: Origins;
  readonly logger: Logger;
  /** Whether answers should end their connections: the server is closing. */
  readonly closing: () => boolean;
}

type AnyRoute = RouteSpec<unknown, unknown>;

/** The methods of a path, in the order declared. */
export type RouteTable = ReadonlyMap<string, ReadonlyMap<string, AnyRoute>>;

export function createDispatch(options: DispatchOptions): (res: HttpResponse, req: HttpRequest) => void {
  const table = tableOf(options.routes);
  return (res, req) => {
    const head = readHead(req);
    const begun = clock.monotonic();
    const responder = new Responder(res, { bodiless: head.method === 'HEAD' });
    const route = find(table, head);
    const name = route?.path ?? (options.pages.has(head.path) ? 'page' : 'unknown');
    const common = {
      'x-content-type-options': 'nosniff',
      ...options.origins.headers(head.origin, head.host),
      ...(options.closing() ? { connection: 'close' } : {}),
    };
    const answer = (reply: Reply): void => {
      responder.respond({ ...reply, headers: { 'cache-control': 'no-store', ...reply.headers, ...common } });
      requests.inc({ route: name, status: String(reply.status) });
      requestSeconds.observe({ route: name }, (clock.monotonic() - begun) / 1000);
    };
    run(options, table, head, route, responder).then(answer, (error: unknown) => {
      const problem = problemOf(error);
      refused.inc({ code: problem.code });
      if (problem.code === 'internal')
        options.logger.error({ err: problem.cause, route: name, method: head.method }, 'A request failed.');
      answer({ status: problem.status, headers: problem.headers, json: problem.body(), type: 'application/problem+json' });
    });
  };
}

function tableOf(routes: readonly Route[]): RouteTable {
  const table = new Map<string, Map<string, AnyRoute>>();
  for (const route of routes as unknown as readonly AnyRoute[]) {
    const methods = table.get(route.path) ?? new Map<string, AnyRoute>();
    table.set(route.path, methods.set(route.method, route));
  }
  return table;
}

const find = (table: RouteTable, head: Head): AnyRoute | undefined =>
  table.get(head.path)?.get(head.method === 'HEAD' ? 'GET' : head.method);

async function run(
  options: DispatchOptions,
  table: RouteTable,
  head: Head,
  route: AnyRoute | undefined,
  responder: Responder,
): Promise<Reply> {
  if (head.path.length + 1 + head.query.length > URL_LIMIT_BYTES) {
    throw new Problem('url_too_long', `The URL is longer than ${URL_LIMIT_BYTES} bytes. POST /presence/query takes long lists.`);
  }
  if (head.method === 'OPTIONS') return preflight(options, table, head);
  if (route === undefined) return unrouted(options, table, head);
  if (route.scope === null) return route.handle({ services: options.services } as Call);

  const token = bearerOf(head.authorization);
  if (token === undefined) throw unauthorised('Send an Authorization header: Bearer and a token.');
  // Both begin before anything is waited for: uWS hands the body over only to who asks at once.
  const body = route.body === undefined ? undefined : responder.body(head.contentLength);
  body?.catch(() => {}); // Where the caller is refused first, nobody waits for it.
  const principal = options.authenticator.known(token) ?? (await verify(options.authenticator, token));
  const now = clock.now();
  const wait_ms = options.buckets.take(principal.userKey, now);
  if (wait_ms > 0) throw tooFast('requests', wait_ms);
  const query_wait_ms = route.reads === true ? options.queryBuckets.take(principal.userKey, now) : 0;
  if (query_wait_ms > 0) throw tooFast('queries', query_wait_ms);
  if (!principal.scopes.has(route.scope) && !(route.alsoAllowed !== undefined && principal.scopes.has(route.alsoAllowed))) {
    throw new Problem('forbidden', `This needs the scope ${route.scope}.`);
  }
  return route.handle({
    principal,
    body: body === undefined ? undefined : readBody(route, await body, head),
    query: route.query === undefined ? undefined : readQuery(route.query, head.query),
    trace: continueTrace(head.traceparent),
    services: options.services,
  });
}

const tooFast = (what: 'requests' | 'queries', wait_ms: number): Problem =>
  new Problem('too_fast', `Too many ${what} of this user.`, { headers: { 'retry-after': String(Math.ceil(wait_ms / 1000)) } });

const unauthorised = (detail: string): Problem =>
  new Problem('bad_token', detail, { headers: { 'www-authenticate': 'Bearer realm="presence"' } });

async function verify(authenticator: Authenticator, token: string): Promise<Principal> {
  try {
    return await authenticator.verify(token);
  } catch (error) {
    throw isBadToken(error) ? unauthorised(error.message) : error;
  }
}

function readBody(route: AnyRoute, bytes: Buffer, head: Head): unknown {
  const json = bytes.length === 0 && route.bodyOptional === true ? {} : parseJson(bytes, head.contentType);
  return parse(route.body as z.ZodType, json, 'body');
}

/** Lists are comma-separated in a query. */
export function readQuery(schema: z.ZodType, query: string): unknown {
  const parameters: Record<string, unknown> = { ...parseQuery(query) };
  for (const name of listsOf(schema)) {
    if (typeof parameters[name] === 'string') parameters[name] = parameters[name].split(',');
  }
  return parse(schema, parameters, 'query');
}

const listsBySchema = new WeakMap<z.ZodType, readonly string[]>();

/** The names of a query's parameters that are lists; worked out once a schema. */
function listsOf(schema: z.ZodType): readonly string[] {
  let names = listsBySchema.get(schema);
  if (names === undefined) {
    const { properties = {} } = z.toJSONSchema(schema, { io: 'input' }) as { properties?: Record<string, { type?: string }> };
    names = Object.keys(properties).filter((name) => properties[name]?.type === 'array');
    listsBySchema.set(schema, names);
  }
  return names;
}

function preflight({ origins, pages }: DispatchOptions, table: RouteTable, head: Head): Reply {
  const methods = methodsOf(table, head.path) ?? (pages.has(head.path) ? ['GET', 'HEAD', 'OPTIONS'] : undefined);
  if (methods === undefined) throw new Problem('not_found', `There is nothing at ${head.path.slice(0, 200)}.`);
  const allowed = head.origin !== '' && origins.allows(head.origin, head.host);
  return { status: 204, headers: { allow: methods.join(', '), ...(allowed ? origins.preflight(methods) : {}) } };
}

function methodsOf(table: RouteTable, path: string): readonly string[] | undefined {
  if (path === STREAM_PATH) return ['GET', 'OPTIONS'];
  const methods = table.get(path);
  if (methods === undefined) return undefined;
  return [...methods.keys(), ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'];
}

/** A page, or the refusal that fits: the stream without an upgrade, a wrong method, nothing there. */
function unrouted({ pages }: DispatchOptions, table: RouteTable, head: Head): Reply | Promise<Reply> {
  const reading = head.method === 'GET' || head.method === 'HEAD';
  const found = pages.get(head.path);
  if (found !== undefined && reading) return servePage(found, head);
  if (head.path === STREAM_PATH && reading) {
    throw new Problem('upgrade_required', 'This is a WebSocket.', { headers: { upgrade: 'websocket', connection: 'upgrade' } });
  }
  const methods = found !== undefined ? ['GET', 'HEAD', 'OPTIONS'] : methodsOf(table, head.path);
  if (methods === undefined) throw new Problem('not_found', `There is nothing at ${head.path.slice(0, 200)}.`);
  throw new Problem('method_not_allowed', `${head.method} is not one of ${methods.join(', ')}.`, {
    headers: { allow: methods.join(', ') },
  });
}
