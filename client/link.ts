/**
 * Keeps a connection to the stream, and says which frames come over it.
 *
 * **Model.** `wanted` from `connect` to `close` (or a refusal). Beside each other there are at most one *current* line, which
 * was welcomed and carries frames, and one *coming* line, on its way to a welcome. A welcome makes the coming one current
 * and ends the old one: so a gateway that is being drained (`moveIn`) is left only when another one serves, and nobody
 * sees the device go. Of the status the current line decides first: `open` while there is one, then `connecting` while one is
 * coming, then `waiting` for the next attempt, `refused` where coming back would be of no use, else `idle`.
 *
 * A line that did not last STABLE_MS counts as a failure, or a server that welcomes and then closes would be dialled without
 * end at the shortest pause. Why an upgrade failed a browser does not say: a read with the same token does (`probe`),
 * asked after the 1st, 2nd, 4th, 8th… failure in a row, so that a storm is not doubled by it.
 */
import { dialOf, probeOf } from './address.ts';
import { Alarm, type Clock } from './clock.ts';
import { type Backoff, pauseOf } from './pauses.ts';
import { type ClientFrame, closes, MOVED, type ServerFrame } from './protocol.ts';
import { Pulse } from './pulse.ts';
import { Line, type SocketClass } from './socket.ts';
import type { Tokens } from './tokens.ts';

export type Connection =
  | { readonly status: 'idle' }
  | { readonly status: 'connecting' }
  | { readonly status: 'open'; readonly connection_id: string }
  /** `code`: the close code; 0 where there was no connection to close. */
  | { readonly status: 'waiting'; readonly code: number; readonly reason: string; readonly retry_in_ms: number }
  /** It does not come back by itself; `connect()` tries again. */
  | { readonly status: 'refused'; readonly code: number; readonly reason: string };

export interface Fault {
  /** A frame error's, or the client's own: `token_unavailable`, `bad_frame`, `gap`. */
  readonly code: string;
  readonly detail: string;
  /** What was thrown, where something was. */
  readonly cause?: unknown;
}

export interface LinkOptions {
  readonly url: string;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: () => number;
  readonly backoff: Backoff;
  readonly quiet_ms: number;
  readonly patience_ms: number;
  readonly WebSocket: SocketClass;
  readonly fetch: typeof globalThis.fetch | undefined;
  /** A fresh connection: nothing was said on it yet. */
  readonly opened: () => void;
  /** Frames of the current connection but the welcome. */
  readonly frame: (frame: ServerFrame) => void;
  /** 4409: whether to come back, as another session. */
  readonly replaced: () => boolean;
  /** Asks the server for some frame. */
  readonly probe: () => void;
  readonly changed: (connection: Connection) => void;
  readonly fault: (fault: Fault) => void;
}

/** From dialling to the welcome, the token's coming included. */
const WELCOME_MS = 10_000;
const STABLE_MS = 10_000;

export class Link {
  readonly #options: LinkOptions;
  readonly #pulse: Pulse;
  /** While a line is coming: its end of patience. Else, while none is current: the next attempt. */
  readonly #retry: Alarm;
  readonly #welcome: Alarm;
  readonly #move: Alarm;
  #connection: Connection = { status: 'idle' };
  #wanted = false;
  #current: Line | null = null;
  #coming: Line | null = null;
  #dialling = false;
  /** Which attempt this is: what belongs to an older one is not heard. */
  #attempt = 0;
  #failures = 0;
  #openedAt = 0;
  /** The server asked not to be dialled before. */
  #notBefore = 0;

  constructor(options: LinkOptions) {
    const { clock, quiet_ms, patience_ms, probe } = options;
    this.#options = options;
    this.#retry = new Alarm(clock);
    this.#welcome = new Alarm(clock);
    this.#move = new Alarm(clock);
    this.#pulse = new Pulse({ clock, quiet_ms, patience_ms, probe, dead: () => this.#dead() });
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** The token that the current connection was opened with. */
  get token(): string | undefined {
    return this.#current?.token;
  }

  connect(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#dial();
  }

  close(): void {
    this.#end(1000);
    this.#become({ status: 'idle' });
  }

  send(frame: ClientFrame): boolean {
    return this.#current?.send(JSON.stringify(frame)) ?? false;
  }

  /** To another gateway, after this long; this one serves until then. */
  moveIn(ms: number): void {
    this.#move.set(ms, () => this.#dial());
  }

  /** Something tells that the network may have changed: looks at once whether the connection holds, or tries again. */
  poke(): void {
    if (this.#current !== null) this.#pulse.check();
    else if (this.#retry.due !== undefined && this.#options.clock.now() >= this.#notBefore) this.#dial();
  }

  /** Ends all that there is. */
  #end(code: number): void {
    this.#wanted = false;
    this.#lose()?.end(code);
    this.#giveUp();
    this.#retry.clear();
  }

  /** The current line is none any more. */
  #lose(): Line | null {
    const line = this.#current;
    this.#current = null;
    this.#pulse.stop();
    this.#move.clear();
    this.#failures = this.#options.clock.now() - this.#openedAt >= STABLE_MS ? 0 : this.#failures + 1;
    return line;
  }

  /** Ends the attempt under way, if there is one. */
  #giveUp(): void {
    this.#attempt += 1;
    this.#dialling = false;
    this.#welcome.clear();
    this.#coming?.end(1000);
    this.#coming = null;
  }

  #dial(): void {
    if (!this.#wanted || this.#dialling) return;
    this.#retry.clear();
    this.#dialling = true;
    const attempt = ++this.#attempt;
    if (this.#current === null) this.#become({ status: 'connecting' });
    this.#welcome.set(WELCOME_MS, () => {
      this.#giveUp();
      this.#failures += 1;
      this.#again(0, 'no welcome came');
    });
    this.#options.tokens.get().then(
      (token) => attempt === this.#attempt && this.#open(token),
      (error: unknown) => attempt === this.#attempt && this.#noToken(error),
    );
  }

  #open(token: string): void {
    const { url, WebSocket } = this.#options;
    try {
      const line: Line = new Line(
        WebSocket,
        { ...dialOf(url, token), token },
        { message: (data) => this.#message(line, data), closed: (code, reason) => this.#closed(line, code, reason) },
      );
      this.#coming = line;
    } catch (error) {
      // The address is none: another attempt would fail alike.
      this.#refuse(0, String(error));
    }
  }

  #noToken(error: unknown): void {
    this.#giveUp();
    this.#failures += 1;
    this.#options.fault({ code: 'token_unavailable', detail: String(error), cause: error });
    // A token function that says so is not asked again.
    if ((error as { retriable?: unknown } | null)?.retriable === false) this.#refuse(0, 'there is no token');
    else this.#again(0, 'there is no token now');
  }

  #message(line: Line, data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(data as string) as ServerFrame;
      if (typeof frame.type !== 'string') throw new TypeError('it has no type');
    } catch (error) {
      this.#options.fault({ code: 'bad_frame', detail: `The server sent what is no frame: ${String(error)}`, cause: error });
      return;
    }
    if (line === this.#coming && frame.type === 'welcome') this.#opened(line, frame.connection_id);
    if (line !== this.#current) return;
    this.#pulse.heard();
    if (frame.type !== 'welcome') this.#options.frame(frame);
  }

  #opened(line: Line, connection_id: string): void {
    const before = this.#current;
    this.#coming = null;
    this.#giveUp();
    this.#move.clear();
    this.#current = line;
    this.#openedAt = this.#options.clock.now();
    this.#pulse.start();
    this.#become({ status: 'open', connection_id });
    this.#options.opened();
    before?.end(MOVED);
  }

  #closed(line: Line, code: number, reason: string): void {
    if (line === this.#coming) {
      this.#coming = null;
      this.#giveUp();
      void this.#explain(line.token, code, reason);
      return;
    }
    if (line !== this.#current) return;
    this.#lose();
    if (code === closes.token) this.#spoilt(code, reason);
    else if (code === closes.replaced && !this.#options.replaced()) this.#refuse(code, reason);
    else this.#again(code, reason);
  }

  /** The token was not accepted, or has ended: another one may be. */
  #spoilt(code: number, reason: string): void {
    const { tokens } = this.#options;
    tokens.spoil();
    if (tokens.renewable) this.#again(code, reason);
    else this.#refuse(code, reason);
  }

  /** An upgrade failed: asks why, where that can be asked, then waits or gives up. */
  async #explain(token: string, code: number, reason: string): Promise<void> {
    const { fetch, url } = this.#options;
    this.#failures += 1;
    const attempt = this.#attempt;
    let [status, least_ms] = [0, 0];
    // 1, 2, 4, 8…
    if (fetch !== undefined && (this.#failures & (this.#failures - 1)) === 0) {
      this.#retry.set(WELCOME_MS, () => this.#again(code, reason));
      try {
        const answer = await fetch(probeOf(url), { headers: { authorization: `Bearer ${token}` } });
        status = answer.status;
        least_ms = 1_000 * (Number(answer.headers.get('retry-after')) || 0);
      } catch {
        // Nobody is there at all: the pause says all there is to say.
      }
    }
    // Meanwhile it was closed, or dialled by somebody's poke.
    if (attempt !== this.#attempt || !this.#wanted) return;
    if (status === 401 || status === 403) this.#spoilt(code, 'the token was not accepted');
    else this.#again(code, reason || 'the connection was refused', least_ms);
  }

  #again(code: number, reason: string, least_ms = 0): void {
    if (!this.#wanted) return;
    const { backoff, random, clock } = this.#options;
    const failures = this.#failures;
    // Another one is on its way already.
    if (this.#dialling) {
      this.#become({ status: 'connecting' });
      return;
    }
    const pause = pauseOf(backoff, { failures, code, least_ms }, random);
    this.#notBefore = clock.now() + (code === closes.tooFast ? pause : least_ms);
    this.#retry.set(pause, () => this.#dial());
    if (this.#current === null) this.#become({ status: 'waiting', code, reason, retry_in_ms: pause });
  }

  #refuse(code: number, reason: string): void {
    this.#end(1000);
    this.#become({ status: 'refused', code, reason });
  }

  /** Nobody answers: the connection is given up, and another one dialled at once. */
  #dead(): void {
    this.#lose()?.end(MOVED);
    this.#giveUp();
    this.#dial();
  }

  #become(connection: Connection): void {
    this.#connection = connection;
    this.#options.changed(connection);
  }
}
