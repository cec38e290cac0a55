/**
 * Which uWebSockets.js runs here. Its authors don't publish on npm; two repacks are pinned in package.json:
 *
 * - `uWebSockets.js`: the current line, for Node 20, 22, 24 and 25, with a C library of glibc 2.38 or later;
 * - `uws-node20`: an older one (20.30), for Node 20 with an older glibc (Debian 12). Its JavaScript
 *   fallback is broken and never loaded: the binary is required by its path (uws-node20.ts).
 *
 * Everything else in the gateway imports from here, and uses only what both have.
 */

import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import { createRequire } from 'node:module';
import { PresenceError } from '../base/errors.ts';
import { loadNode20 } from './uws-node20.ts';

export type { HttpRequest, HttpResponse, TemplatedApp, WebSocket };
export type ListenSocket = us_listen_socket;
export type SocketContext = us_socket_context_t;

/** What both packages have, and no more. */
export interface Uws {
  App(): TemplatedApp;
  SSLApp(options: { key_file_name: string; cert_file_name: string; passphrase?: string }): TemplatedApp;
  us_listen_socket_close(socket: ListenSocket): void;
  us_socket_local_port(socket: ListenSocket): number;
  readonly DISABLED: number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

export interface LoadedUws {
  readonly uws: Uws;
  /** Which of the two, for the log. */
  readonly name: 'uWebSockets.js' | 'uws-node20';
  /** The largest head of a request that may come in several segments, bytes. */
  readonly headBytesMax: number;
}

/** A URL beyond 16 KB is to be answered with 414, so this lies well above it. */
export const HEAD_BYTES = 65_536;

/** Once a process: the binary has one event loop. */
const slot = globalThis as { [loaded]?: LoadedUws };
const loaded = Symbol.for('presence.uws');

/** The module that loads on this machine. Throws NO_BINARY, saying which Node and C library would do. */
export function loadUws(): LoadedUws {
  slot[loaded] ??= choose(createRequire(import.meta.url));
  return slot[loaded];
}

export type Require = ((id: string) => unknown) & { resolve(id: string): string };

/** `load` is given by tests. */
export function choose(load: Require): LoadedUws {
  // Read by the current line's binary when it is loaded.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(HEAD_BYTES);
  const causes: unknown[] = [];
  try {
    return {
      name: 'uWebSockets.js',
      uws: load('uWebSockets.js') as Uws,
      headBytesMax: Number(process.env.UWS_HTTP_MAX_HEADERS_SIZE),
    };
  } catch (error) {
    causes.push(error);
  }
  try {
    const file = load.resolve(`uws-node20/binaries/uws_${process.platform}_${process.arch}_${process.versions.modules}.node`);
    const { module, headBytesMax } = loadNode20(file, HEAD_BYTES, load);
    return { name: 'uws-node20', uws: module as Uws, headBytesMax };
  } catch (error) {
    causes.push(error);
  }
  throw new PresenceError(
    'NO_BINARY',
    `No uWebSockets.js binary loads on Node ${process.versions.node}, ${process.platform} ${process.arch}.`,
    {
      at: 'gateway/uws.ts',
      retriable: false,
      help:
        'Use Node 20, 22, 24 or 25 with glibc 2.38 or later (Debian 13, Ubuntu 24.04), macOS or Windows; ' +
        'or Node 20 with an older glibc (Debian 12) and the optional package uws-node20 installed ' +
        '(npm ci without --omit=optional). musl (Alpine) has none.',
      cause: new AggregateError(causes, 'Neither package loads.'),
    },
  );
}
