/**
 * A story: all that happens in a world, as data. `tellStory` makes one from a seed; `world.ts` plays it; `shrink.ts` makes it
 * shorter. Times are virtual ms from the beginning. What is not in the story (jitter, losses, when timers fire) comes
 * from the seed, each host's own.
 */
import type { State } from '../schemas/generated.ts';
import { Random } from './random.ts';
import { type Fault, tellFaults } from './story-faults.ts';
import type { Path } from './wire.ts';

export interface Story {
  readonly seed: number;
  /** When clients and faults have come to rest. */
  readonly ends_ms: number;
  readonly partitions: number;
  readonly gateways: number;
  readonly instances: number;
  readonly heartbeat_ms: number;
  readonly ttl_ms: number;
  readonly clients: readonly ClientStory[];
  readonly faults: readonly Fault[];
}

export interface ClientStory {
  readonly index: number;
  readonly user: string;
  readonly device: string;
  /**
   * `app`: sees the server's pings, and gives a connection up that it hears nothing of for `patience_ms`. `tab`: a browser's,
   * sees messages only, so it asks for an ack now and then. `background`: no stream, but HTTP heartbeats with a ttl.
   */
  readonly kind: 'app' | 'tab' | 'background';
  readonly path: Path;
  readonly patience_ms: number;
  /** How fast its clock runs; 1 is right. */
  readonly clock_rate: number;
  /** Of `background`: how often it beats; its ttl is three times that. */
  readonly beats_ms: number;
  /** When it first comes. */
  readonly comes_ms: number;
  readonly acts: readonly Act[];
}

/** What a client does, or what is done to it. `for_ms`: how long it lasts. */
export type Act =
  /** Says goodbye, or only closes, and comes back later, perhaps in a new session. */
  | {
      readonly act: 'leaves';
      readonly at: number;
      readonly for_ms: number;
      readonly how: 'goodbye' | 'close';
      readonly fresh: boolean;
    }
  /** The app is killed: its kernel closes the socket. */
  | { readonly act: 'is killed'; readonly at: number; readonly for_ms: number }
  /** Battery out, no word to anybody. */
  | { readonly act: 'vanishes'; readonly at: number; readonly for_ms: number }
  /** Laptop lid: nothing runs, nothing is received. */
  | { readonly act: 'sleeps'; readonly at: number; readonly for_ms: number }
  /** The process stands still; its kernel goes on. */
  | { readonly act: 'stalls'; readonly at: number; readonly for_ms: number }
  /** A tunnel: its path loses everything. */
  | { readonly act: 'has no path'; readonly at: number; readonly for_ms: number }
  /** The NAT forgot the connection: that one loses everything for good. */
  | { readonly act: 'is rebound'; readonly at: number }
  /** Another network: it knows, and connects anew at once; the old connection loses everything. */
  | { readonly act: 'roams'; readonly at: number }
  /** The tab is hidden: its timers fire at multiples of `every_ms` only; pings are answered. */
  | { readonly act: 'is hidden'; readonly at: number; readonly for_ms: number; readonly every_ms: 1_000 | 60_000 }
  | { readonly act: 'says'; readonly at: number; readonly state: Exclude<State, 'offline' | 'invisible'> };

export interface StoryOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly clients: number;
  /** Of the segments each way. Default: drawn from 0 to 0.1. */
  readonly loss?: number;
  /** Default `all`. `clients`: nothing but clients misbehave. `none`: neither. */
  readonly faults?: 'all' | 'clients' | 'none';
  readonly heartbeat_ms?: number;
  readonly ttl_ms?: number;
  readonly partitions?: number;
}

/** Without acts and faults at the end, so that all comes to rest. */
const QUIET_MS = 90_000;

export function tellStory(options: StoryOptions): Story {
  const { seed, minutes, clients, faults = 'all' } = options;
  const random = new Random(seed, 'story');
  const ends_ms = Math.max(30_000, minutes * 60_000 - QUIET_MS);
  const gateways = random.whole(2, 3);
  const users = Math.max(1, Math.round(clients * 0.7));
  return {
    seed,
    ends_ms,
    partitions: options.partitions ?? (clients > 500 ? 4 : 2),
    gateways,
    instances: random.whole(1, 2),
    heartbeat_ms: options.heartbeat_ms ?? 1_000,
    ttl_ms: options.ttl_ms ?? 3_000,
    clients: Array.from({ length: clients }, (_, index) =>
      tellClient(index, { seed, users, ends_ms, loss: options.loss, acts: faults !== 'none' }),
    ),
    faults: faults === 'all' ? tellFaults(new Random(seed, 'faults'), { ends_ms, gateways }) : [],
  };
}

interface ClientOptions {
  readonly seed: number;
  readonly users: number;
  readonly ends_ms: number;
  readonly loss: number | undefined;
  readonly acts: boolean;
}

function tellClient(index: number, { seed, users, ends_ms, loss, acts }: ClientOptions): ClientStory {
  const random = new Random(seed, 'client', index);
  // Everyone has one device; the rest are second and third devices of some.
  const user = index < users ? index : random.whole(0, users - 1);
  const kind = random.chance(0.12) ? 'background' : random.chance(0.45) ? 'tab' : 'app';
  const mobile = random.chance(0.4);
  return {
    index,
    user: `user-${user}`,
    device: `device-${index}`,
    kind,
    path: {
      latency_ms: mobile ? random.between(25, 90) : random.between(4, 50),
      jitter_ms: mobile ? random.between(5, 40) : random.between(1, 12),
      loss: loss ?? random.pick([0, 0, 0.005, 0.02, 0.05, 0.1]),
      rto_ms: 200,
    },
    patience_ms: random.between(4_000, 12_000),
    clock_rate: 1 + random.between(-0.02, 0.02),
    beats_ms: random.pick([2_000, 5_000, 10_000, 20_000]),
    comes_ms: random.between(500, Math.min(20_000, ends_ms / 3)),
    acts: acts ? tellActs(random, kind, ends_ms) : [],
  };
}

function tellActs(random: Random, kind: ClientStory['kind'], ends_ms: number): Act[] {
  const acts: Act[] = [];
  // A restless one acts every 20 s or so, a calm one every ten minutes.
  const mean_ms = random.pick([15_000, 40_000, 120_000, 600_000]);
  for (let at = 5_000 + random.exponential(mean_ms); at < ends_ms; ) {
    const act = tellAct(random, kind, Math.round(at), ends_ms - at);
    acts.push(act);
    at += ('for_ms' in act ? act.for_ms : 0) + 2_000 + random.exponential(mean_ms);
  }
  return acts;
}

function tellAct(random: Random, kind: ClientStory['kind'], at: number, left_ms: number): Act {
  const for_ms = Math.round(Math.min(left_ms, 500 + random.exponential(random.pick([1_500, 6_000, 30_000]))));
  const draw = random.next();
  if (draw < 0.2) return { act: 'says', at, state: random.pick(['online', 'away', 'busy', 'dnd']) };
  if (draw < 0.4) return { act: 'leaves', at, for_ms, how: random.pick(['goodbye', 'close']), fresh: random.chance(0.3) };
  if (draw < 0.47) return { act: 'is killed', at, for_ms };
  if (draw < 0.55) return { act: 'vanishes', at, for_ms };
  if (draw < 0.65) return { act: 'sleeps', at, for_ms };
  if (draw < 0.75) return { act: 'stalls', at, for_ms };
  if (draw < 0.83) return { act: 'has no path', at, for_ms };
  if (kind === 'background') return { act: 'has no path', at, for_ms };
  if (draw < 0.88) return { act: 'is rebound', at };
  if (draw < 0.93 || kind === 'app') return { act: 'roams', at };
  return { act: 'is hidden', at, for_ms: Math.round(Math.min(left_ms, for_ms + 30_000)), every_ms: random.pick([1_000, 60_000]) };
}
