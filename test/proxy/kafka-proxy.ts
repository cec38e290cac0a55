/**
 * A Kafka broker with a bad network: a TCP proxy that knows the protocol's frames, so that a test can say what happens
 * to which request. Worse than silence is an answer that is lost after the broker has written: that is what it is for.
 *
 *   client ──> proxy ──> broker        a request: u32 length, i16 api key, i16 version, i32 correlation id, …
 *
 * A broker tells clients its own address (Metadata, FindCoordinator), past the proxy; so the port in these answers
 * is replaced by the proxy's. That works for one broker, asked in versions before compact strings (as kafkajs does).
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, Socket } from 'node:net';

export const apiNames: Readonly<Record<number, string>> = {
  0: 'Produce',
  1: 'Fetch',
  2: 'ListOffsets',
  3: 'Metadata',
  8: 'OffsetCommit',
  9: 'OffsetFetch',
  10: 'FindCoordinator',
  11: 'JoinGroup',
  12: 'Heartbeat',
  13: 'LeaveGroup',
  14: 'SyncGroup',
  22: 'InitProducerId',
  24: 'AddPartitionsToTxn',
  25: 'AddOffsetsToTxn',
  26: 'EndTxn',
  28: 'TxnOffsetCommit',
};

export interface Exchange {
  /** By `apiNames`; `other` for the rest. */
  readonly api: string;
  readonly version: number;
}

/**
 * - `drop`: the broker gets the request, its answer is swallowed; the connection stays.
 * - `cut`: the same, but then the connection breaks.
 * - `tear`: the connection breaks in the middle of the answer.
 * - `lose`: the connection breaks before the broker has the request.
 * - `delay_ms`: the answer, and those behind it, come so much later.
 */
export type Fault = 'drop' | 'cut' | 'tear' | 'lose' | { readonly delay_ms: number } | undefined;

export interface KafkaProxy {
  /** `host:port`, for clients. */
  readonly url: string;
  /** Asked for every request, before it goes to the broker. */
  faults: (exchange: Exchange) => Fault;
  /** While true, connections are refused and there are none. */
  down: boolean;
  /** How many requests of each api went wrong. */
  readonly counts: Map<string, number>;
  /** Breaks every connection. */
  cutAll(): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly exchange: Exchange;
  readonly fault: Fault;
}

export async function kafkaProxy(upstream: string): Promise<KafkaProxy> {
  const [host = '', port = ''] = upstream.split(':');
  const sockets = new Set<Socket>();
  let down = false;
  const server: Server = createServer((client) => {
    if (down) return void client.destroy();
    join(client, new Socket().connect(Number(port), host));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = (server.address() as AddressInfo).port;

  const proxy: KafkaProxy = {
    url: `127.0.0.1:${own}`,
    faults: () => undefined,
    get down() {
      return down;
    },
    set down(value) {
      down = value;
      if (down) proxy.cutAll();
    },
    counts: new Map(),
    cutAll() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      proxy.cutAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };

  function join(client: Socket, broker: Socket): void {
    const waiting = new Map<number, Waiting>();
    const cut = (): void => {
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        cut();
      });
    }
    client.on(
      'data',
      frames((frame) => {
        const exchange = { api: apiNames[frame.readInt16BE(4)] ?? 'other', version: frame.readInt16BE(6) };
        const fault = proxy.faults(exchange);
        if (fault !== undefined) proxy.counts.set(exchange.api, (proxy.counts.get(exchange.api) ?? 0) + 1);
        if (fault === 'lose') return cut();
        waiting.set(frame.readInt32BE(8), { exchange, fault });
        broker.write(frame);
      }),
    );
    let behind: Promise<void> = Promise.resolve();
    broker.on(
      'data',
      frames((frame) => {
        const { exchange, fault } = waiting.get(frame.readInt32BE(4)) ?? {};
        waiting.delete(frame.readInt32BE(4));
        if (fault === 'drop') return;
        if (fault === 'cut') return cut();
        if (fault === 'tear') return void client.end(frame.subarray(0, frame.length >> 1));
        if (exchange !== undefined) redirect(frame, exchange, own);
        if (typeof fault === 'object') behind = behind.then(() => new Promise((resolve) => setTimeout(resolve, fault.delay_ms)));
        behind = behind.then(() => void client.write(frame));
      }),
    );
  }
  return proxy;
}

/** Cuts a stream into frames, their length included. */
function frames(each: (frame: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let [have, need] = [0, 4];
  return (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
    // Joined only when there is a frame to give: a large one comes in many pieces.
    while (have >= need) {
      const held = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      const end = 4 + held.readUInt32BE(0);
      if (held.length >= end) each(held.subarray(0, end));
      const rest = held.length >= end ? held.subarray(end) : held;
      [chunks, have, need] = [[rest], rest.length, rest === held ? end : 4];
    }
  };
}

/** Puts our port where the broker says its own. */
function redirect(frame: Buffer, { api, version }: Exchange, port: number): void {
  if (api === 'Metadata') {
    let at = version >= 3 ? 12 : 8; // length, correlation id, and from version 3 on a throttle time
    const brokers = frame.readInt32BE(at);
    at += 4;
    for (let i = 0; i < brokers; i += 1) {
      at += 4; // node id
      at += 2 + frame.readInt16BE(at);
      frame.writeInt32BE(port, at);
      at += 4;
      if (version >= 1) at += 2 + Math.max(0, frame.readInt16BE(at)); // rack
    }
  }
  if (api === 'FindCoordinator') {
    let at = version >= 1 ? 12 : 8;
    at += 2; // error
    if (version >= 1) at += 2 + Math.max(0, frame.readInt16BE(at)); // its message
    at += 4; // node id
    at += 2 + frame.readInt16BE(at);
    frame.writeInt32BE(port, at);
  }
}
