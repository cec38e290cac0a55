/**
 * A client as a phone or browser tab would be one: keeps a stream open to one of the gateways, comes back
 * with the same session after a break, says its state again, and remembers what it was told.
 */
import WebSocket from 'ws';
import type { DiffView, Presence } from '../../schemas/presence.ts';

export interface LoadClientOptions {
  readonly user: string;
  readonly device: string;
  /** Base URLs (http://host:port) in order of preference; the next one is tried after each failed attempt. */
  readonly gateways: readonly string[];
  readonly token?: string;
  readonly watch?: readonly string[];
  /** Without it the connection only watches. */
  readonly bind?: boolean;
  readonly onDiff?: (diff: DiffView, received: number) => void;
  readonly onSnapshot?: (presence: Presence) => void;
}

/** How long a client waits before it tries again, ms. */
const RETRY_MS = 250;

export class LoadClient {
  readonly user: string;
  readonly session: string;
  readonly errors = new Map<string, number>();
  /** The base URL of the gateway that it is on, or was last. */
  gateway: string;
  open = false;
  reconnects = 0;
  #options: LoadClientOptions;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #seq = 0;
  #state: 'online' | 'away' | 'busy' = 'online';
  #closed = false;
  #welcome: (() => void) | null = null;

  constructor(options: LoadClientOptions) {
    this.#options = options;
    this.user = options.user;
    this.session = `s-${options.user}-${options.device}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    this.gateway = options.gateways[0]!;
  }

  /** Resolves at the first welcome. */
  connect(): Promise<void> {
    const welcomed = new Promise<void>((resolve) => {
      this.#welcome = resolve;
    });
    this.#dial();
    return welcomed;
  }

  /** States something: `true` if the socket was there to take it. */
  say(state: 'online' | 'away' | 'busy'): boolean {
    this.#state = state;
    this.#seq += 1;
    return this.#send({ type: 'heartbeat', seq: this.#seq, state });
  }

  /** Keeps the stream, says only that it lives. */
  beat(): boolean {
    this.#seq += 1;
    return this.#send({ type: 'heartbeat', seq: this.#seq });
  }

  hello(): boolean {
    return this.#send({ type: 'hello', device_id: this.#options.device, session_id: this.session, state: this.#state });
  }

  goodbye(): boolean {
    return this.#send({ type: 'goodbye' });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close(1000);
  }

  #send(message: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #dial(): void {
    if (this.#closed) return;
    this.gateway = this.#options.gateways[this.#attempt % this.#options.gateways.length]!;
    const token = this.#options.token ?? `dev:${this.user}`;
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${this.gateway.replace('http', 'ws')}/presence/stream`, ['presence.v1'], { headers });
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Record<string, unknown>));
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.open = false;
      if (this.#closed) return;
      this.#attempt += 1;
      this.reconnects += 1;
      setTimeout(() => this.#dial(), RETRY_MS);
    });
  }

  #receive(message: Record<string, unknown>): void {
    const received = performance.now();
    if (message.type === 'welcome') {
      this.open = true;
      if (this.#options.bind !== false) this.hello();
      if (this.#options.watch !== undefined && this.#options.watch.length > 0)
        this.#send({ type: 'subscribe', user_ids: this.#options.watch });
      this.#welcome?.();
    } else if (message.type === 'diffs') {
      for (const diff of message.diffs as DiffView[]) this.#options.onDiff?.(diff, received);
    } else if (message.type === 'snapshot') {
      for (const presence of message.presences as Presence[]) this.#options.onSnapshot?.(presence);
    } else if (message.type === 'error') {
      const code = String(message.code);
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    }
  }
}
