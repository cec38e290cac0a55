/**
 * The scripted server: a WebSocket server that does nothing by itself but what every gateway does whatever the story: it
 * welcomes, acknowledges heartbeats that ask for it, and answers a subscription to nobody with a snapshot of nobody.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** One connection of the client, with what it said. */
export class Peer {
  readonly protocols: readonly string[];
  readonly frames: Frame[] = [];
  /** Whom it watches by its subscribe, unsubscribe and resume. */
  readonly watching = new Set<string>();
  readonly at = performance.now();
  closedWith: number | undefined;
  silent = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket, protocols: readonly string[], heard: () => void) {
    this.#socket = socket;
    this.protocols = protocols;
    socket.on('message', (data) => {
      if (!this.silent) this.#take(JSON.parse(String(data)) as Frame);
      heard();
    });
    socket.on('close', (code) => {
      this.closedWith = code;
      heard();
    });
    socket.on('error', () => {});
  }

  #take(frame: Frame): void {
    const ids = (frame.user_ids ?? []) as readonly string[];
    if (frame.type === 'subscribe' || frame.type === 'resume') for (const id of ids) this.watching.add(id);
    if (frame.type === 'unsubscribe') for (const id of ids) this.watching.delete(id);
    if (frame.type === 'heartbeat' && frame.ack === true) this.say({ type: 'ack', seq: frame.seq });
    if (frame.type === 'subscribe' && ids.length === 0) this.say({ type: 'snapshot', presences: [], cursor: 'probe' });
    else this.frames.push(frame);
  }

  say(frame: Readonly<Record<string, unknown>> | string): void {
    if (!this.silent) this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }
  close(code: number): void {
    this.#socket.close(code);
  }
  /** Without a close frame. */
  break(): void {
    this.#socket.terminate();
  }
}

export class ScriptedServer {
  readonly peers: Peer[] = [];
  /** When each attempt to connect came, those that were refused included. */
  readonly attempts: number[] = [];
  /** What upgrades are answered with until then. */
  refusal: { readonly status: number; readonly until: number; readonly retry_after_s?: number | undefined } | undefined;
  /** Called whenever something has come. */
  heard: () => void = () => {};
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'presence.v1' });

  constructor() {
    this.#server = createServer((_, response) => {
      const { refusal } = this;
      const refused = refusal !== undefined && performance.now() < refusal.until;
      const after = refused && refusal.retry_after_s !== undefined ? { 'retry-after': String(refusal.retry_after_s) } : {};
      response.writeHead(refused ? refusal.status : 200, { 'content-type': 'application/json', ...after });
      response.end(refused ? '{}' : '{"presences":[]}');
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => this.#upgrade(request, socket, head));
  }

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.break();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.attempts.push(performance.now());
    socket.on('error', () => {});
    const { refusal } = this;
    if (refusal !== undefined && performance.now() < refusal.until) {
      const after = refusal.retry_after_s === undefined ? '' : `Retry-After: ${refusal.retry_after_s}\r\n`;
      socket.end(`HTTP/1.1 ${refusal.status} Refused\r\n${after}Content-Length: 0\r\nConnection: close\r\n\r\n`);
    } else this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#accept(ws, request));
    this.heard();
  }

  #accept(ws: WebSocket, request: IncomingMessage): void {
    const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(/,\s*/);
    const peer = new Peer(ws, offered, () => this.heard());
    this.peers.push(peer);
    peer.say({ type: 'welcome', heartbeat_ms: 1_000, ttl_ms: 3_000, connection_id: `c${this.peers.length}` });
    this.heard();
  }
}
