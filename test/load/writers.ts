/**
 * Gateways without clients: they write signals straight into `presence.signals`, with ordinals and markers as a gateway does,
 * and know what a topology must have heard when it has read everything (`ordinals`).
 *
 * Users change often and in every way: streams that come, speak, fall silent and say goodbye, background beats with short
 * ttls, overrides with and without an end, `invisible` among them. Now and then a gateway dies without a word, and another
 * begins under a new name: its devices are lost with it until they speak again.
 *
 * A batch is written until it is acknowledged, and nothing is made up meanwhile, so a log that is away makes no queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionOf } from '../../base/murmur2.ts';
import type { Log, LogProducer, OutRecord } from '../../ports/log.ts';
import { random } from '../../processors/swarm.ts';
import type { Codecs } from '../../schemas/codec.ts';
import type { State } from '../../schemas/generated.ts';
import { type SignalDraft, signal } from '../../schemas/signal.ts';
import { topicNames } from '../../schemas/topics.ts';

export interface WritersOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly seed: number;
  readonly users: number;
  /** Signals a second, all gateways together. */
  readonly rate: number;
  /** Default 3. */
  readonly gateways?: number;
}

interface Gateway {
  readonly id: string;
  readonly producer: LogProducer;
  /** The last one given, by partition. */
  readonly ordinals: number[];
  /** When it last wrote its markers. */
  markedAt: number;
  alive: boolean;
}

interface Device {
  readonly user: string;
  readonly id: string;
  session: number;
  seq: number;
  connection: string | null;
  gateway: Gateway | null;
}

const TURN_MS = 20;
const MARKER_MS = 1_000;
/** A gateway dies in one second of so many. */
const GATEWAY_LIFE_S = 40;
const speakable: readonly (State | null)[] = ['dnd', 'busy', 'online', 'away', 'online', 'away', null];
const overrides: readonly State[] = ['invisible', 'invisible', 'dnd', 'busy', 'away', 'offline'];

export class Writers {
  /** Signals of users that were acknowledged. */
  written = 0;
  readonly #options: WritersOptions;
  readonly #rnd: () => number;
  readonly #partitions: number;
  readonly #gateways: Gateway[] = [];
  readonly #streams: Device[];
  readonly #background: Device[];
  #connections = 0;
  /** Gateways so far. */
  #started = 0;
  #paused = false;
  #closed = false;
  #turns: Promise<void>[] = [];
  /** Of the turns under way: what `pause` waits for. */
  #busy = 0;

  private constructor(options: WritersOptions, partitions: number) {
    this.#options = options;
    this.#rnd = random(options.seed);
    this.#partitions = partitions;
    const devices = (id: string): Device[] =>
      Array.from({ length: options.users }, (_, n) => ({
        user: `user-${n}`,
        id,
        session: 1,
        seq: 0,
        connection: null,
        gateway: null,
      }));
    this.#streams = devices('stream');
    this.#background = devices('phone');
  }

  static async start(options: WritersOptions): Promise<Writers> {
    const writers = new Writers(options, await options.log.partitions(topicNames.signals));
    for (let i = 0; i < (options.gateways ?? 3); i += 1) writers.#turns.push(writers.#live());
    return writers;
  }

  /** What each gateway's last ordinal on each partition is: by gateway, then by partition. */
  get ordinals(): ReadonlyMap<string, readonly number[]> {
    return new Map(this.#gateways.map(({ id, ordinals }) => [id, ordinals]));
  }

  /** No user says anything more; markers go on. Resolves when everything said is in the log. */
  async pause(): Promise<void> {
    this.#paused = true;
    while (this.#busy > 0) await sleep(5);
  }

  resume(): void {
    this.#paused = false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#turns);
  }

  /** One gateway after the other, for as long as this goes on. */
  async #live(): Promise<void> {
    while (!this.#closed) {
      const gateway: Gateway = {
        id: `gateway-${this.#options.seed}-${this.#started++}`,
        producer: await this.#options.log.producer(),
        ordinals: new Array(this.#partitions).fill(0),
        markedAt: 0,
        alive: true,
      };
      this.#gateways.push(gateway);
      while (!this.#closed && gateway.alive) {
        await this.#turn(gateway);
        if (!this.#paused && this.#rnd() < TURN_MS / (GATEWAY_LIFE_S * 1_000)) gateway.alive = false;
      }
      await gateway.producer.close();
    }
  }

  async #turn(gateway: Gateway): Promise<void> {
    const began = performance.now();
    const share = (this.#options.rate * TURN_MS) / 1_000 / (this.#options.gateways ?? 3);
    const count = Math.floor(share) + (this.#rnd() < share % 1 ? 1 : 0);
    this.#busy += 1;
    const said = this.#paused ? [] : Array.from({ length: count }, () => this.#record(gateway, this.#happen(gateway)));
    const records = began - gateway.markedAt < MARKER_MS ? said : [...said, ...this.#markers(gateway)];
    if (records.length > said.length) gateway.markedAt = began;
    await this.#write(gateway, records);
    this.written += said.length;
    this.#busy -= 1;
    await sleep(Math.max(1, TURN_MS - (performance.now() - began)));
  }

  /** For as long as it takes: what is given again is the same, down to its ordinals. */
  async #write(gateway: Gateway, records: readonly OutRecord[]): Promise<void> {
    while (records.length > 0) {
      try {
        await gateway.producer.send([{ topic: topicNames.signals, records }]);
        return;
      } catch {
        await sleep(50);
      }
    }
  }

  #record(gateway: Gateway, draft: SignalDraft): OutRecord {
    const key = draft.user_id as string;
    const partition = partitionOf(key, this.#partitions);
    const ordinal = (gateway.ordinals[partition] as number) + 1;
    gateway.ordinals[partition] = ordinal;
    const value = this.#options.codecs.signal.encode(
      signal({ ...draft, gateway_id: gateway.id, ordinal, received_at: Date.now() }),
    );
    if (this.#rnd() < 0.5) return { key, value };
    const hex = (length: number): string => Array.from({ length }, () => this.#below(16).toString(16)).join('');
    return { key, value, headers: { traceparent: `00-${hex(32)}-${hex(16)}-01` } };
  }

  #markers(gateway: Gateway): OutRecord[] {
    return gateway.ordinals.map((ordinal, partition) => ({
      key: null,
      partition,
      value: this.#options.codecs.signal.encode(
        signal({ kind: 'marker', gateway_id: gateway.id, ordinal, received_at: Date.now() }),
      ),
    }));
  }

  #below(n: number): number {
    return Math.floor(this.#rnd() * n);
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T;
  }

  #happen(gateway: Gateway): SignalDraft {
    const dice = this.#rnd();
    const user = this.#below(this.#options.users);
    if (dice < 0.2) return this.#beat(this.#background[user] as Device);
    if (dice < 0.3) return this.#override(`user-${user}`);
    const device = this.#streams[user] as Device;
    // A device speaks through its own gateway; one whose gateway is another's, or gone, comes over now and then.
    if (device.gateway !== gateway)
      return device.gateway?.alive === true && dice < 0.9 ? this.#another(gateway) : this.#hello(device, gateway);
    return this.#speak(device, gateway);
  }

  /** Of a device that this gateway holds, if a look at a few finds one. */
  #another(gateway: Gateway): SignalDraft {
    for (let looks = 0; looks < 8; looks += 1) {
      const device = this.#pick(this.#streams);
      if (device.gateway === gateway) return this.#speak(device, gateway);
    }
    return this.#hello(this.#pick(this.#streams), gateway);
  }

  #speak(device: Device, gateway: Gateway): SignalDraft {
    const dice = this.#rnd();
    const { user: user_id, id: device_id, connection: connection_id } = device;
    const session_id = `s${device.session}`;
    if (dice < 0.1) return this.#hello(device, gateway);
    if (dice < 0.2) {
      device.gateway = null;
      if (dice < 0.15) return { kind: 'goodbye', user_id, device_id, session_id, connection_id };
      return { kind: 'silence', user_id, device_id, session_id, connection_id, silent_ms: this.#below(4_000) };
    }
    device.seq += 1;
    const state = this.#pick(speakable);
    return { kind: 'heartbeat', user_id, device_id, session_id, connection_id, seq: device.seq, state };
  }

  #hello(device: Device, gateway: Gateway): SignalDraft {
    if (this.#rnd() < 0.3) {
      device.session += 1;
      device.seq = 0;
    }
    this.#connections += 1;
    device.connection = `c${this.#options.seed}-${this.#connections}`;
    device.gateway = gateway;
    return {
      kind: 'hello',
      user_id: device.user,
      device_id: device.id,
      session_id: `s${device.session}`,
      connection_id: device.connection,
      state: this.#pick(speakable),
    };
  }

  #beat(device: Device): SignalDraft {
    device.seq += 1;
    return {
      kind: 'heartbeat',
      user_id: device.user,
      device_id: device.id,
      session_id: `s${device.session}`,
      seq: device.seq,
      ttl_ms: this.#pick([200, 1_000, 3_000, 10_000]),
      state: this.#pick(speakable),
    };
  }

  #override(user_id: string): SignalDraft {
    if (this.#rnd() < 0.4) return { kind: 'override_cleared', user_id };
    const how = this.#rnd();
    return {
      kind: 'override_set',
      user_id,
      override_id: `o${this.#below(1_000)}`,
      state: this.#pick(overrides),
      ttl_s: how < 0.6 ? this.#pick([0.1, 0.5, 2, 5]) : null,
      until: how > 0.8 ? Date.now() + this.#below(3_000) : null,
    };
  }
}
