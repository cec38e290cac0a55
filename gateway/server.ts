/**
 * The sockets: one uWS app that serves HTTP and the stream on one port, with TLS where a certificate is given.
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

export class Server {
  readonly #options: ServerOptions;
  readonly #app: TemplatedApp;
  readonly streams: Streams;
  #listening: ListenSocket | undefined;
  #port = 0;
  #closing = false;

  constructor(options: ServerOptions) {
    const { uws } = loadUws();
    this.#options = options;
    this.#app = options.tls === undefined ? uws.App() : secureApp(options.tls);
    this.streams = new Streams(this.#app, { ...options.stream, path: STREAM_PATH, noCompression: uws.DISABLED });
    this.#app.any('/*', createDispatch({ ...options.http, closing: () => this.#closing }));
  }

  /** The port listened on; 0 before `listen`. */
  get port(): number {
    return this.#port;
  }

  /** BAD_SETTING where the port is taken or the host is not ours. */
  listen(): void {
    const { uws } = loadUws();
    const { host, port, sharePort } = this.#options;
    // Exclusive, unless sharing is meant: else two gateways on one port share it silently. The types lack this overload; both
    // packages have it.
    const listen = this.#app.listen.bind(this.#app) as unknown as (
      host: string,
      port: number,
      options: number,
      callback: (socket: ListenSocket | false) => void,
    ) => void;
    listen(host, port, sharePort ? 0 : uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket === false) return;
      this.#listening = socket;
      this.#port = uws.us_socket_local_port(socket);
    });
    if (this.#listening !== undefined) return;
    throw new PresenceError('BAD_SETTING', `Cannot listen on ${host}:${port}.`, {
      at: 'PORT',
      retriable: false,
      help: 'Another process may have the port, or the host is not an address of this machine. PORT=0 takes a free one.',
    });
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
    this.#app.close();
  }
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
