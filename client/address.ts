/** Where the stream is, and how the token gets there: browsers can set no header, so it is offered as a subprotocol. */
import { BEARER_PREFIX, STREAM_PATH, SUBPROTOCOL } from './protocol.ts';

/** What may stand in a subprotocol (RFC 6455: a token of RFC 2616). */
const PLAIN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

export interface Dial {
  readonly url: string;
  readonly protocols: readonly string[];
}

/** The stream of a server given by any of `https://host`, `wss://host/base`, or, on a page, a path of its own. */
function streamOf(url: string): URL {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  const address = new URL(url, location?.href);
  address.protocol = address.protocol.replace('http', 'ws');
  if (!address.pathname.endsWith(STREAM_PATH)) address.pathname = address.pathname.replace(/\/$/, '') + STREAM_PATH;
  return address;
}

/** A token that cannot be a subprotocol goes into the address, where logs may see it; a JWT always can be. */
export function dialOf(url: string, token: string): Dial {
  const address = streamOf(url);
  // Of development tokens: the gateway takes these two escaped.
  const escaped = token.replace(/:/g, '%3A').replace(/@/g, '%40');
  if (PLAIN.test(escaped)) return { url: address.href, protocols: [SUBPROTOCOL, BEARER_PREFIX + escaped] };
  address.searchParams.set('access_token', token);
  return { url: address.href, protocols: [SUBPROTOCOL] };
}

/** What can be asked over HTTP with the same token, to learn why an upgrade was refused. */
export function probeOf(url: string): string {
  const address = streamOf(url);
  address.protocol = address.protocol.replace('ws', 'http');
  address.pathname = address.pathname.slice(0, -'/stream'.length);
  address.search = '?user_ids=-';
  return address.href;
}
