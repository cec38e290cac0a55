/** What the client needs of a WebSocket: the part that browsers, Node 22's global and the package `ws` have in common. */

export interface SocketLike {
  readonly readyState: number;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** `WebSocket` of a browser, of Node 22, or of the package `ws`. Its handlers' own types differ, so they are not asked for. */
// biome-ignore lint/suspicious/noExplicitAny: three implementations, whose event types have nothing in common
export type SocketClass = new (url: string, protocols: any) => any;

const OPEN = 1;

/** One attempt, and the connection that comes of it. */
export class Line {
  readonly token: string;
  readonly #socket: SocketLike;

  /** Throws what the constructor throws for a bad address. `closed` comes once. */
  constructor(
    WebSocket: SocketClass,
    dial: { readonly url: string; readonly protocols: readonly string[]; readonly token: string },
    events: { readonly message: (data: unknown) => void; readonly closed: (code: number, reason: string) => void },
  ) {
    this.token = dial.token;
    const socket = new WebSocket(dial.url, dial.protocols) as SocketLike;
    this.#socket = socket;
    socket.onmessage = ({ data }) => events.message(data);
    socket.onclose = ({ code, reason }) => {
      this.#deafen();
      events.closed(code, reason);
    };
    // Before it was open, not every implementation says close after it.
    socket.onerror = () => {
      if (socket.readyState === OPEN) return;
      this.#deafen();
      events.closed(1006, '');
    };
  }

  send(text: string): boolean {
    if (this.#socket.readyState !== OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  /** Nothing of it is heard afterwards. Where the other end is gone, the close itself may take minutes: nobody waits for it. */
  end(code: number): void {
    this.#deafen();
    this.#socket.close(code);
  }

  #deafen(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    // An error event that nobody hears would end a Node process.
    this.#socket.onerror = () => {};
  }
}
