/**
 * A WebSocket between a client and a gateway: two wires, and two ends that close apart from each other.
 *
 * The gateway's end is what uWebSockets.js gives the real server (`ServerSocket`): its close event comes within `end` and
 * `close`. A process that ends has its sockets closed by its kernel; a machine that loses power says nothing, and who
 * still sends learns of it when a wire gives up (wire.ts), or by their own impatience.
 */
import type { Host } from './host.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { type Path, Wire } from './wire.ts';

/** The close code where no close frame came. */
export const BROKEN = 1006;

/** What the gateway's server does with a socket (of uWS's WebSocketBehavior). */
export interface ServerEvents {
  open(socket: ServerSocket): void;
  message(socket: ServerSocket, message: ArrayBuffer, isBinary: boolean): void;
  pong(socket: ServerSocket): void;
  close(socket: ServerSocket, code: number): void;
}

/** What the client does with it. */
export interface ClientEvents {
  opened(): void;
  frame(text: string): void;
  pinged(): void;
  closed(code: number): void;
}

/** The part of uWS's WebSocket that sessions use. */
export interface ServerSocket {
  getUserData(): unknown;
  send(frame: string): void;
  getBufferedAmount(): number;
  ping(): void;
  end(code: number, reason?: string): void;
  close(): void;
}

export interface SocketOptions {
  readonly scheduler: Scheduler;
  readonly client: Host;
  readonly gateway: Host;
  /** Sends again for either side, whatever its process does. */
  readonly kernel: Host;
  readonly path: Path;
  readonly random: Random;
  readonly blocked: () => boolean;
  readonly userData: unknown;
  readonly clientEvents: ClientEvents;
  readonly serverEvents: ServerEvents;
  /** A message, or the pong to a ping of that time, has reached the gateway's process. For the truth. */
  readonly beaten: (pinged: number | null) => void;
  /** The client's clean close has reached the gateway's process. For the truth. */
  readonly left: () => void;
  /** Its end at the gateway is closed. */
  readonly ended: () => void;
}

const encoder = new TextEncoder();

export class Socket implements ServerSocket {
  readonly #options: SocketOptions;
  readonly #up: Wire;
  readonly #down: Wire;
  #clientOpen = true;
  #serverOpen = false;
  /** Its path is dead for good. */
  rebound = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    const { scheduler, client, gateway, kernel, path, random, blocked } = options;
    const shared = { scheduler, kernel, path, random, blocked };
    this.#up = new Wire({ ...shared, to: gateway, broken: () => this.#lostByClient() });
    this.#down = new Wire({ ...shared, to: client, broken: () => this.#lostByServer() });
  }

  /** The handshake is done: the gateway's process takes it when it can. */
  accept(): void {
    const { scheduler, gateway, serverEvents, clientEvents } = this.#options;
    scheduler.send(gateway, 0, () => {
      this.#serverOpen = true;
      serverEvents.open(this);
    });
    this.#down.send(() => this.#clientOpen && clientEvents.opened());
  }

  // The client's end

  get clientOpen(): boolean {
    return this.#clientOpen;
  }

  say(frame: object): void {
    if (!this.#clientOpen) return;
    const message = encoder.encode(JSON.stringify(frame)).buffer as ArrayBuffer;
    this.#up.send(() => {
      if (!this.#serverOpen) return;
      this.#options.beaten(null);
      this.#options.serverEvents.message(this, message, false);
    });
  }

  /** A close frame, or, with 1006, only the end of the process: its kernel says so. */
  leave(code: number): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#up.send(() => {
      if (this.#serverOpen && code !== BROKEN) this.#options.left();
      this.#serverClosed(code);
    });
    this.#down.close();
  }

  /** The client's machine is gone, or its path for good: nothing is said to anybody. */
  vanish(): void {
    this.#clientOpen = false;
    this.#up.close();
  }

  // The gateway's end

  get serverOpen(): boolean {
    return this.#serverOpen;
  }

  getUserData(): unknown {
    return this.#options.userData;
  }

  getBufferedAmount(): number {
    return 0;
  }

  send(frame: string): void {
    this.#down.send(() => this.#clientOpen && this.#options.clientEvents.frame(frame));
  }

  ping(): void {
    this.#down.send(this.#onPing, this.#options.scheduler.now);
  }

  /** At the client: answered with a pong. */
  readonly #onPing = (pinged: number): void => {
    if (!this.#clientOpen) return;
    this.#options.clientEvents.pinged();
    this.#up.send(this.#onPong, pinged);
  };

  readonly #onPong = (pinged: number): void => {
    if (!this.#serverOpen) return;
    this.#options.beaten(pinged);
    this.#options.serverEvents.pong(this);
  };

  end(code: number): void {
    if (!this.#serverOpen) return;
    this.#down.send(() => this.#clientClosed(code));
    this.#serverClosed(code);
  }

  close(): void {
    this.end(BROKEN);
  }

  /** The gateway's process is gone; its kernel, if the machine still has power, closes the socket. */
  orphan(power: boolean): void {
    this.#serverOpen = false;
    if (power) this.#down.send(() => this.#clientClosed(BROKEN));
    else this.#down.close();
    this.#up.close();
  }

  #serverClosed(code: number): void {
    if (!this.#serverOpen) return;
    this.#serverOpen = false;
    this.#options.serverEvents.close(this, code);
    this.#options.ended();
  }

  #clientClosed(code: number): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#up.close();
    this.#options.clientEvents.closed(code);
  }

  #lostByClient(): void {
    this.#options.scheduler.send(this.#options.client, 0, () => this.#clientClosed(BROKEN));
  }

  #lostByServer(): void {
    this.#options.scheduler.send(this.#options.gateway, 0, () => this.#serverClosed(BROKEN));
  }
}
