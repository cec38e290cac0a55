/**
 * The sockets: a uWS app that serves HTTP and the stream on one port, with TLS where a certificate is given.
 *
 * **A new certificate** comes with a new app: an app's certificate is fixed when it is made. The new one gets the same handlers
 * listens on the port too before the one before stops; connections of the one before stay with it, encrypted as they were, for
 * as long as they live, and are among the same streams. (Who had come and was not yet greeted by the one before, within one
 * turn of the loop, is cut off and comes again.) Files that cannot be used change nothing. Each app stays in memory.
 *
 * Closing goes in order: no new sockets; streams are told to go, and closed with 1012; HTTP connections end with
 * their next answer. What uWS cannot enumerate (idle HTTP connections) is cut at the end.
 */
import { PresenceError } from '../base/errors.ts';
import { createDispatch, type DispatchOptions } from './http/dispatch.ts';
import { STREAM_PATH } from './http/routes.ts';
import { type ListenSocket, loadUws, type TemplatedApp } from './uws.ts';
import { type StreamOptions, Streams } from './ws/stream.ts';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly passphrase?: string;
}

export interface ServerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Others may listen on it too: the kernel shares new connections out among them (SO_REUSEPORT). */
  readonly sharePort: boolean;
  readonly tls?: TlsFiles;
  readonly http: Omit<DispatchOptions, 'closing'>;
  readonly stream: Omit<StreamOptions, 'path' | 'noCompression'>;
}

/** uWS' default: several sockets may listen on one port, each with SO_REUSEPORT. */
const SHARED_PORT = 0;

export class Server {
  readonly #options: ServerOptions;
  readonly #dispatch: ReturnType<typeof createDispatch>;
  /** The newest is last; those before serve what came to them. */
  readonly #apps: TemplatedApp[] = [];
  /** What streams ask of an app, to be asked of the next one too. */
  readonly #asked: ((app: TemplatedApp) => void)[] = [];
  readonly streams: Streams;
  #listening: ListenSocket | undefined;
  #port = 0;
  #closing = false;

  constructor(options: ServerOptions) {
    const { uws } = loadUws();
    this.#options = options;
    this.#dispatch = createDispatch({ ...options.http, closing: () => this.#closing });
    const every: Pick<TemplatedApp, 'ws'> = {
      ws: (path, behavior) => {
        this.#asked.push((app) => void app.ws(path, behavior));
        return every as TemplatedApp;
      },
    };
    // Streams ask for nothing but `ws`.
    this.streams = new Streams(every as TemplatedApp, { ...options.stream, path: STREAM_PATH, noCompression: uws.DISABLED });
    this.#apps.push(this.#app());
  }

  #app(): TemplatedApp {
    const { tls } = this.#options;
    const app = tls === undefined ? loadUws().uws.App() : secureApp(tls);
    for (const ask of this.#asked) ask(app);
    return app.any('/*', this.#dispatch);
  }

  /** The port listened on; 0 before `listen`. */
  get port(): number {
    return this.#port;
  }

  /** BAD_SETTING where the port is taken or the host is not ours. */
  listen(): void {
    const { host, port, sharePort } = this.#options;
    const { uws } = loadUws();
    const app = this.#apps.at(-1) as TemplatedApp;
    // Exclusive, unless sharing is meant: else two gateways on one port share it silently.
    this.#listening = listenOn(app, host, port, sharePort ? SHARED_PORT : uws.LIBUS_LISTEN_EXCLUSIVE_PORT);
    if (this.#listening !== undefined) this.#port = uws.us_socket_local_port(this.#listening);
    if (this.#listening !== undefined && this.#options.tls !== undefined && !sharePort) {
      // Nobody else has it; from here on it is shared, with whoever brings the next certificate.
      uws.us_listen_socket_close(this.#listening);
      this.#listening = listenOn(app, host, this.#port, SHARED_PORT);
    }
    if (this.#listening !== undefined) return;
    throw new PresenceError('BAD_SETTING', `Cannot listen on ${host}:${port}.`, {
      at: 'PORT',
      retriable: false,
      help: 'Another process may have the port, or the host is not an address of this machine. PORT=0 takes a free one.',
    });
  }

  /** Reads the certificate's files again, for connections from now on. Throws BAD_SETTING where they cannot be used. */
  reloadTls(): void {
    if (this.#options.tls === undefined || this.#listening === undefined || this.#closing) return;
    const next = this.#app();
    const { host } = this.#options;
    const listening = listenOn(next, host, this.#port, SHARED_PORT);
    if (listening === undefined) {
      throw new PresenceError('BAD_SETTING', `Cannot listen on ${host}:${this.#port} with the new certificate.`, {
        at: 'TLS certificate and key',
        retriable: true,
      });
    }
    loadUws().uws.us_listen_socket_close(this.#listening);
    this.#listening = listening;
    this.#apps.push(next);
  }

  /** No new sockets; streams told to go within `within_ms`, and closed. */
  async close(within_ms: number): Promise<void> {
    this.#closing = true;
    if (this.#listening !== undefined) loadUws().uws.us_listen_socket_close(this.#listening);
    this.#listening = undefined;
    this.streams.drain(within_ms / 2);
    await this.streams.emptied(within_ms);
    this.streams.stop();
  }

  /** Cuts whatever is still connected. */
  cut(): void {
    // The older line has it too, though its types say nothing of it.
    for (const app of this.#apps) app.close();
  }
}

/** undefined where it cannot be had. */
function listenOn(app: TemplatedApp, host: string, port: number, how: number): ListenSocket | undefined {
  let listening: ListenSocket | undefined;
  // The types lack this overload; both packages have it.
  const listen = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    callback: (socket: ListenSocket | false) => void,
  ) => void;
  listen(host, port, how, (socket) => {
    if (socket !== false) listening = socket;
  });
  return listening;
}

/** uWS says only that it failed, and not why. */
function secureApp({ certFile, keyFile, passphrase }: TlsFiles): TemplatedApp {
  try {
    const files = { cert_file_name: certFile, key_file_name: keyFile };
    return loadUws().uws.SSLApp({ ...files, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw new PresenceError('BAD_SETTING', `The certificate ${certFile} and the key ${keyFile} cannot be used.`, {
      at: 'TLS certificate and key',
      retriable: false,
      help: 'Both are PEM files; the key belongs to the certificate, and opens with the passphrase if it has one.',
      cause: error,
    });
  }
}
