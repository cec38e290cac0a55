/**
 * One seed of the law "however many instances share the log, whatever happens to them, the same diffs": the runtime itself
 * on the embedded log, in virtual time (simulation/scheduler.ts): a minute of kills and pauses takes a fraction of a second.
 *
 * The input is a swarm (processors/swarm.ts) for each partition, interleaved by lot; the broker's clock goes on, holes and leaps
 * included, as the swarms' stamps do. Meanwhile instances, 1, 2, 3 or 5 of them, are killed, stand still for longer than their
 * session lasts, leave in order, come, and lose their way to the broker; commits are aborted, their answers lost, transactions
 * left open; the log is read in batches of any size; some seeds keep warm standbys, some promise each diff only at least once.
 */
import { useClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { random, swarm } from '../../processors/swarm.ts';
import { type PresenceWiring, presenceWiring } from '../../replay/wiring.ts';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { type Runner, runTopology } from '../../runtime/runner.ts';
import { createCodecs } from '../../schemas/codec.ts';
import { createEmbeddedRegistry } from '../../schemas/embedded-registry.ts';
import { signal } from '../../schemas/signal.ts';
import { Broker } from '../../simulation/broker.ts';
import type { Host } from '../../simulation/host.ts';
import { Link } from '../../simulation/link.ts';
import { Scheduler } from '../../simulation/scheduler.ts';
import { topicSpecs } from '../../topology/topics.ts';
import { judgeFuture } from '../runtime/reference.ts';
import { instanceCounts } from './plan.ts';

const GROUP = 'presence.topology';
const SESSION_MS = 6_000;
const RESTART_MS = 500;
/** How long everything may take to be read once nothing goes wrong any more, virtual ms. */
const HEALED_MS = 120_000;

class Instance {
  readonly host: Host;
  readonly link: Link;
  readonly #scheduler: Scheduler;
  readonly #broker: Broker;
  #runner: Runner | null = null;
  leaving = false;

  constructor(scheduler: Scheduler, broker: Broker, run: (link: Link) => Promise<Runner>, name: string) {
    this.#scheduler = scheduler;
    this.#broker = broker;
    this.host = scheduler.host(name);
    this.link = new Link(scheduler, broker, this.host);
    // As `presence up` does: again until the log answers.
    const start = (): void => {
      void run(this.link).then(
        (runner) => {
          this.#runner = runner;
          if (this.leaving) void runner.close();
        },
        () => scheduler.after(this.host, RESTART_MS, start),
      );
    };
    scheduler.send(this.host, 0, start);
  }

  get alive(): boolean {
    return this.host.alive && !this.leaving;
  }

  /** Whether it has been expelled, and may not be back yet. */
  get astray(): boolean {
    return this.#scheduler.now < this.host.stalledUntil + SESSION_MS;
  }

  /** For whoever looks into a seed. */
  get shown(): unknown {
    const { name, alive } = this.host;
    const has = this.#runner?.partitions.map(({ partition, state, position }) => ({ partition, state, position })) ?? null;
    return { name, alive, leaving: this.leaving, has };
  }

  kill(): void {
    this.host.alive = false;
    this.link.end();
    this.#scheduler.after(this.#broker.host, SESSION_MS, () => this.link.expel());
  }

  stall(for_ms: number): void {
    this.host.stalledUntil = this.#scheduler.now + for_ms;
    if (for_ms > SESSION_MS) this.#scheduler.after(this.#broker.host, SESSION_MS, () => this.link.expel());
  }

  leave(): void {
    this.leaving = true;
    this.#scheduler.send(this.host, 0, () => void this.#runner?.close());
  }
}

/** What a seed did, for a look at whether seeds do anything. */
export interface SeedResult {
  readonly diffs: number;
  readonly instances: number;
  readonly kills: number;
  readonly stalls: number;
  readonly virtual_s: number;
}

/** Rejects with what is not as it should be. */
export async function runSeed(seed: number, records = 250): Promise<SeedResult> {
  const scheduler = new Scheduler(seed);
  const wiring = presenceWiring(await createCodecs({ registry: createEmbeddedRegistry() }));
  const putBack = useClock(scheduler.clock);
  const world = new LawWorld(seed, scheduler, wiring);
  try {
    await world.run(records);
  } finally {
    scheduler.stop();
    putBack();
  }
  return world.judge();
}

class LawWorld {
  readonly #next: () => number;
  readonly #scheduler: Scheduler;
  readonly #wiring: PresenceWiring;
  readonly #partitions: number;
  readonly #instances: Instance[] = [];
  readonly #standbys: number;
  readonly #guarantee: ProcessingGuarantee;
  #broker!: Broker;
  #kills = 0;
  #stalls = 0;

  constructor(seed: number, scheduler: Scheduler, wiring: PresenceWiring) {
    this.#next = random(seed);
    this.#scheduler = scheduler;
    this.#wiring = wiring;
    this.#partitions = 1 + this.#below(4);
    this.#standbys = this.#below(2);
    this.#guarantee = this.#next() < 0.25 ? 'at_least_once' : 'exactly_once';
    this.#records = (count) => Array.from({ length: this.#partitions }, (_, p) => swarm({ seed: seed * 8 + p, records: count }));
  }

  readonly #records: (count: number) => ReturnType<typeof swarm>[];

  async run(count: number): Promise<void> {
    this.#broker = await Broker.create(this.#scheduler);
    await this.#broker.log.ensureTopics(topicSpecs(this.#partitions));
    const many = instanceCounts[this.#below(instanceCounts.length)] as number;
    for (let i = 0; i < many; i += 1) this.#start();
    await this.#write(count);
    await this.#heal();
  }

  #below(n: number): number {
    return Math.floor(this.#next() * n);
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T;
  }

  #start(): void {
    const patience_ms = this.#pick([10, 250]);
    const run = (link: Link): Promise<Runner> =>
      runTopology({
        ...{ log: link, wiring: this.#wiring, group: GROUP, instanceId: 'law', logger: silentLogger },
        limits: { patience_ms, transactionRecords: this.#pick([3, 50, 2_000]) },
        standbyReplicas: this.#standbys,
        guarantee: this.#guarantee,
      });
    this.#instances.push(new Instance(this.#scheduler, this.#broker, run, `instance-${this.#instances.length}`));
  }

  /** The swarms' records, each at its stamp; between them time passes and things go wrong. */
  async #write(count: number): Promise<void> {
    const swarms = this.#records(count);
    const stamps = swarms.map((records) => records[0]?.stamp ?? 0);
    let stamp = stamps[0] as number;
    const pace = this.#pick([1, 20, 200]);
    const trouble = this.#next() < 0.3 ? 0 : this.#next() * 0.05;
    const producer = await this.#broker.log.producer();
    while (swarms.some((records) => records.length > 0)) {
      const partition = this.#pick(swarms.flatMap((records, p) => (records.length > 0 ? [p] : [])));
      const record = swarms[partition]?.shift() as ReturnType<typeof swarm>[number];
      stamp += record.stamp - (stamps[partition] as number);
      stamps[partition] = record.stamp;
      await this.#scheduler.run(this.#scheduler.now + this.#below(pace));
      this.#setClock(stamp);
      const { value, traceparent } = record;
      const headers = traceparent === undefined ? {} : { headers: { traceparent } };
      const out = { key: value.user_id || null, value: this.#wiring.codecs.input.encode(value), partition, ...headers };
      await producer.send([{ topic: this.#wiring.topics.input, records: [out] }]);
      if (this.#next() < trouble) this.#disturb();
    }
  }

  #setClock(stamp: number): void {
    const now = Math.floor(this.#broker.offset_ms + this.#virtualNow());
    this.#broker.leap(stamp - now);
  }

  #virtualNow(): number {
    return this.#scheduler.clock.now();
  }

  #disturb(): void {
    const living = this.#instances.filter(({ alive }) => alive);
    const { now } = this.#scheduler;
    const one = living.length > 0 ? this.#pick(living) : null;
    const kind = this.#pick(['kill', 'stall', 'leave', 'join', 'cut', 'trouble', 'refuse', 'lose'] as const);
    if (kind === 'join' || one === null) this.#start();
    else if (kind === 'kill') {
      one.kill();
      this.#kills += 1;
      if (this.#next() < 0.7) this.#start();
    } else if (kind === 'stall') {
      one.stall(this.#pick([500, SESSION_MS + 500, 3 * SESSION_MS]));
      this.#stalls += 1;
    } else if (kind === 'leave' && !one.astray) one.leave();
    else if (kind === 'cut') one.link.cutUntil = now + this.#below(8_000);
    else if (kind === 'trouble') this.#broker.troubling = { until: now + this.#below(5_000), share: this.#next() };
    else if (kind === 'refuse') this.#broker.refusingUntil = now + this.#below(3_000);
    else this.#broker.losing = { until: now + this.#below(5_000), share: this.#next() };
  }

  /** Nothing goes wrong any more: everything is read in the end. */
  async #heal(): Promise<void> {
    const { input } = this.#wiring.topics;
    for (const instance of this.#instances) instance.link.cutUntil = 0;
    this.#broker.troubling = { until: 0, share: 0 };
    this.#broker.refusingUntil = 0;
    this.#broker.losing = { until: 0, share: 0 };
    if (!this.#instances.some(({ alive }) => alive)) this.#start();
    const ends = (await this.#broker.log.offsets(input)).map(({ end }) => end);
    const until = this.#scheduler.now + HEALED_MS;
    for (;;) {
      await this.#scheduler.run(this.#scheduler.now + 500);
      const at = await this.#broker.log.committed(GROUP, input);
      if (ends.every((end, partition) => (at[partition] ?? 0) >= end)) return;
      if (this.#scheduler.now > until) {
        const instances = this.#instances.map((instance) => instance.shown);
        throw new Error(`not read in the end: ${JSON.stringify({ ends, at, instances })}`);
      }
    }
  }

  /** On the machine's clock again. */
  async judge(): Promise<SeedResult> {
    const { log } = this.#broker;
    let diffs = 0;
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const end = (await log.offsets(this.#wiring.topics.input))[partition]?.end ?? 0;
      let last = 0;
      await log.read({
        ...{ topic: this.#wiring.topics.input, partition, from: 0 },
        onBatch: ({ records }) => void (last = Math.max(last, ...records.map(({ timestamp }) => timestamp))),
      });
      // Ticks a second apart: everything that waits for a lease, a grace or an override comes out.
      const future = Array.from({ length: 900 }, (_, n) => ({
        offset: end + n,
        stamp: last + (n + 1) * 1_000,
        value: signal({ kind: 'tick' }),
      }));
      const verdict = await judgeFuture(log, this.#wiring, partition, future);
      // What was committed, and what is said from there on by what a restore gives.
      const expected = [...verdict.expected, ...(verdict.expectedState as string[])];
      const said = [...verdict.found, ...(verdict.foundState as string[])];
      // No diff is like another, so one that is there twice has come again.
      const found = this.#guarantee === 'at_least_once' ? [...new Set(said)] : said;
      same(`partition ${partition}, ${this.#guarantee}`, expected, found);
      diffs += verdict.found.length;
    }
    const { length: instances } = this.#instances;
    return { diffs, instances, kills: this.#kills, stalls: this.#stalls, virtual_s: Math.round(this.#scheduler.now / 1_000) };
  }
}

function same(what: string, expected: readonly string[], found: readonly string[]): void {
  const length = Math.max(expected.length, found.length);
  for (let i = 0; i < length; i += 1) {
    if (expected[i] !== found[i])
      throw new Error(`${what}: number ${i} of ${expected.length}\n  expected ${expected[i]}\n  found    ${found[i]}`);
  }
}
