/**
 * A gateway on the embedded log and the in-process cache, with real sockets. There is no topology behind it: tests say
 * what the sinks would have written (`seed`), and read what the gateway wrote to the log (`signals`).
 */
import { connect } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import { PresenceError } from '../../base/errors.ts';
import { silentLogger } from '../../base/logger.ts';
import { partitionOf } from '../../base/murmur2.ts';
import { blobOf } from '../../connectors/blob.ts';
import { createInProcessCache } from '../../connectors/in-process/index.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../gateway/index.ts';
import type { Log, TopicSpec } from '../../ports/log.ts';
import type { PresenceCache, Progress } from '../../ports/presence-cache.ts';
import type { HistoryQuery } from '../../ports/presence-store.ts';
import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { type Codecs, createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import type { Signal, UserState } from '../../schemas/generated.ts';
import type { HistoryEntry, PresenceBlob } from '../../schemas/presence.ts';
import { topicNames } from '../../schemas/topics.ts';
import { topicSpecs } from '../../topology/topics.ts';
import { faultsOf } from './frame-schemas.ts';

export const PARTITIONS = 4;

/** The smallest store that keeps what the port promises of reading: users by key, history by time. */
export class MemoryStore {
  readonly blobs = new Map<string, PresenceBlob>();
  readonly progress = new Map<number, Progress>();
  readonly histories = new Map<string, HistoryEntry[]>();
  readonly asked: HistoryQuery[] = [];
  reads = 0;
  down = false;

  #up(): void {
    if (this.down)
      throw new PresenceError('STORE_UNAVAILABLE', 'The database cannot be reached.', { at: 'test', retriable: true });
  }
  async read(keys: readonly string[]) {
    this.#up();
    this.reads += 1;
    return { blobs: keys.map((key) => this.blobs.get(key) ?? null), progress: this.progress };
  }
  async history(query: HistoryQuery) {
    this.#up();
    this.asked.push(query);
    const skip = query.cursor === undefined ? 0 : Number(query.cursor);
    if (!Number.isInteger(skip))
      throw new PresenceError('BAD_INPUT', 'The cursor is not one of ours.', { at: 'test', retriable: false });
    const inside = (this.histories.get(query.key) ?? []).filter(
      ({ at }) => Date.parse(at) >= query.from && Date.parse(at) < query.to,
    );
    const entries = inside.slice(skip, skip + query.limit);
    return { entries, next: skip + query.limit < inside.length ? String(skip + query.limit) : null };
  }
  async ping() {
    this.#up();
  }
}

export interface Rig {
  readonly gateway: Gateway;
  readonly url: string;
  readonly log: Log;
  readonly codecs: Codecs;
  readonly cache: PresenceCache & { down: boolean };
  readonly store: MemoryStore;
  /** Faults of the embedded log. */
  readonly faults: { refuse: boolean };
  /** What the sinks would have written of a user, confirmed up to now. */
  seed(key: string, change?: Partial<UserState>): Promise<PresenceBlob>;
  /** The signals of a user in the log, oldest first, with their traceparent. */
  signals(key: string): Promise<(Signal & { traceparent: string | undefined })[]>;
  fetch(path: string, init?: RequestInit & { as?: string; json?: unknown }): Promise<Response>;
  close(): Promise<void>;
}

/** `topics`: more than every system has. */
export async function startRig({
  topics = [],
  ...options
}: Partial<GatewayOptions> & { readonly topics?: readonly TopicSpec[] } = {}): Promise<Rig> {
  const faults = { refuse: false };
  const log = await createEmbeddedLog({ faults: { send: () => (faults.refuse ? 'refused' : undefined) } });
  await log.ensureTopics([...topicSpecs(PARTITIONS), ...topics]);
  const codecs = await createCodecs({ registry: createEmbeddedRegistry() });
  const cache = breakable(createInProcessCache());
  const store = new MemoryStore();
  const gateway = await createGateway({ log, codecs, cache, store, logger: silentLogger, port: 0, ...options });
  await gateway.parts.fanOut.ready;
  gateway.listen();
  const { url } = gateway;
  return {
    gateway,
    url,
    log,
    codecs,
    cache,
    store,
    faults,
    async seed(key, change = {}) {
      const partition = partitionOf(key, PARTITIONS);
      const blob = blobOf({ ...seen(key), ...change }, { partition, offset: (offset += 1), stamp: Date.now() });
      const progress = { partition, epoch: blob.epoch, offset, stamp: Date.now(), input_offset: 0, from: 0 };
      await cache.apply([{ key, blob, last_seen_ms: 0 }], [progress]);
      return blob;
    },
    signals: (key) => readSignals(log, codecs, key),
    fetch(path, { as = 'dev:ada', json, ...init } = {}) {
      const headers: Record<string, string> = { ...(init.headers as Record<string, string>) };
      if (as !== '') headers.authorization ??= `Bearer ${as}`;
      if (json !== undefined) headers['content-type'] ??= 'application/json';
      return fetch(`${url}${path}`, { ...init, headers, ...(json === undefined ? {} : { body: JSON.stringify(json) }) });
    },
    async close() {
      await gateway.close({ within_ms: 50 });
      await log.close();
    },
  };
}

let offset = 0;

function breakable(cache: PresenceCache): PresenceCache & { down: boolean } {
  const up =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (broken.down)
        throw new PresenceError('STORE_UNAVAILABLE', 'The cache cannot be reached.', { at: 'test', retriable: true });
      return call(...args);
    };
  const broken = {
    down: false,
    apply: up(cache.apply),
    read: up(cache.read),
    fill: up(cache.fill),
    ping: up(cache.ping),
    close: cache.close,
  };
  return broken;
}

/** A user who has been online on one stream for an hour: longer than diffs are held, so that none is missing. */
export function seen(key: string): UserState {
  const since = Date.now() - 3_600_000;
  const view = {
    version: 1,
    state: 'online' as const,
    source: 'app' as const,
    since,
    last_seen: since,
    devices_live: 1,
    streaming: true,
  };
  return {
    user_id: key,
    epoch: 7,
    ...view,
    override: null,
    devices: [],
    public: { ...view, ghosts: null },
    log: 0,
    offset: 0,
  } as UserState;
}

async function readSignals(log: Log, codecs: Codecs, key: string) {
  const found: (Signal & { traceparent: string | undefined })[] = [];
  await log.read({
    topic: topicNames.signals,
    partition: partitionOf(key, PARTITIONS),
    from: 0,
    onBatch: ({ records }) => {
      for (const { value, headers } of records) {
        const signal = codecs.signal.decode(value as Buffer);
        if (signal.user_id === key) found.push({ ...signal, traceparent: headers.traceparent?.toString() });
      }
    },
  });
  return found;
}

/** Sends these pieces, each in a segment of its own, and reads until the answer is whole or the socket closed. */
export function raw(
  url: string,
  pieces: readonly (string | Buffer)[],
  options: { pause_ms?: number; give_up_ms?: number } = {},
): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.setNoDelay(true);
    let answer = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, options.give_up_ms ?? 5_000);
    socket.on('error', () => {});
    socket.on('close', end);
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      const head = answer.indexOf('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(answer)?.[1];
      if (head > 0 && length !== undefined && answer.length >= head + 4 + Number(length)) end();
    });
    void (async () => {
      for (const piece of pieces) {
        await new Promise((written) => socket.write(piece, written));
        await new Promise((later) => setTimeout(later, options.pause_ms ?? 1));
      }
    })();
  });
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into frames of all shapes
export type AnyFrame = { type: string } & Record<string, any>;

/** A client of the stream that keeps every frame. One that is not as /asyncapi.json describes it fails the test. */
export class Client {
  readonly socket: WebSocket;
  readonly frames: AnyFrame[] = [];
  /** The types of frames that have come. */
  readonly seen = new Set<string>();
  readonly pings: number[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #waiting: (() => void)[] = [];

  constructor(url: string, options: { as?: string; protocols?: string[]; query?: string } & ClientOptions = {}) {
    const { as = 'dev:ada', protocols = ['presence.v1'], query = '', ...rest } = options;
    const headers = { ...(as === '' ? {} : { authorization: `Bearer ${as}` }), ...rest.headers };
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/presence/stream${query}`, protocols, { ...rest, headers });
    this.socket.on('message', (data) => {
      const frame = JSON.parse(data.toString()) as AnyFrame;
      const faults = faultsOf(frame);
      if (faults.length > 0) throw new Error(`Not as described: ${faults.join('; ')}: ${data.toString().slice(0, 500)}`);
      this.seen.add(frame.type);
      this.frames.push(frame);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.socket.on('ping', () => this.pings.push(Date.now()));
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
  }

  say(frame: unknown): void {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** The next frame of this type that was not taken yet; fails after 5 s. */
  async next(type: string): Promise<AnyFrame> {
    const deadline = Date.now() + 5_000;
    for (;;) {
      const at = this.frames.findIndex((frame) => frame.type === type);
      if (at >= 0) return this.frames.splice(at, 1)[0] as AnyFrame;
      if (Date.now() > deadline || this.socket.readyState === WebSocket.CLOSED)
        throw new Error(`no ${type}; there were ${JSON.stringify(this.frames)}`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, 200);
      });
    }
  }

  /** Open, and the first snapshot there. */
  async ready(): Promise<this> {
    await this.next('snapshot');
    return this;
  }
}

/** The status and body of a refused upgrade. */
export function refusedUpgrade(url: string, options: ClientOptions & { protocols?: string[]; query?: string } = {}) {
  const { protocols = ['presence.v1'], query = '', ...rest } = options;
  return new Promise<{ status: number; body: Record<string, unknown>; headers: Record<string, unknown> }>((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/presence/stream${query}`, protocols, rest);
    socket.on('error', () => {});
    socket.on('open', () => reject(new Error('it was not refused')));
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(text) as Record<string, unknown>,
          headers: response.headers,
        }),
      );
    });
  });
}

/** Waits until `look` gives something; fails after 5 s. */
export async function eventually<T>(look: () => Promise<T | undefined | false> | T | undefined | false, what = 'it'): Promise<T> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as T;
    if (Date.now() > deadline) throw new Error(`${what} did not come about within 5 s`);
    await new Promise((later) => setTimeout(later, 20));
  }
}
