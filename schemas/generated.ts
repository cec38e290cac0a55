// GENERATED from schemas/*.avsc by scripts/generate-schemas.ts. Do not edit.

export const auditActionSymbols = ['watch_began', 'watch_ended', 'read', 'history', 'override'] as const;
export type AuditAction = (typeof auditActionSymbols)[number];

export const auditCauseSymbols = ['asked', 'kept', 'policy', 'closed'] as const;
export type AuditCause = (typeof auditCauseSymbols)[number];

/** Who watched, or looked at, whom (key = the watcher). By watcher, because a watch's end must follow its beginning in one partition, and because one look at 20 users is one record and not 20; who watched ada is found by reading all partitions. Each record bears its own times and is named by (gateway_id, number): to erase a user, write the records that name them anew without them, in their order, and delete those before; readers sort by `at` and drop repeats. */
export interface Audit {
  /** The key of the user whose token asked. */
  watcher: string;
  /** New at each start of a gateway: watches of a gateway that was killed have no end. */
  gateway_id: string;
  /** This gateway's running number of audit records, from 1. A missing one was lost, a repeated one is the same record again. */
  number: number;
  /** When, by the gateway's clock; of repeated reads the first. */
  at: number;
  /** Of repeated reads the last; else the same as `at`. */
  until: number;
  /** read: GET /presence and POST /presence/query. history, override: of one user. */
  action: AuditAction;
  /** asked: by a frame or a request. kept: the watcher's kept list. policy: what may be seen has changed. closed: the connection has ended. */
  cause: AuditCause;
  /** false: the policy said no, and nothing was told. */
  allowed: boolean;
  /** The token had presence:admin: reads then tell the truth, also of invisible users. */
  admin: boolean;
  /** Of a watch. */
  connection_id: string | null;
  /** Keys of the watched, at most 500 a record; with cause closed none: everything that this connection watched has ended. */
  users: string[];
  /** How often between `at` and `until`. */
  times: number;
}

export const deliveryKindSymbols = ['lost', 'restate'] as const;
export type DeliveryKind = (typeof deliveryKindSymbols)[number];

/** What the topologies say to one gateway (key = gateway_id). At least once; repeats are harmless. */
export interface Delivery {
  /** lost: that connection no longer speaks for its device. restate: say hello anew for every device held on that partition. */
  kind: DeliveryKind;
  gateway_id: string;
  user_id: string | null;
  device_id: string | null;
  connection_id: string | null;
  partition: number | null;
}

export const audienceSymbols = ['all', 'self', 'others'] as const;
export type Audience = (typeof audienceSymbols)[number];

export const stateSymbols = ['dnd', 'busy', 'online', 'away', 'offline', 'invisible'] as const;
export type State = (typeof stateSymbols)[number];

export const causeSymbols = ['signal', 'goodbye', 'silence', 'ttl', 'gateway_lost', 'override', 'override_cleared', 'override_expired', 'failover'] as const;
export type Cause = (typeof causeSymbols)[number];

export const sourceSymbols = ['manual', 'app', 'inferred'] as const;
export type Source = (typeof sourceSymbols)[number];

/** One change of a user's effective state, or of what others see of it. */
export interface Diff {
  /** The user's key. */
  user_id: string;
  /** Who sees it: `version` rises with all and self, `public_version` with all and others. */
  audience: Audience;
  from: State;
  to: State;
  /** When the signal came, or the deadline passed, that decided it. */
  at: number;
  epoch: number;
  version: number;
  public_version: number;
  cause: Cause;
  source: Source;
  /** The device that decided it, where one did. */
  device_id: string | null;
  /** 32 hex digits of the deciding signal's trace. */
  trace_id: string | null;
  /** The gateway's clock at the deciding signal, 0 for deadlines. For measuring. */
  received_at: number;
  log: number;
  /** The input record that decided it, or at which the deadline was found passed. */
  offset: number;
}

/** A watcher's kept subscription list, whole. */
export interface Interest {
  /** The watcher's key. */
  watcher: string;
  /** Keys of the watched, in the watcher's order. */
  user_ids: string[];
  updated_at: number;
  /** Names this write, so that its writer knows when it has been read back. */
  revision: string;
}

export interface GatewayLease {
  gateway_id: string;
  /** The stamp of its last record. */
  stamp: number;
  /** The lease clock at its last record. */
  lease: number;
  dead: boolean;
  /** The highest ordinal seen. */
  ordinal: number;
  /** Ordinals that never came. */
  missing: number;
  /** Ordinals that came again and were dropped. */
  repeated: number;
}

/** What a partition of the presence topology knows beside its users. In presence.state under the key `#<partition>`, written in every transaction. */
export interface PartitionState {
  partition: number;
  /** name@version of the topology that wrote it. */
  topology: string;
  epoch: number;
  log: number;
  /** The first input offset not processed. */
  offset: number;
  /** The partition's time: the highest broker's stamp consumed. 0 before the first record. */
  stamp: number;
  /** The lease clock, ms. */
  lease: number;
  /** How much of the coming steps counts for nothing, after a hole, ms. */
  settle: number;
  /** L: the first input offset that not all user records hold. */
  tail_offset: number;
  /** The partition's time before tail_offset. */
  tail_stamp: number;
  tail_lease: number;
  tail_settle: number;
  gateways: GatewayLease[];
  /** The ledger: ordinals missing, all gateways ever. */
  missing: number;
  /** Repeats dropped, all gateways ever. */
  repeated: number;
}

/** A user who is wanted, or asked about again. */
export interface RouteAdd {
  /** The user's key. */
  user_id: string;
  /** Answer only what changed from this offset of presence.diffs on; null: the present state. */
  since: number | null;
}

/** Which users of one partition a gateway wants to be told of (key = gateway_id, written to the partition of the users). With nothing added, removed or begun anew it is a mark of life. */
export interface Route {
  gateway_id: string;
  /** Counts the gateway's records in this partition from 1. A mark of life bears the last one given. */
  number: number;
  /** The routes begin with this record: those before it are void. */
  anew: boolean;
  /** false: more records follow before all routes are said; until then no position is told. */
  whole: boolean;
  add: RouteAdd[];
  /** Users who are wanted no more. Applied before `add`. */
  remove: string[];
}

export const routedDeliveryKindSymbols = ['told', 'reroute'] as const;
export type RoutedDeliveryKind = (typeof routedDeliveryKindSymbols)[number];

/** What is told of one user. */
export interface Told {
  diff: Diff;
  /** The diff's offset in presence.diffs; -1: it stands for a record of presence.state, and tells of no change. */
  position: number;
  /** The broker's stamp on it. */
  stamp: number;
  /** null: it is told as it comes. Else the answer to an added route: the `since` of that route, -1 where it had none. */
  asked: number | null;
  /** In an answer: the state as of the `since` asked for; null where that is not known (any more): this is then the newest state, and no more. */
  from: State | null;
  /** The user is flapping, and this was not told to watchers: only that there is something to be told. */
  withheld: boolean;
}

/** What the fan-out topology says to one gateway of the users of one partition (key = gateway_id#routed, in the gateway's partition, beside its control records). At least once; repeats are harmless. */
export interface RoutedDelivery {
  /** told: what the gateway's routes bring. reroute: say anew which users are wanted. */
  kind: RoutedDeliveryKind;
  gateway_id: string;
  /** Of the watched users. */
  partition: number;
  /** The newest epoch known of the partition. */
  epoch: number;
  /** Every diff below this offset of the partition of presence.diffs that the routes ask for has been told, or is withheld. null: not known now. */
  position: number | null;
  /** The gateway's route records up to this number have been answered. 0: says nothing of that. */
  answered: number;
  told: Told[];
}

export const signalKindSymbols = ['hello', 'heartbeat', 'goodbye', 'silence', 'override_set', 'override_cleared', 'marker', 'tick', 'cut'] as const;
export type SignalKind = (typeof signalKindSymbols)[number];

/** Everything that a client, an operator or a gateway says of a user; and, with no user, what moves a partition's time on. The presence topology's only input. Which fields a kind needs is checked by schemas/signal.ts; a signal that lacks one goes to presence.dlq. */
export interface Signal {
  kind: SignalKind;
  /** The user's key: user_id in the default tenant, tenant/user_id in any other. Empty for marker, tick and cut. */
  user_id: string;
  /** Who wrote it; new at each start of a gateway. Empty for tick and cut. */
  gateway_id: string;
  /** The gateway's running number on this partition, from 1, kept through resends. On a marker: the last one given. 0: none. */
  ordinal: number;
  /** The gateway's clock when the signal came. For measuring only, never for deciding. */
  received_at: number;
  /** For how long the gateway held it before this attempt to write it, by its own monotonic clock. The broker's stamp less this is the moment at which it was said. */
  held_ms: number;
  device_id: string | null;
  session_id: string | null;
  /** The stream connection that says it; null for HTTP. */
  connection_id: string | null;
  /** Heartbeats only: 0 to 2^53-1, rising within a session. */
  seq: number | null;
  /** What the client states; null keeps what the session last said. `invisible` only in override_set. */
  state: State | null;
  source: Source | null;
  /** HTTP heartbeats: how long it speaks for its device, on the lease clock. */
  ttl_ms: number | null;
  /** A hello written to repair a picture: takes a device only from itself, from no holder or from a dead gateway. */
  restated: boolean;
  /** Silence: how long before this signal the last beat was. */
  silent_ms: number | null;
  /** Marker: how many devices this gateway holds on this partition. */
  devices: number | null;
  /** Marker: their hash, see schemas/holdings.ts. */
  devices_hash: number | null;
  /** Marker: every device held was stated anew at this ordinal or above; holds with an older one are void. */
  restated_from: number | null;
  override_id: string | null;
  /** Override: holds until then (broker's stamps). */
  until: number | null;
  /** Override: holds for this long after the broker's stamp. Not together with until. */
  ttl_s: number | null;
  /** Override: why. */
  reason: string | null;
  /** Override: who set or cleared it, if not the user. */
  actor: string | null;
  /** Cut: the epoch that begins here. */
  epoch: number | null;
}

export interface Override {
  override_id: string;
  state: State;
  until: number | null;
  reason: string | null;
  set_at: number;
  actor: string | null;
}

export interface ReplacedSession {
  session_id: string;
  until_lease: number;
}

export interface Device {
  device_id: string;
  session_id: string;
  /** The last accepted one of the session; -1 for none. */
  seq: number;
  /** What the session last said, or inherited; inferred online where it said nothing. */
  state: State;
  source: Source;
  last_seen: number;
  /** The connection that holds the device. */
  connection_id: string | null;
  /** That connection's gateway: the hold counts while it lives. */
  gateway_id: string | null;
  /** The ordinal of the signal that took the hold. */
  hold_ordinal: number;
  /** A background beat speaks for the device until then. */
  ttl_lease: number | null;
  /** After a goodbye: counts until then. */
  grace_lease: number | null;
  /** Not live: forgotten then. */
  forget_lease: number | null;
  /** After a silence that came while the lease clock settled: counts until then. */
  silence_lease: number | null;
  /** When the last word was said that was accepted of it (hello, heartbeat): its stamp less held_ms. 0: not known. */
  spoke_at: number;
  /** traceparent of the goodbye or silence after which it still counts. */
  trace: string | null;
  replaced: ReplacedSession[];
}

export interface Ghost {
  device_id: string;
  state: State;
  source: Source;
  grace_lease: number;
  trace: string | null;
}

export interface PublicView {
  version: number;
  state: State;
  source: Source;
  since: number;
  last_seen: number | null;
  /** How many devices others see: ghosts count while there are any. */
  devices_live: number;
  /** false while the user is invisible, ghosts or not. */
  streaming: boolean;
  /** While the user is invisible: the devices that others see in the grace of their goodbye. null: others see the devices as they are. */
  ghosts: Ghost[] | null;
}

/** The full presence of one user, as of a cut: the changelog, what sinks materialise, and what is restored from. Deadlines ending in _lease are on the partition's lease clock; every other time is a broker's stamp, in milliseconds. */
export interface UserState {
  /** The user's key: user_id, or tenant/user_id. */
  user_id: string;
  epoch: number;
  version: number;
  /** The effective state last emitted. */
  state: State;
  source: Source;
  /** The `at` of the diff that began the state; 0 where there was none. */
  since: number;
  /** The newest sign of life of any device; null if there never was one. */
  last_seen: number | null;
  /** How many devices count, as of this record. Derived: for those who materialise it; a restore works it out anew. */
  devices_live: number;
  /** A connection of a living gateway holds one of the devices that count: last_seen is then as fresh as the partition. Derived, like devices_live. */
  streaming: boolean;
  override: Override | null;
  devices: Device[];
  /** What others see. */
  public: PublicView;
  /** Which input log `offset` is of; 0 is this region's own. */
  log: number;
  /** The first input offset that this record does not hold. */
  offset: number;
}
