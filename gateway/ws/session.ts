/**
 * One stream connection: what it is to the other parts (`Connection`), and what its frames do.
 *
 * A session is **open** from the upgrade to the close event; its `ws` must not be touched afterwards. Frames are
 * handled in the order they come: what a frame changes is changed before the next one is looked at, only
 * the waiting for the log or the store goes on beside. Once a second the sweep looks at it (`sweep`): a
 * ping, the end of its token, whether its reader keeps up, whether it is still there at all.
 *
 * **Slow.** Above `slowBytes` in the socket `slow` is true and the fan-out holds back (it keeps the newest state
 * of each user and no more). Above `slowBytesMax`, or slow for `SLOW_SWEEPS` sweeps on end, it is closed with
 * 4408: what it holds is memory that others need.
 */
import { clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { userKey } from '../../schemas/user-key.ts';
import { type Authenticator, isBadToken, type Principal, type Scope } from '../auth.ts';
import { Bucket, type Rate } from '../limits.ts';
import { messages, refused, slowReaders } from '../metrics.ts';
import type { Connection, Devices, FanOut } from '../parts.ts';
import { continueTrace } from '../trace.ts';
import type { WebSocket } from '../uws.ts';
import type { AnyFrame, Frame } from '../validation/frames.ts';
import { parseFrame } from './parse-frame.ts';
import { type CloseCode, closeReason, type FrameErrorCode, frameErrors, type ServerFrame, TOKEN_GRACE_MS } from './protocol.ts';

export interface SessionOptions {
  readonly devices: Devices;
  readonly fanOut: FanOut;
  readonly authenticator: Authenticator;
  readonly rate: Rate;
  readonly logger: Logger;
  /** Above it a connection is slow. Default 64 KiB. */
  readonly slowBytes: number;
  /** Above it a connection is closed. Default 8 MiB: well above the largest snapshot (10,000 users, 3 MB). */
  readonly slowBytesMax: number;
}

export interface SessionStart {
  readonly id: string;
  readonly principal: Principal;
  /** The upgrade request's, as it came: goes on with the first hello. */
  readonly traceparent: string;
}

/** Sweeps (seconds) in a row that a connection may be slow. */
const SLOW_SWEEPS = 60;
/** Sweeps in a row without a sign of life after which a connection is gone. In sweeps, so that a stall of ours counts as one. */
const UNHEARD_SWEEPS = 30;

export class Session implements Connection {
  readonly id: string;
  readonly userKey: string;
  readonly tenant: string;
  readonly #options: SessionOptions;
  readonly #ws: WebSocket<unknown>;
  readonly #bucket: Bucket;
  #open = true;
  #principal: Principal;
  #traceparent: string;
  #greeted = false;
  #warned = false;
  #unheard = 0;
  #slowSweeps = 0;

  constructor(ws: WebSocket<unknown>, start: SessionStart, options: SessionOptions) {
    this.id = start.id;
    this.userKey = start.principal.userKey;
    this.tenant = start.principal.tenant;
    this.#options = options;
    this.#ws = ws;
    this.#bucket = new Bucket(options.rate.burst, clock.now());
    this.#principal = start.principal;
    this.#traceparent = start.traceparent;
  }

  /** Of the token that it bears now. */
  get principal(): Principal {
    return this.#principal;
  }

  get open(): boolean {
    return this.#open;
  }

  get slow(): boolean {
    return this.#open && this.#ws.getBufferedAmount() > this.#options.slowBytes;
  }

  send(frame: string): boolean {
    if (!this.#open) return false;
    this.#ws.send(frame);
    const held = this.#ws.getBufferedAmount();
    if (held > this.#options.slowBytesMax) {
      this.refuse('too_slow', `The connection holds ${held} bytes unread.`, 4408);
      return false;
    }
    return held <= this.#options.slowBytes;
  }

  say(frame: ServerFrame): void {
    this.send(JSON.stringify(frame));
  }

  refuse(code: string, detail: string, closeCode: number): void {
    if (!this.#open) return;
    // Not by send: beyond the hard bound that would come back here.
    this.#ws.send(JSON.stringify({ type: 'error', code, detail }));
    refused.inc({ code });
    this.end(closeCode);
  }

  /** The close event comes within this call. */
  end(closeCode: number): void {
    if (this.#open) this.#ws.end(closeCode, closeReason(closeCode));
  }

  /** The close event: from here on the socket must not be touched. */
  gone(): void {
    this.#open = false;
  }

  /** A ping or pong has come. Pings count for the rate like frames. */
  heard(what: 'ping' | 'pong'): void {
    this.#unheard = 0;
    if (what === 'ping' && !this.#mayGoOn()) return;
    this.#options.devices.beat(this);
  }

  message(message: ArrayBuffer, isBinary: boolean): void {
    this.#unheard = 0;
    if (!this.#mayGoOn()) return;
    this.#options.devices.beat(this);
    const parsed = parseFrame(message, isBinary);
    if ('frame' in parsed) {
      messages.inc({ type: parsed.frame.type });
      this.#handle(parsed.frame);
      return;
    }
    messages.inc({ type: 'refused' });
    if (parsed.code === 'too_large') this.refuse(parsed.code, parsed.detail, 1009);
    else this.#error(parsed.code, parsed.detail);
  }

  /** Once a second. `now` in ms since 1970. */
  sweep(now: number): void {
    if (!this.#open) return;
    this.#unheard += 1;
    if (this.#unheard > UNHEARD_SWEEPS) {
      this.#ws.close();
      return;
    }
    if (now > this.#principal.ends) {
      if (now > this.#principal.ends + TOKEN_GRACE_MS) {
        this.refuse('token_ended', 'The token has ended, and no fresh one came.', 4401);
        return;
      }
      if (!this.#warned) {
        this.#warned = true;
        this.#error('token_ended', frameErrors.token_ended);
      }
    }
    this.#slowSweeps = this.slow ? this.#slowSweeps + 1 : 0;
    if (this.#slowSweeps === 1) slowReaders.inc();
    if (this.#slowSweeps > SLOW_SWEEPS) this.refuse('too_slow', `The connection has been slow for ${SLOW_SWEEPS} s.`, 4408);
    else this.#ws.ping();
  }

  #mayGoOn(): boolean {
    if (this.#bucket.take(this.#options.rate, clock.now()) === 0) return true;
    const { rate, burst } = this.#options.rate;
    this.refuse('too_fast', `More than ${rate} frames a second, and ${burst} at once.`, 4429 satisfies CloseCode);
    return false;
  }

  #error(code: FrameErrorCode, detail: string): void {
    refused.inc({ code });
    this.say({ type: 'error', code, detail });
  }

  #handle(frame: AnyFrame): void {
    const { devices, fanOut } = this.#options;
    switch (frame.type) {
      case 'hello':
        if (this.#mayWrite()) this.#after(this.#hello(frame));
        return;
      case 'heartbeat':
        if (this.#mayWrite() && this.#hasGreeted()) this.#after(this.#heartbeat(frame));
        return;
      case 'goodbye':
        if (this.#mayWrite() && this.#hasGreeted()) this.#after(devices.goodbye(this, this.#trace(frame.traceparent)));
        return;
      case 'token':
        this.#after(this.#freshToken(frame.token));
        return;
      case 'subscribe':
        this.#after(fanOut.subscribe(this, this.#keys(frame.user_ids)));
        return;
      case 'unsubscribe':
        fanOut.unsubscribe(this, this.#keys(frame.user_ids));
        return;
      case 'resume':
        this.#after(fanOut.resume(this, frame.cursor, this.#keys(frame.user_ids ?? [])));
        return;
    }
  }

  #hello(frame: Frame<'hello'>): Promise<void> {
    const { device_id, session_id } = frame;
    const traceparent = frame.traceparent ?? this.#traceparent;
    this.#greeted = true;
    this.#traceparent = '';
    return this.#options.devices.hello(this, { device_id, session_id, ...saidBy(frame), ...this.#trace(traceparent) });
  }

  async #heartbeat(frame: Frame<'heartbeat'>): Promise<void> {
    const ack = frame.ack === true;
    await this.#options.devices.heartbeat(this, { seq: frame.seq, ack, ...saidBy(frame), ...this.#trace(frame.traceparent) });
    if (ack) this.say({ type: 'ack', seq: frame.seq });
  }

  async #freshToken(token: string): Promise<void> {
    let fresh: Principal;
    try {
      fresh = await this.#options.authenticator.verify(token);
    } catch (error) {
      if (!isBadToken(error)) throw error;
      this.#error('bad_token', error.message);
      return;
    }
    if (fresh.userKey !== this.userKey) this.#error('bad_token', 'The token is of another user or tenant.');
    else if (!fresh.scopes.has('presence:read')) this.#error('bad_token', 'The token lacks the scope presence:read.');
    else if (fresh.ends <= clock.now()) this.#error('bad_token', 'The token has ended.');
    else {
      this.#principal = fresh;
      this.#warned = false;
    }
  }

  #keys(userIds: readonly string[]): readonly string[] {
    return userIds.map((id) => userKey(this.tenant, id));
  }

  #trace(header: string | undefined): { readonly traceparent: string } {
    return { traceparent: continueTrace(header).traceparent };
  }

  #mayWrite(): boolean {
    const scope: Scope = 'presence:write';
    if (this.#principal.scopes.has(scope)) return true;
    this.#error('forbidden', `This needs the scope ${scope}.`);
    return false;
  }

  #hasGreeted(): boolean {
    if (!this.#greeted) this.#error('hello_first', frameErrors.hello_first);
    return this.#greeted;
  }

  /** What went wrong with a frame becomes an error frame. */
  #after(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (hasCode(error, 'BAD_INPUT')) this.#error('bad_input', error.message);
      else if (hasCode(error, 'OUTBOX_FULL', 'LOG_UNAVAILABLE', 'STORE_UNAVAILABLE'))
        this.#error('unavailable', `${error.message} Try again.`);
      else {
        this.#options.logger.error({ err: error, connection: this.id }, 'A frame failed.');
        this.#error('internal', frameErrors.internal);
      }
    });
  }

  /** The first snapshot: the user's own presence and kept list. */
  begin(welcome: ServerFrame): void {
    this.say(welcome);
    this.#after(this.#options.fanOut.attach(this));
  }
}

const saidBy = ({ state, source }: Frame<'hello'> | Frame<'heartbeat'>) => ({
  ...(state === undefined ? {} : { state }),
  ...(source === undefined ? {} : { source }),
});
