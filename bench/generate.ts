/**
 * Writes a topic of signals for benchmarks, the same for the same seed:
 *
 *     npm run bench:generate -- --topic T [--records 3000000] [--users 100000] [--partitions 8] [--seed 1]
 *
 * Brokers and registry are KAFKA_BROKERS and SCHEMA_REGISTRY_URL. What is in it: 1 to 3 devices a user, each beating once a
 * second with a ttl of 60 s, at a phase of its own; a tenth of the records repeat the one before (a resend); and as many beats
 * state a new state as it takes for 8% of the signals to end in a diff (of a user at most one in 400 ms, so that no cut
 * swallows one). The topic is stamped by its writer (CreateTime): the stamps are as if it had been written live, and ended
 * now.
 */
import { clock } from '../base/clock.ts';
import type { Log, OutRecord } from '../ports/log.ts';
import { random } from '../processors/swarm.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Signal, State } from '../schemas/generated.ts';
import { signal } from '../schemas/signal.ts';

export interface GenerateOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly topic: string;
  readonly records: number;
  readonly users: number;
  readonly partitions: number;
  readonly seed: number;
  readonly onProgress?: (written: number) => void;
}

export interface Generated {
  readonly records: number;
  readonly users: number;
  readonly devices: number;
  readonly repeats: number;
  /** Signals that change their user's effective state, the first one of each user among them. */
  readonly changes: number;
  /** Of the stamps. */
  readonly seconds: number;
}

export const generateDefaults = { records: 3_000_000, users: 100_000, partitions: 8, seed: 1 };

const REPEATS = 0.1;
const CHANGES = 0.08;
const BEAT_MS = 1_000;
const APART_MS = 400;
const TTL_MS = 60_000;
const SEND_RECORDS = 20_000;
/** The least available last, as in the rules of presence. */
const states: readonly State[] = ['dnd', 'busy', 'online', 'away'];

/** The devices in the order in which they beat. */
function devicesOf(users: number, rnd: () => number) {
  const owners: number[] = [];
  const numbers: number[] = [];
  for (let user = 0; user < users; user += 1) {
    const count = 1 + Math.floor(rnd() * 3);
    for (let n = 0; n < count; n += 1) {
      owners.push(user);
      numbers.push(n);
    }
  }
  const phases = owners.map(() => Math.floor(rnd() * BEAT_MS));
  const order = [...owners.keys()].sort((a, b) => (phases[a] as number) - (phases[b] as number));
  return order.map((device) => ({
    user: owners[device] as number,
    number: numbers[device] as number,
    phase: phases[device] as number,
  }));
}

/** Who says what when; `next` is one signal, its repeats apart. */
class Writers {
  readonly devices: ReturnType<typeof devicesOf>;
  readonly span_ms: number;
  changes = 0;
  readonly #rnd: () => number;
  readonly #began: number;
  /** What each device last stated, as its place among `states`; null before its first beat. */
  readonly #said: (number | null)[];
  readonly #ofUser: number[][];
  readonly #changedAt: Float64Array;
  #beats = 0;

  constructor({ records, users, seed }: Pick<GenerateOptions, 'records' | 'users' | 'seed'>) {
    this.#rnd = random(seed);
    this.devices = devicesOf(users, this.#rnd);
    this.span_ms = Math.ceil((records * (1 - REPEATS)) / this.devices.length) * BEAT_MS;
    this.#began = Math.floor(clock.now() / 1_000) * 1_000 - this.span_ms;
    this.#said = this.devices.map(() => null);
    this.#ofUser = Array.from({ length: users }, () => []);
    this.devices.forEach(({ user }, device) => void this.#ofUser[user]?.push(device));
    this.#changedAt = new Float64Array(users);
  }

  get repeats(): boolean {
    return this.#rnd() < REPEATS / (1 - REPEATS);
  }

  next(written: number): { readonly timestamp: number; readonly value: Signal } {
    const device = this.#beats % this.devices.length;
    const round = Math.floor(this.#beats / this.devices.length);
    this.#beats += 1;
    const { user, number, phase } = this.devices[device] as (typeof this.devices)[number];
    const timestamp = this.#began + round * BEAT_MS + phase;
    const value = signal({
      kind: 'heartbeat',
      user_id: `user-${user}`,
      gateway_id: `gateway-${user % 10}`,
      received_at: timestamp,
      device_id: `device-${number}`,
      session_id: `session-${user}-${number}`,
      seq: round + 1,
      state: this.#state(device, timestamp, written),
      ttl_ms: TTL_MS,
    });
    return { timestamp, value };
  }

  #state(device: number, timestamp: number, written: number): State | null {
    const { user } = this.devices[device] as (typeof this.devices)[number];
    const wanted = this.changes < written * CHANGES && timestamp - (this.#changedAt[user] as number) >= APART_MS;
    if (this.#said[device] !== null && !(wanted && this.#rnd() < 0.5)) return null;
    const before = this.#strongest(user);
    const stated = Math.floor(this.#rnd() * states.length);
    this.#said[device] = stated;
    if (this.#strongest(user) !== before) {
      this.changes += 1;
      this.#changedAt[user] = timestamp;
    }
    return states[stated] as State;
  }

  #strongest(user: number): number {
    return Math.min(...(this.#ofUser[user] as number[]).map((device) => this.#said[device] ?? states.length));
  }
}

export async function generate(options: GenerateOptions): Promise<Generated> {
  const { log, codecs, topic, records: total, users, partitions } = options;
  await log.ensureTopics([{ name: topic, partitions, cleanup: 'delete', stamps: 'writer' }]);
  const writers = new Writers(options);
  const producer = await log.producer();
  let [written, repeats] = [0, 0];
  while (written < total) {
    const records: OutRecord[] = [];
    for (const upTo = Math.min(total, written + SEND_RECORDS); written < upTo; written += 1) {
      const { timestamp, value } = writers.next(written);
      const record = { key: value.user_id, value: codecs.signal.encode(value), timestamp };
      records.push(record);
      if (!writers.repeats || written + 1 === upTo) continue;
      records.push(record);
      repeats += 1;
      written += 1;
    }
    await producer.send([{ topic, records }]);
    options.onProgress?.(written);
  }
  await producer.close();
  const { changes, devices, span_ms } = writers;
  return { records: written, users, devices: devices.length, repeats, changes, seconds: span_ms / 1_000 };
}
