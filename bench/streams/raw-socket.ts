/**
 * A WebSocket client as small as can be, so that one machine holds as many of them as of the connections under test:
 * a socket, the bytes of a frame that has not come whole yet, and three callbacks. It answers pings, as a browser does.
 *
 * For benchmarks against our own gateway only: it takes what uWebSockets.js sends (whole, unmasked frames, no compression)
 * and checks nothing.
 */
import { connect, type Socket } from 'node:net';

export interface RawSocketOptions {
  readonly host: string;
  readonly port: number;
  /** With the query: the token goes there. */
  readonly path: string;
  readonly onOpen: () => void;
  /** The text as bytes: whoever only counts need not decode it. Good until it returns. */
  readonly onText: (text: Buffer) => void;
  /** 1006 where no close frame came; `status` is of the refused upgrade, 101 after an accepted one, 0 if there was no answer. */
  readonly onClose: (code: number, status: number) => void;
}

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** The key is not checked by us, and any will do for the server. */
const KEY = 'cHJlc2VuY2UtYmVuY2gtMQ==';
/** A mask of zeros: allowed, and costs nothing. */
const MASKED = 0x80;

const frameOf = (opcode: number, payload: Buffer): Buffer => {
  const long = payload.length > 125;
  const head = Buffer.alloc((long ? 4 : 2) + 4);
  head[0] = 0x80 | opcode;
  head[1] = MASKED | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
};

const pong = frameOf(PONG, Buffer.alloc(0));

export class RawSocket {
  readonly #options: RawSocketOptions;
  readonly #socket: Socket;
  #rest: Buffer | null = null;
  #status = 0;
  #code = 1006;
  #closed = false;

  constructor(options: RawSocketOptions) {
    this.#options = options;
    const { host, port, path } = options;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('connect', () => {
      const head = [
        `GET ${path} HTTP/1.1`,
        `Host: ${host}:${port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Protocol: presence.v1',
        `Sec-WebSocket-Key: ${KEY}`,
      ];
      this.#socket.write(`${head.join('\r\n')}\r\n\r\n`);
    });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', () => {}); // `close` follows
    this.#socket.on('close', () => {
      if (this.#closed) return;
      this.#closed = true;
      options.onClose(this.#code, this.#status);
    });
  }

  /** At most 65,535 bytes. */
  say(frame: object): void {
    this.#socket.write(frameOf(TEXT, Buffer.from(JSON.stringify(frame))));
  }

  /** Reads nothing more, until `resume`: a reader that has stalled. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Without a word, as a machine that lost its network; `onClose` is called. */
  cut(): void {
    this.#socket.destroy();
  }

  /** With 1000. */
  leave(): void {
    const code = Buffer.alloc(2);
    code.writeUInt16BE(1000);
    this.#socket.end(frameOf(CLOSE, code));
  }

  #read(chunk: Buffer): void {
    let bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (this.#status === 0) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      this.#status = Number(bytes.toString('latin1', 9, 12));
      if (this.#status !== 101) {
        this.#socket.destroy();
        return;
      }
      bytes = bytes.subarray(end + 4);
      this.#options.onOpen();
    }
    this.#frames(bytes);
  }

  #frames(bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= 2) {
      const short = (bytes[at + 1] as number) & 0x7f;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (bytes.length - at < head) break;
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? bytes.readUInt32BE(at + 6) : short;
      if (bytes.length - at < head + length) break;
      const payload = bytes.subarray(at + head, at + head + length);
      at += head + length;
      this.#take((bytes[at - head - length] as number) & 0x0f, payload);
    }
    // A copy, so that what is left of a frame does not keep the whole chunk.
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === TEXT) this.#options.onText(payload);
    else if (opcode === PING) this.#socket.write(payload.length === 0 ? pong : frameOf(PONG, payload));
    else if (opcode === CLOSE) {
      this.#code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.#socket.end(frameOf(CLOSE, Buffer.from(payload)));
    }
  }
}
