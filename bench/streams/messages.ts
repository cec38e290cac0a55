/** What a benchmark and its processes of clients say to each other. */

export interface Crowd {
  /** `host:port` of the gateways: clients are shared out to them in turn. One that is refused tries the next. */
  readonly gateways: readonly string[];
  /** Clients are `<prefix><first>` … `<prefix><first + count - 1>`. */
  readonly prefix: string;
  readonly first: number;
  readonly count: number;
  /** Connections begun a second, of this process. */
  readonly perSecond: number;
  /** Each subscribes to so many users, drawn from `<watchPrefix>0` … `<watchPrefix><among - 1>`. */
  readonly watch: number;
  readonly watchPrefix: string;
  readonly among: number;
  /** Binds a device of its own: the client is a user who is online. */
  readonly bind: boolean;
  /** Of the clients: those that send a heartbeat each second; all answer pings. */
  readonly beats: number;
  /** Of those bound: changes of state a second, of this process; each client in turn says the other of online and away. */
  readonly changes: number;
  /** Comes back after a close, with full jitter. */
  readonly returns: boolean;
  /** Of the diffs frames, one in so many is decoded for its latency. */
  readonly sample: number;
  readonly seed: number;
}

export type ToClients =
  | { readonly do: 'open'; readonly crowd: Crowd }
  /** A share of them reads nothing more; 0: all read again. */
  | { readonly do: 'stall'; readonly share: number }
  | { readonly do: 'report' }
  /** Counters begin anew. */
  | { readonly do: 'reset' }
  | { readonly do: 'leave' };

export interface Report {
  /** Subscribed, and the snapshot has come. */
  readonly settled: number;
  readonly open: number;
  readonly diffs: number;
  readonly frames: number;
  readonly bytes: number;
  /** Snapshot entries. */
  readonly snapshots: number;
  readonly reconnects: number;
  /** Close codes and refused upgrades (by HTTP status), with how often. */
  readonly closes: Readonly<Record<string, number>>;
  /** Diffs that end in `offline`, of the frames that were decoded. */
  readonly offline: number;
  /** From a diff's `at` to its frame, ms: of the readers that are not stalled. */
  readonly latency_ms: readonly number[];
  /** How long each client that came back had been away, ms: from its close to its next snapshot. */
  readonly away_ms: readonly number[];
  readonly cpu_s: number;
}
