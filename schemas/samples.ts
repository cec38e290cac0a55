/** Values of every schema, every branch of every union among them: for tests, and kept as bytes with each release. */
import type { SchemaName } from './avsc.ts';
import type {
  Audit,
  Delivery,
  Device,
  Diff,
  Interest,
  PartitionState,
  Route,
  RoutedDelivery,
  Signal,
  UserState,
} from './generated.ts';
import { signal } from './signal.ts';

const at = 1_767_225_600_000; // 2026-01-01
const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const device = { user_id: 'ada', gateway_id: 'g1', received_at: at, device_id: 'laptop', session_id: 's1' } as const;

const signals: readonly Signal[] = [
  signal({ kind: 'hello', ...device, ordinal: 1, connection_id: 'c1' }),
  signal({ kind: 'hello', ...device, ordinal: 2, connection_id: 'c1', state: 'busy', source: 'app', restated: true }),
  signal({ kind: 'heartbeat', ...device, ordinal: 3, connection_id: 'c1', seq: 0, state: 'away', source: 'inferred' }),
  signal({ kind: 'heartbeat', ...device, user_id: 'acme/ada', ordinal: 4, seq: Number.MAX_SAFE_INTEGER, ttl_ms: 60_000 }),
  signal({ kind: 'goodbye', ...device, ordinal: 5, connection_id: 'c1' }),
  signal({ kind: 'silence', ...device, ordinal: 6, connection_id: 'c1', silent_ms: 3_000, held_ms: 1_250 }),
  signal({
    kind: 'override_set',
    user_id: 'ada',
    gateway_id: 'g1',
    ordinal: 7,
    override_id: 'o1',
    state: 'invisible',
    ttl_s: 0.5,
  }),
  signal({
    kind: 'override_set',
    user_id: 'ada',
    gateway_id: 'g1',
    ordinal: 8,
    override_id: 'o2',
    state: 'dnd',
    until: at,
    reason: 'Fokus – §7',
    actor: 'root',
  }),
  signal({ kind: 'override_cleared', user_id: 'ada', gateway_id: 'g1', ordinal: 9 }),
  signal({ kind: 'marker', gateway_id: 'g1', ordinal: 9, devices: 3, devices_hash: 0xffff_ffff, restated_from: 2 }),
  signal({ kind: 'tick' }),
  signal({ kind: 'cut', epoch: 1_767_225_600 }),
];

const held: Device = {
  device_id: 'laptop',
  session_id: 's2',
  seq: -1,
  state: 'online',
  source: 'inferred',
  last_seen: at,
  connection_id: 'c1',
  gateway_id: 'g1',
  hold_ordinal: 12,
  ttl_lease: null,
  grace_lease: null,
  forget_lease: null,
  silence_lease: null,
  spoke_at: at - 4,
  trace: null,
  replaced: [{ session_id: 's1', until_lease: 700_000 }],
};

const leaving: Device = {
  ...held,
  device_id: 'phone',
  seq: 7,
  state: 'dnd',
  source: 'app',
  connection_id: null,
  gateway_id: null,
  hold_ordinal: 0,
  ttl_lease: 160_000,
  grace_lease: 101_000,
  forget_lease: 700_000,
  silence_lease: 100_001,
  trace,
  replaced: [],
};

const never: UserState = {
  user_id: 'bob',
  epoch: 1_767_225_600,
  version: 0,
  state: 'offline',
  source: 'inferred',
  since: 0,
  last_seen: null,
  override: null,
  devices: [],
  devices_live: 0,
  streaming: false,
  public: {
    version: 0,
    state: 'offline',
    source: 'inferred',
    since: 0,
    last_seen: null,
    devices_live: 0,
    streaming: false,
    ghosts: null,
  },
  log: 0,
  offset: 1,
};

const states: readonly UserState[] = [
  never,
  {
    ...never,
    user_id: 'acme/ada',
    version: 42,
    state: 'invisible',
    source: 'manual',
    since: at,
    last_seen: at + 5,
    override: { override_id: 'o1', state: 'invisible', until: at + 60_000, reason: 'quiet', set_at: at, actor: 'root' },
    devices: [held, leaving],
    devices_live: 2,
    streaming: true,
    public: {
      version: 40,
      state: 'dnd',
      source: 'app',
      since: at - 1,
      last_seen: at,
      devices_live: 2,
      streaming: true,
      ghosts: [
        { device_id: 'laptop', state: 'online', source: 'inferred', grace_lease: 101_000, trace: null },
        { device_id: 'phone', state: 'dnd', source: 'app', grace_lease: 101_000, trace },
      ],
    },
    log: 1,
    offset: 9_000_000_000,
  },
];

const partitions: readonly PartitionState[] = [
  {
    partition: 7,
    topology: 'presence@1',
    epoch: 1_767_225_600,
    log: 0,
    offset: 1_234,
    stamp: at,
    lease: 100_000,
    settle: 250,
    tail_offset: 1_200,
    tail_stamp: at - 900,
    tail_lease: 99_100,
    tail_settle: 0,
    gateways: [{ gateway_id: 'g1', stamp: at, lease: 99_900, dead: true, ordinal: 12, missing: 1, repeated: 2 }],
    missing: 3,
    repeated: 4,
  },
];

const diffs: readonly Diff[] = [
  {
    user_id: 'ada',
    audience: 'all',
    from: 'offline',
    to: 'online',
    at,
    epoch: 1_767_225_600,
    version: 1,
    public_version: 1,
    cause: 'signal',
    source: 'inferred',
    device_id: 'laptop',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    received_at: at - 3,
    log: 0,
    offset: 17,
  },
  {
    user_id: 'acme/ada',
    audience: 'others',
    from: 'dnd',
    to: 'offline',
    at,
    epoch: 1_767_225_600,
    version: 2,
    public_version: 3,
    cause: 'override_expired',
    source: 'manual',
    device_id: null,
    trace_id: null,
    received_at: 0,
    log: 1,
    offset: 18,
  },
];

const interests: readonly Interest[] = [
  { watcher: 'ada', user_ids: [], updated_at: at, revision: 'r1' },
  { watcher: 'acme/ada', user_ids: ['acme/bob', 'acme/cy'], updated_at: at, revision: 'r2' },
];

const deliveries: readonly Delivery[] = [
  { kind: 'lost', gateway_id: 'g1', user_id: 'ada', device_id: 'laptop', connection_id: 'c1', partition: null },
  { kind: 'restate', gateway_id: 'g1', user_id: null, device_id: null, connection_id: null, partition: 7 },
];

const [ada, other] = diffs as readonly [Diff, Diff];
const routed: readonly RoutedDelivery[] = [
  { kind: 'reroute', gateway_id: 'g1', partition: 7, epoch: 0, position: null, answered: 0, told: [] },
  {
    kind: 'told',
    gateway_id: 'g1',
    partition: 7,
    epoch: 1_767_225_600,
    position: 9_000_000_000,
    answered: 3,
    told: [
      { diff: ada, position: 17, stamp: at, asked: null, from: null, withheld: false },
      { diff: other, position: -1, stamp: at, asked: -1, from: null, withheld: true },
      { diff: ada, position: 17, stamp: at, asked: 12, from: 'away', withheld: false },
    ],
  },
];

const routes: readonly Route[] = [
  { gateway_id: 'g1', number: 1, anew: true, whole: true, add: [{ user_id: 'ada', since: null }], remove: [] },
  { gateway_id: 'g1', number: 2, anew: false, whole: true, add: [{ user_id: 'acme/bob', since: 7 }], remove: ['ada'] },
  { gateway_id: 'g1', number: 2, anew: false, whole: true, add: [], remove: [] },
];

const look: Audit = {
  watcher: 'acme/bob',
  gateway_id: 'g1',
  number: 7,
  at,
  until: at + 30_000,
  action: 'read',
  cause: 'asked',
  allowed: true,
  admin: true,
  connection_id: null,
  users: ['acme/ada', 'acme/cy'],
  times: 3,
};
const audits: readonly Audit[] = [
  look,
  { ...look, number: 8, until: at, action: 'watch_began', cause: 'kept', allowed: false, connection_id: 'c1', times: 1 },
  { ...look, number: 9, until: at, action: 'watch_ended', cause: 'closed', connection_id: 'c1', users: [], times: 1 },
];

export const sampleValues = {
  Signal: signals,
  UserState: states,
  PartitionState: partitions,
  Diff: diffs,
  Interest: interests,
  Delivery: deliveries,
  Route: routes,
  RoutedDelivery: routed,
  Audit: audits,
} satisfies Readonly<Record<SchemaName, readonly unknown[]>>;
