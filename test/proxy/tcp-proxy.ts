/**
 * A network between a client and its gateways: forwards bytes to wherever `target` is when a connection comes, and breaks in the
 * two ways in which networks do: with a word (`cut`), or without one (`silence`: bytes are swallowed both ways, and neither
 * end is told, as behind a NAT that has forgotten the connection).
 */
import { type AddressInfo, createServer, Socket } from 'node:net';

export interface TcpProxy {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** Where connections from now on lead. */
  target: string;
  /** How many connections there have been. */
  readonly connections: number;
  /** Breaks all that there are. */
  cut(): void;
  /** All that there are, for good; those that come later are well. */
  silence(): void;
  close(): Promise<void>;
}

export async function tcpProxy(target: string): Promise<TcpProxy> {
  const pairs = new Set<{ readonly ends: readonly Socket[]; silent: boolean }>();
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const { hostname, port } = new URL(proxy.target);
    const gateway = new Socket().connect(Number(port), hostname);
    const pair = { ends: [client, gateway], silent: false };
    pairs.add(pair);
    const pass = (from: Socket, to: Socket): void => {
      from.setNoDelay(true);
      from.on('data', (bytes) => pair.silent || to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => {
        pairs.delete(pair);
        if (!pair.silent) to.destroy();
      });
    };
    pass(client, gateway);
    pass(gateway, client);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const silenced: Socket[] = [];
  const proxy: TcpProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target,
    get connections() {
      return connections;
    },
    cut() {
      for (const { ends } of pairs) for (const end of ends) end.destroy();
    },
    silence() {
      for (const pair of pairs) {
        pair.silent = true;
        silenced.push(...pair.ends);
      }
    },
    async close() {
      proxy.cut();
      for (const end of silenced) end.destroy();
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
  return proxy;
}
