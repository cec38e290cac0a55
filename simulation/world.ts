/**
 * A world: broker, topology, gateways and clients, in virtual time, and what is known of them: the truth and the diffs.
 *
 * `play` plays one story, from its beginning to a while after its end, or to the first invariant that breaks. The system
 * is the real one: the gateways' parts, the topology, the runtime, the embedded log. Simulated are sockets, networks, clients,
 * processes, and time.
 */
import { useClock } from '../base/clock.ts';
import { silentLogger } from '../base/logger.ts';
import { ensureFirstCuts } from '../cli/first-cut.ts';
import type { LogBatch } from '../ports/log.ts';
import { type PresenceWiring, presenceWiring } from '../replay/wiring.ts';
import { type Codecs, createCodecs } from '../schemas/codec.ts';
import { createEmbeddedRegistry } from '../schemas/embedded-registry.ts';
import type { Diff } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';
import { topicSpecs } from '../topology/topics.ts';
import { BackgroundClient } from './background.ts';
import { Beats } from './beats.ts';
import { Broker } from './broker.ts';
import { StreamClient } from './client.ts';
import { Disturbance } from './disturbance.ts';
import type { Figures } from './figures.ts';
import { SimulatedGateway } from './gateway.ts';
import type { Host } from './host.ts';
import { SESSION_MS, SimulatedInstance } from './instance.ts';
import { type Broken, Chains, type InvariantName } from './invariants.ts';
import { Random } from './random.ts';
import { type Replayed, replay } from './replay.ts';
import { BEGAN_MS, Scheduler } from './scheduler.ts';
import type { Story } from './story.ts';
import type { Fault } from './story-faults.ts';
import { Truth } from './truth.ts';

export interface Outcome {
  readonly broken: Broken | null;
  readonly figures: Figures;
  /** Of all events, in order: the same story gives the same. */
  readonly hash: number;
  readonly events: number;
  readonly replayed: Replayed | null;
}

export interface PlayOptions {
  /** Changes the system under test; for tests that break it. */
  readonly wiring?: (wiring: PresenceWiring, codecs: Codecs) => PresenceWiring;
}

/** After the story's end: the last clients find their way back, the last ttl ends, and 30 s of quiet. */
const REST_MS = 90_000;
/** How long a fault of the log or the topology is felt. */
const LOG_AFTER_MS = 10_000;
const GATEWAY_AFTER_MS = 8_000;
/** Within which a fault may still have a part in what is said. */
const RECENT_MS = 15_000;
/** Beats so shortly before or after a verdict are none of its business. */
const NEAR_MS = 300;

let shared: Promise<Codecs> | null = null;

export async function play(story: Story, options: PlayOptions = {}): Promise<Outcome> {
  shared ??= createCodecs({ registry: createEmbeddedRegistry() });
  const codecs = await shared;
  const wiring = (options.wiring ?? ((same) => same))(presenceWiring(codecs), codecs);
  const world = new World(story);
  const restore = useClock(world.scheduler.clock);
  try {
    await world.build(codecs, wiring);
    await world.scheduler.run(story.ends_ms + REST_MS);
    return await world.end(wiring);
  } finally {
    restore();
  }
}

export class World {
  readonly scheduler: Scheduler;
  readonly story: Story;
  readonly truth: Truth;
  readonly beats = new Beats();
  /** What nobody in the world does: acts and faults, and kernels. */
  readonly host: Host;
  readonly #disturbance: Disturbance;
  readonly #chains = new Chains();
  readonly #gateways: SimulatedGateway[] = [];
  readonly #instances: SimulatedInstance[] = [];
  readonly #clients: StreamClient[] = [];
  #broker!: Broker;
  #broken: Broken | null = null;

  constructor(story: Story) {
    this.story = story;
    this.scheduler = new Scheduler(story.seed);
    this.host = this.scheduler.host('nobody');
    const now = (): number => this.scheduler.now;
    this.#disturbance = new Disturbance(now);
    const loss = new Map(story.clients.map(({ device, path }) => [device, path.loss]));
    this.truth = new Truth({
      now,
      ttl_ms: story.ttl_ms,
      disturbed: (since, gateways) =>
        this.#disturbance.touched(since, 'log', 'clock', 'topology', ...(gateways ? (['gateway', 'pause'] as const) : [])),
      outage: (since) => this.#disturbance.lasted(since, 'log', 'clock', 'topology', 'pause'),
      lossOf: (device) => loss.get(device) ?? 0,
      lastHeard: (device) => this.beats.of(device).heard,
      lastLeft: (device) => this.beats.of(device).left,
      late: (since, detail) => {
        if (!this.#disturbance.touched(since, 'pause')) this.breaks('detection', detail);
      },
    });
  }

  async build(codecs: Codecs, wiring: PresenceWiring): Promise<void> {
    const { scheduler, story } = this;
    this.#broker = await Broker.create(scheduler);
    const { log } = this.#broker;
    await log.ensureTopics(topicSpecs(story.partitions));
    const began = ensureFirstCuts({ log, codecs, logger: silentLogger, group: 'presence', now: scheduler.clock.now });
    // It waits for turns of the loop, and these are events.
    await scheduler.run(100);
    await began;
    await log.follow({ topics: [topicNames.diffs], from: 'start', onBatch: async (batch) => this.#said(codecs, batch) });
    for (let index = 0; index < story.instances; index++) {
      this.#instances.push(new SimulatedInstance({ name: `topology-${index}`, scheduler, broker: this.#broker, wiring }));
    }
    const { heartbeat_ms, ttl_ms } = story;
    const silenceSaid = (device: string, ran_ms: number): void => {
      this.beats.of(device).silent(this.scheduler.now, ran_ms);
    };
    for (let index = 0; index < story.gateways; index++) {
      const name = `gateway-${index}`;
      this.#gateways.push(
        new SimulatedGateway({ name, scheduler, broker: this.#broker, codecs, heartbeat_ms, ttl_ms, silenceSaid }),
      );
    }
    for (const one of [...this.#instances, ...this.#gateways]) one.start();
    for (const client of story.clients) {
      if (client.kind === 'background') new BackgroundClient(this, client);
      else this.#clients.push(new StreamClient(this, client));
    }
    for (const fault of story.faults) scheduler.after(this.host, fault.at, () => this.#strike(fault));
  }

  /** Where a load balancer sends the next one: to a place that serves, mostly. */
  route(random: Random): SimulatedGateway {
    const serving = this.#gateways.filter((gateway) => gateway.serving !== null);
    return random.pick(serving.length === 0 || random.chance(0.1) ? this.#gateways : serving);
  }

  breaks(invariant: InvariantName, detail: string): void {
    this.#broken ??= { invariant, detail, at: this.scheduler.now };
    this.scheduler.stop();
  }

  async end(wiring: PresenceWiring): Promise<Outcome> {
    const { scheduler, truth } = this;
    const { hash, events } = scheduler;
    const wrong = truth.end();
    if (this.#broken === null && wrong.length > 0) this.breaks('truth', wrong.join('; '));
    let replayed: Replayed | null = null;
    if (this.#broken === null) {
      const again = replay(this.#broker.log, wiring, new Random(this.story.seed, 'replay'));
      await scheduler.run(scheduler.now + 1);
      replayed = await again;
      if (replayed.fault !== null) this.breaks('replay', replayed.fault);
      if (replayed.ordinalsMissing > 0) this.breaks('ledger', `${replayed.ordinalsMissing} signals are missing`);
    }
    return { broken: this.#broken, figures: truth.figures, hash, events, replayed };
  }

  // What presence says

  async #said(codecs: Codecs, batch: LogBatch): Promise<void> {
    for (const { value } of batch.records) {
      const diff = codecs.diff.decode(value as Buffer);
      const wrong = this.#chains.check(diff);
      if (wrong !== null) this.breaks('chain', wrong);
      if (diff.audience === 'others') continue;
      if (diff.to === 'offline') this.#judgeOffline(diff);
      this.truth.said(diff.user_id, diff.to, diff.cause);
    }
  }

  /** Has a device of theirs beaten within its ttl? */
  #judgeOffline(diff: Diff): void {
    const user = this.truth.users.get(diff.user_id);
    const { now } = this.scheduler;
    if (user === undefined) return;
    const leapt = this.#disturbance.touched(now - RECENT_MS, 'clock');
    if (leapt && this.#disturbance.touched(now - RECENT_MS, 'log', 'topology')) return;
    // Where its clock has leapt, a stamp says nothing of when; but then the topology keeps up, and it is about now.
    const at = leapt ? now : diff.at - BEGAN_MS - this.#broker.offset_ms;
    if (diff.cause === 'silence') this.#judgeSilence(diff);
    for (const [id, device] of user.devices) {
      const ttl = device.ttl_ms > 0 ? device.ttl_ms : this.story.ttl_ms;
      if (!device.there || device.since > at - ttl) continue;
      // It came to another gateway while the log was out: whose word is written first is open.
      if (this.#disturbance.during(device.since, 'log')) continue;
      const from = at - ttl + this.#broker.hurried(at - ttl) + NEAR_MS;
      const beat = this.beats.of(id).within(from, at - NEAR_MS);
      if (beat !== null)
        this.breaks(
          'beating',
          `${diff.user_id} is said offline (${diff.cause}) at ${Math.round(at)} ms; ${id} beat at ${Math.round(beat)} ms`,
        );
    }
  }

  /** Was a whole ttl without a beat behind it? Time in which its gateway stood still is none. */
  #judgeSilence({ user_id, device_id }: Diff): void {
    const ran_ms = this.beats.of(device_id ?? '').silentFor(this.scheduler.now - RECENT_MS);
    if (ran_ms > this.story.ttl_ms - NEAR_MS || ran_ms === Number.NEGATIVE_INFINITY) return;
    const ran = `its gateway had run for ${Math.round(ran_ms)} ms since its last beat`;
    this.breaks('beating', `${user_id} is said offline for the silence of ${device_id}; ${ran}`);
  }

  // What goes wrong

  #strike(fault: Fault): void {
    switch (fault.fault) {
      case 'gateway ends':
        this.#endGateway(fault);
        break;
      case 'gateway stalls':
      case 'gateway is cut off':
        this.#unheard(fault.gateway);
        this.#disturbance.add('pause', fault.for_ms + GATEWAY_AFTER_MS);
        if (fault.fault === 'gateway stalls') this.#gateways[fault.gateway]?.stall(fault.for_ms);
        else this.#gateways[fault.gateway]?.cut(fault.for_ms);
        break;
      case 'topology ends':
      case 'topology stalls':
        this.#strikeTopology(fault);
        break;
      default:
        this.#strikeLog(fault);
    }
  }

  #strikeTopology(fault: Extract<Fault, { fault: `topology ${string}` }>): void {
    const instance = this.#instances[fault.instance % this.#instances.length];
    this.#disturbance.add('topology', Math.max(fault.for_ms, SESSION_MS) + LOG_AFTER_MS);
    if (fault.fault === 'topology stalls') instance?.stall(fault.for_ms);
    else {
      instance?.kill();
      this.scheduler.after(this.host, fault.for_ms, () => instance?.start());
    }
  }

  #strikeLog(fault: Extract<Fault, { fault: `log ${string}` }>): void {
    const broker = this.#broker;
    const until = this.scheduler.now + ('for_ms' in fault ? fault.for_ms : 0);
    this.#disturbance.add(fault.fault === 'log leaps' ? 'clock' : 'log', ('for_ms' in fault ? fault.for_ms : 0) + LOG_AFTER_MS);
    if (fault.fault === 'log stalls') broker.host.stalledUntil = Math.max(broker.host.stalledUntil, until);
    else if (fault.fault === 'log refuses') broker.refusingUntil = Math.max(broker.refusingUntil, until);
    else if (fault.fault === 'log loses answers') broker.losing = { until, share: fault.share };
    else if (fault.fault === 'log troubles commits') broker.troubling = { until, share: fault.share };
    else broker.leap(fault.by_ms);
  }

  #endGateway({ gateway: index, how, for_ms }: Extract<Fault, { fault: 'gateway ends' }>): void {
    const gateway = this.#gateways[index];
    if (gateway?.serving == null) return;
    this.#disturbance.add('gateway', for_ms + GATEWAY_AFTER_MS);
    if (how === 'restart') gateway.shutDown();
    else {
      this.#unheard(index);
      gateway.kill(how === 'kill');
    }
    // A drain takes its time; then another begins.
    this.scheduler.after(this.host, for_ms + (how === 'restart' ? 8_000 : 0), () => gateway.start());
  }

  /** Nothing of its clients reaches the log from now on. */
  #unheard(index: number): void {
    const running = this.#gateways[index]?.serving;
    if (running == null) return;
    for (const client of this.#clients) if (client.gateway === running) client.unheard('gateway');
  }
}
