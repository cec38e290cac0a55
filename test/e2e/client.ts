/** A user of the system over real sockets: HTTP by fetch, the stream by `ws`. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { DiffView, Presence } from '../../schemas/presence.ts';

export interface Frame {
  readonly type: string;
  readonly diffs?: readonly DiffView[];
  readonly presences?: readonly Presence[];
  readonly [field: string]: unknown;
}

const WITHIN_MS = 15_000;

export interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export async function http(url: string, user: string, method: string, path: string, body?: object): Promise<Reply> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${user.includes(':') ? user : `dev:${user}`}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

export async function presenceOf(url: string, asker: string, user: string): Promise<Presence> {
  const { body } = await http(url, asker, 'GET', `/presence?user_ids=${user}`);
  return (body.presences as readonly Presence[])[0]!;
}

/** Asks until it is so; the last answer is in the error. */
export async function until<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${WITHIN_MS} ms; last: ${JSON.stringify(answer)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** One connection. Frames are read in order: `next` answers with the first that fits of those not read yet. */
export class Stream {
  readonly user: string;
  readonly closed: Promise<{ readonly code: number }>;
  readonly #socket: WebSocket;
  readonly #unread: Frame[] = [];
  #look: () => void = () => {};

  private constructor(user: string, socket: WebSocket) {
    this.user = user;
    this.#socket = socket;
    this.closed = new Promise((done) => socket.once('close', (code) => done({ code })));
    socket.on('message', (data) => {
      this.#unread.push(JSON.parse(String(data)) as Frame);
      this.#look();
    });
    socket.on('error', () => {});
  }

  static async open(url: string, user: string): Promise<Stream> {
    // A development token's colon cannot stand in a subprotocol.
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/presence/stream`, 'presence.v1', {
      headers: { authorization: `Bearer dev:${user}` },
    });
    const stream = new Stream(user, socket);
    await new Promise((done, fail) => socket.once('open', done).once('error', fail));
    await stream.next((frame) => frame.type === 'welcome');
    return stream;
  }

  send(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }

  hello(said: object = {}): void {
    this.send({ type: 'hello', device_id: `device-of-${this.user}`, session_id: randomUUID(), ...said });
  }

  async subscribe(...users: readonly string[]): Promise<readonly Presence[]> {
    this.send({ type: 'subscribe', user_ids: users });
    const frame = await this.next(
      ({ type, presences }) => type === 'snapshot' && users.every((user) => presences!.some(({ user_id }) => user_id === user)),
    );
    return frame.presences!;
  }

  async next(fits: (frame: Frame) => boolean): Promise<Frame> {
    const deadline = performance.now() + WITHIN_MS;
    for (;;) {
      const at = this.#unread.findIndex(fits);
      if (at >= 0) return this.#unread.splice(0, at + 1).at(-1)!;
      const left = deadline - performance.now();
      if (left <= 0)
        throw new Error(`${this.user} was not sent it within ${WITHIN_MS} ms; unread: ${JSON.stringify(this.#unread)}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left);
        this.#look = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }

  /** The next diff of `user`. */
  async diff(user: string): Promise<DiffView> {
    const frame = await this.next(({ diffs }) => diffs?.some(({ user_id }) => user_id === user) ?? false);
    return frame.diffs!.find(({ user_id }) => user_id === user)!;
  }

  /** The types of frames not read yet, and what diffs among them say of `user`. */
  unread(user: string): readonly DiffView[] {
    return this.#unread.flatMap(({ diffs }) => diffs ?? []).filter(({ user_id }) => user_id === user);
  }

  /** A clean close. */
  close(): void {
    this.#socket.close(1000);
  }

  /** The connection breaks: no close frame. */
  break(): void {
    this.#socket.terminate();
  }
}
