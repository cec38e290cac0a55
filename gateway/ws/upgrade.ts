/** The stream's upgrade: who may open one, judged before there is a WebSocket. */
import { clock } from '../../base/clock.ts';
import type { Admission } from '../admission.ts';
import { type Authenticator, bearerOf, isBadToken, type Principal } from '../auth.ts';
import { type Head, parseQuery, Responder, readHead } from '../http/call.ts';
import type { Origins } from '../http/origins.ts';
import { Problem, problemOf, unavailable } from '../http/problem.ts';
import type { Readiness } from '../http/readiness.ts';
import type { UserRate } from '../limits.ts';
import { refused } from '../metrics.ts';
import type { HttpRequest, HttpResponse, SocketContext } from '../uws.ts';
import { BEARER_PREFIX, SUBPROTOCOL } from './protocol.ts';

export interface UpgradeOptions {
  readonly authenticator: Authenticator;
  readonly origins: Origins;
  readonly buckets: UserRate;
  readonly readiness: Readiness;
  /** How fast streams are taken. Default: as fast as they come. */
  readonly admission?: Admission;
  /** Whether one more stream may be opened. */
  readonly room: () => boolean;
}

export interface UserData {
  readonly principal: Principal;
  readonly traceparent: string;
}

export function createUpgrade(options: UpgradeOptions) {
  return (res: HttpResponse, req: HttpRequest, context: SocketContext): void => {
    const head = readHead(req);
    const key = req.getHeader('sec-websocket-key');
    const protocols = req.getHeader('sec-websocket-protocol');
    const extensions = req.getHeader('sec-websocket-extensions');
    const version = req.getHeader('sec-websocket-version');
    const responder = new Responder(res, { bodiless: false });
    judge(options, head, protocols, version).then(
      (principal) => {
        const data: UserData = { principal, traceparent: head.traceparent };
        responder.upgrade((open) => open.upgrade(data, key, protocols === '' ? '' : SUBPROTOCOL, extensions, context));
      },
      (error: unknown) => {
        const problem = problemOf(error);
        refused.inc({ code: problem.code });
        responder.respond({
          status: problem.status,
          headers: problem.headers,
          json: problem.body(),
          type: 'application/problem+json',
        });
      },
    );
  };
}

async function judge(options: UpgradeOptions, head: Head, protocols: string, version: string): Promise<Principal> {
  if (version !== '13') {
    throw new Problem('upgrade_required', 'This server speaks WebSocket version 13.', {
      headers: { 'sec-websocket-version': '13' },
    });
  }
  if (!options.origins.allows(head.origin, head.host))
    throw new Problem('forbidden', 'Pages of this origin are not in ALLOWED_ORIGINS.');
  if (options.admission?.open === false) throw crowded(options.admission);
  const offered = protocols === '' ? [] : protocols.split(',').map((protocol) => protocol.trim());
  const principal = await verify(options.authenticator, tokenOf(head, offered));
  if (!principal.scopes.has('presence:read')) throw new Problem('forbidden', 'This needs the scope presence:read.');
  if (offered.length > 0 && !offered.includes(SUBPROTOCOL)) {
    throw new Problem('bad_input', `The subprotocol ${SUBPROTOCOL} is not among those offered.`);
  }
  const wait_ms = options.buckets.take(principal.userKey, clock.now());
  if (wait_ms > 0) {
    throw new Problem('too_fast', 'Too many requests of this user.', {
      headers: { 'retry-after': String(Math.ceil(wait_ms / 1000)) },
    });
  }
  if (options.readiness.draining) {
    throw new Problem('draining', 'This gateway takes no more connections; go to another.', { headers: { 'retry-after': '1' } });
  }
  if (!options.room()) throw unavailable('This gateway holds as many connections as it may; go to another.', 5);
  if (options.admission?.take() === false) throw crowded(options.admission);
  return principal;
}

const crowded = (admission: Admission): Problem =>
  unavailable('More connections come than can be taken at once; come back a little later.', admission.refuse());

/** In the Authorization header, as a second subprotocol, or as ?access_token=, in this order. */
function tokenOf(head: Head, offered: readonly string[]): string | undefined {
  const fromHeader = bearerOf(head.authorization);
  if (fromHeader !== undefined) return fromHeader;
  const protocol = offered.find((one) => one.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length);
  // A JWT has no percent sign; a development token's colon is not allowed in a subprotocol, so it comes escaped.
  return protocol === undefined ? parseQuery(head.query).access_token : protocol.replace(/%3a/gi, ':').replace(/%40/g, '@');
}

async function verify(authenticator: Authenticator, token: string | undefined): Promise<Principal> {
  const headers = { 'www-authenticate': 'Bearer realm="presence"' };
  if (token === undefined) {
    throw new Problem(
      'bad_token',
      'Send a token: in the Authorization header, as subprotocol bearer.<JWT>, or as ?access_token=.',
      { headers },
    );
  }
  try {
    return authenticator.known(token) ?? (await authenticator.verify(token));
  } catch (error) {
    throw isBadToken(error) ? new Problem('bad_token', error.message, { headers }) : error;
  }
}
