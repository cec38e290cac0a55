/**
 * The laws of the fan-out topology, on random histories (seeds are printed; SEED=… repeats one):
 * - how the inputs are cut into batches changes nothing in what is said to a gateway;
 * - whatever the order of the two inputs, and wherever the partition is taken over, what a gateway holds in the end is the
 *   truth, each version was new to it, and each change that it was told of begins where it was.
 */
import { describe, expect, test } from 'vitest';
import type { Input } from '../processors/stage.ts';
import { random as seeded } from '../processors/swarm.ts';
import type { Diff, Route, RoutedDelivery, State, UserState } from '../schemas/generated.ts';
import { fanOut } from './fan-out.ts';
import type { JoinedPartition } from './kit/joined-partition.ts';

const seeds =
  process.env.SEED === undefined
    ? Array.from({ length: Number(process.env.SEEDS ?? 24) }, () => Math.floor(Math.random() * 1e9))
    : [Number(process.env.SEED)];
const again = (seed: number) => `repeat: SEED=${seed} npx vitest run topology/fan-out.laws.test.ts`;
const users = ['ada', 'bob', 'cyd', 'dan', 'eve'];
const states: readonly State[] = ['dnd', 'busy', 'online', 'away', 'offline'];

type Entry = { readonly of: 'diff'; readonly input: Input<Diff> } | { readonly of: 'route'; readonly input: Input<Route> };

/** Feeds a stretch, cut as `cut` says: a batch is of one input. */
function feed(one: JoinedPartition, entries: readonly Entry[], cut: () => boolean): RoutedDelivery[] {
  const said: RoutedDelivery[] = [];
  for (let at = 0; at < entries.length; ) {
    const { of } = entries[at] as Entry;
    const records: Input<never>[] = [];
    do records.push((entries[at++] as Entry).input as Input<never>);
    while (entries[at]?.of === of && !cut());
    const nextOffset = (records.at(-1) as Input<never>).offset + 1;
    const batch = { partition: 0, records, nextOffset };
    said.push(...(of === 'diff' ? one.diffs(batch) : one.routes(batch)));
  }
  return said;
}

/** What is said to each gateway, whatever the records it came in. */
function sequences(said: readonly RoutedDelivery[]): Record<string, unknown[]> {
  const by: Record<string, unknown[]> = {};
  for (const { gateway_id, kind, answered, told } of said) {
    const line = (by[gateway_id] ??= []);
    line.push(...told);
    if (kind === 'reroute') line.push('reroute');
    if (answered > 0) line.push(`answered ${answered}`);
  }
  return by;
}

class World {
  readonly diffs: Input<Diff>[] = [];
  readonly routes: Input<Route>[] = [];
  readonly entries: Entry[] = [];
  readonly now = new Map<string, { self: State; others: State; version: number; public_version: number }>();
  readonly #random: () => number;
  stamp = 1_700_000_000_000;

  constructor(random: () => number) {
    this.#random = random;
  }

  of(user: string) {
    let truth = this.now.get(user);
    if (truth === undefined) this.now.set(user, (truth = { self: 'offline', others: 'offline', version: 0, public_version: 0 }));
    return truth;
  }

  change(user: string): Entry | null {
    const truth = this.of(user);
    const to = states[Math.floor(this.#random() * states.length)] as State;
    const dice = this.#random();
    const audience = truth.self === truth.others && dice < 0.7 ? 'all' : dice < 0.85 ? 'self' : 'others';
    const from = audience === 'others' ? truth.others : truth.self;
    if (from === to) return null;
    if (audience !== 'others') Object.assign(truth, { self: to, version: truth.version + 1 });
    if (audience !== 'self') Object.assign(truth, { others: to, public_version: truth.public_version + 1 });
    const { version, public_version } = truth;
    const value: Diff = {
      user_id: user,
      audience,
      from,
      to,
      at: this.stamp,
      epoch: 7,
      version,
      public_version,
      cause: 'signal',
      source: 'app',
      device_id: null,
      trace_id: null,
      received_at: 0,
      log: 0,
      offset: 0,
    };
    const input = { offset: this.diffs.length, stamp: this.stamp, value };
    this.diffs.push(input);
    const entry: Entry = { of: 'diff', input };
    this.entries.push(entry);
    return entry;
  }

  route(value: Route): Entry {
    const input = { offset: this.routes.length, stamp: this.stamp, value };
    this.routes.push(input);
    const entry: Entry = { of: 'route', input };
    this.entries.push(entry);
    return entry;
  }

  /** The table as presence.state has it now. */
  records(): UserState[] {
    return [...this.now].map(
      ([user_id, { self: state, others, version, public_version }]) =>
        ({
          user_id,
          epoch: 7,
          version,
          state,
          source: 'app',
          since: 0,
          public: { version: public_version, state: others, source: 'app', since: 0 },
        }) as UserState,
    );
  }
}

const never = () => ({ self: { state: 'offline' as State, version: 0 }, others: { state: 'offline' as State, version: 0 } });

/** A gateway as it should be: keeps what it wants, believes what it is told, and complains. */
class Gateway {
  readonly id: string;
  readonly wants = new Set<string>();
  readonly complaints: string[] = [];
  /** null: wanted, and not answered yet. */
  readonly held = new Map<string, Record<'self' | 'others', { state: State; version: number }>>();
  /** Of them something is known to wait: what changed since a position does not say it. */
  readonly #withheld = new Set<string>();
  #number = 0;
  #position: number | null = null;
  readonly #asked = new Map<number, readonly string[]>();

  constructor(id: string) {
    this.id = id;
  }

  mark(): Route {
    return { gateway_id: this.id, number: this.#number, anew: false, whole: true, add: [], remove: [] };
  }

  want(add: readonly string[], remove: readonly string[]): Route {
    for (const user of remove) this.wants.delete(user);
    for (const user of remove) this.held.delete(user);
    for (const user of add) this.wants.add(user);
    const anew = this.#number === 0;
    this.#number += 1;
    this.#asked.set(this.#number, add);
    return {
      gateway_id: this.id,
      number: this.#number,
      anew,
      whole: true,
      add: add.map((user_id) => ({ user_id, since: null })),
      remove: [...remove],
    };
  }

  restate(): Route {
    this.#number += 1;
    this.#asked.set(this.#number, [...this.wants]);
    const add = [...this.wants].map((user_id) => ({
      user_id,
      since: this.held.has(user_id) && !this.#withheld.has(user_id) ? this.#position : null,
    }));
    return { gateway_id: this.id, number: this.#number, anew: true, whole: true, add, remove: [] };
  }

  /** Whether it must say its routes anew. */
  take({ kind, told, answered, position }: RoutedDelivery): boolean {
    for (const { diff, from, withheld, asked } of told) {
      if (withheld) this.#withheld.add(diff.user_id);
      else if (asked === null) this.#withheld.delete(diff.user_id);
      if (!this.wants.has(diff.user_id) || (withheld && asked === null)) continue;
      let held = this.held.get(diff.user_id);
      if (held === undefined && asked !== null) this.held.set(diff.user_id, (held = never()));
      if (held === undefined) continue;
      for (const view of ['self', 'others'] as const) {
        if (diff.audience !== 'all' && diff.audience !== view) continue;
        const version = view === 'self' ? diff.version : diff.public_version;
        const known = held[view];
        if (version <= known.version) continue;
        const is = from ?? (asked === null ? diff.from : null);
        // In order and without a gap, unless some were withheld: then the version leaps.
        if (asked === null && version === known.version + 1 && known.state !== is)
          this.complaints.push(`${this.id}: ${diff.user_id} ${view} from ${is}, but it was ${known.state}`);
        held[view] = { state: diff.to, version };
      }
    }
    for (const [number, added] of this.#asked) {
      if (number > answered) continue;
      this.#asked.delete(number);
      for (const user of added) if (this.wants.has(user) && !this.held.has(user)) this.held.set(user, never());
    }
    if (position !== null) this.#position = Math.max(this.#position ?? 0, position);
    return kind === 'reroute';
  }
}

describe('the fan-out topology', () => {
  test.each(seeds.slice(0, 12).map((seed) => ({ seed })))('cuts change nothing in what is said (seed $seed)', ({ seed }) => {
    const random = seeded(seed);
    const world = new World(random);
    const gateways = ['g1', 'g2', 'g3'].map((id) => new Gateway(id));
    const busy = random() < 0.5 ? 0.5 : 3;
    for (let step = 0; step < 400; step++) {
      world.stamp += Math.floor(random() * 1_000 * busy);
      const gateway = gateways[Math.floor(random() * gateways.length)] as Gateway;
      const some = users.filter(() => random() < 0.4);
      const dice = random();
      if (dice < 0.6) world.change(users[random() < 0.6 ? 0 : Math.floor(random() * users.length)] as string);
      else if (dice < 0.75)
        world.route(
          gateway.want(
            some,
            users.filter((user) => random() < 0.2 && !some.includes(user)),
          ),
        );
      else if (dice < 0.78) world.route(gateway.restate());
      else world.route(gateway.mark());
    }
    const runs = [() => true, () => false, () => random() < 0.3, () => random() < 0.05].map((cut) => {
      const one = fanOut.processor(0);
      one.restored();
      return sequences(feed(one, world.entries, cut));
    });
    for (const run of runs) expect(run, again(seed)).toEqual(runs[0]);
    expect(Object.keys(runs[0] as object).length).toBeGreaterThan(0);
  });

  test.each(seeds.map((seed) => ({ seed })))('takeovers lose nothing (seed $seed)', ({ seed }) => {
    const random = seeded(seed);
    const world = new World(random);
    const gateways = ['g1', 'g2', 'g3'].map((id) => new Gateway(id));
    let one = fanOut.processor(0);
    one.restored();
    /** Of each input: how far it has been read, and how far what it brought has been written for certain. */
    const at = { diff: 0, route: 0 };
    const taken = { diff: 0, route: 0 };
    const restates: Gateway[] = [];
    const hear = (said: readonly RoutedDelivery[]): void => {
      for (const delivery of said) {
        const gateway = gateways.find(({ id }) => id === delivery.gateway_id);
        if (gateway?.take(delivery)) restates.push(gateway);
      }
    };
    const read = (of: 'diff' | 'route'): void => {
      const log = of === 'diff' ? world.diffs : world.routes;
      if (at[of] >= log.length) return;
      const records = log.slice(at[of], at[of] + 1 + Math.floor(random() * 8)) as Input<never>[];
      at[of] += records.length;
      const batch = { partition: 0, records, nextOffset: at[of] };
      hear(of === 'diff' ? one.diffs(batch) : one.routes(batch));
      if (random() < 0.7) Object.assign(taken, at);
    };
    const takeOver = (): void => {
      Object.assign(at, taken);
      one = fanOut.processor(0);
      for (const state of world.records()) one.load(state);
      one.restore({ from: 0, position: at.diff });
      one.diffs({ partition: 0, records: world.diffs.slice(0, at.diff), nextOffset: at.diff });
      one.routes({ partition: 0, records: world.routes.slice(0, at.route), nextOffset: at.route });
      one.restored();
    };
    const busy = random() < 0.5 ? 0.3 : 2;
    for (let step = 0; step < 400; step++) {
      world.stamp += Math.floor(random() * 700 * busy);
      const gateway = gateways[Math.floor(random() * gateways.length)] as Gateway;
      const dice = random();
      const some = users.filter((user) => random() < 0.4 && !gateway.wants.has(user));
      if (dice < 0.35) world.change(users[random() < 0.6 ? 0 : Math.floor(random() * users.length)] as string);
      else if (dice < 0.45)
        world.route(
          gateway.want(
            some,
            users.filter((user) => random() < 0.2 && !some.includes(user)),
          ),
        );
      else if (dice < 0.6) world.route(gateway.mark());
      else if (dice < 0.62) takeOver();
      else read(random() < 0.5 ? 'diff' : 'route');
      for (const asked of restates.splice(0)) world.route(asked.restate());
    }
    // Time goes on, and everybody lives: what waits is told.
    for (let second = 0; second < 70; second++) {
      world.stamp += 1_000;
      for (const gateway of gateways) world.route(gateway.mark());
      while (at.diff < world.diffs.length) read('diff');
      while (at.route < world.routes.length) read('route');
      for (const asked of restates.splice(0)) world.route(asked.restate());
    }
    const wrong = gateways.flatMap((gateway) =>
      [...gateway.wants].flatMap((user) => {
        const { self, others, version, public_version } = world.of(user);
        const held = gateway.held.get(user);
        const is =
          held === undefined ? 'nothing' : `${held.self.version} ${held.others.version} ${held.self.state} ${held.others.state}`;
        return is === `${version} ${public_version} ${self} ${others}` ? [] : [`${gateway.id} holds ${user} as ${is}`];
      }),
    );
    expect(wrong, again(seed)).toEqual([]);
    expect(
      gateways.flatMap(({ complaints }) => complaints),
      again(seed),
    ).toEqual([]);
  });
});
