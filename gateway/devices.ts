/**
 * Devices: which connection holds which device, what counts as a beat, and when silence is said.
 *
 * **Model.** Heartbeats end here. A signal is written only when something changes: a hello, a state or source other
 * than last said on this connection, a goodbye, a silence; and when an ack is asked. Between those a beat is
 * one assignment. A connection speaks for one device at a time (devices-speaker.ts has its modes):
 * - hello binds it. Another connection here that held the same device in the same session is refused with
 *   `session_replaced`, without a signal: the new hello takes the hold. In another session it waits (takeovers.ts). A hello
 *   for another device on the same connection is a goodbye of the first. A hello whose socket closed before its first
 *   attempt is dropped with all that follows it; whom it displaced has the device again, or until it is silent.
 * - goodbye, or `offline` said, unbinds it. A heartbeat then binds it anew (hello, then heartbeat); pings and pongs do not.
 * - 3 s (loop time, stall.ts) without a beat is silence. The socket may still be open: a beat brings it back by a
 *   `restated` hello, which takes the device from nobody who came meanwhile.
 * - A socket that closes with 1000, 1001 or 1005 is a goodbye. One that breaks stays on the wheel, and is silent 3 s after
 *   its last beat, unless the device comes back here before that.
 * - `lost` from the topology: somebody else speaks for the device. The connection is refused, and a silence
 *   written, which ends the hold in the marker's bookkeeping and, should the topology hold it again, there.
 * - `restate`: a restated hello for every device bound in that partition.
 *
 * **Limits.** One entry a connection that said hello. When the outbox is full, what would have to be written is
 * refused with OUTBOX_FULL and changes nothing; ends of holds are always taken.
 */
import { clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Follower, Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { followControls } from './controls.ts';
import { beatsOnly, devicesBound, lostDevices, restates, silences } from './devices-metrics.ts';
import {
  badInput,
  checkSaid,
  deviceKey,
  endDraft,
  type Hold,
  heartbeatDraft,
  helloDraft,
  optional,
  Speaker,
} from './devices-speaker.ts';
import { type GatewayOutbox, outboxFull } from './outbox.ts';
import type { Connection, Devices, SaidState } from './parts.ts';
import { LoopClock } from './stall.ts';
import { Takeovers, WORD_MS } from './takeovers.ts';
import { Wheel } from './wheel.ts';
import { TTL_MS } from './ws/protocol.ts';

const JUDGE_EVERY_MS = 50;
const CLEAN_CODES: ReadonlySet<number> = new Set([1000, 1001, 1005]);

export interface DevicesOptions {
  readonly outbox: GatewayOutbox;
  /** Where control records come from. */
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** Without a beat for this long a device is silent. Default 3,000. */
  readonly ttl_ms?: number;
  /** For tests: a clock that is moved by hand; then nothing is judged but by `judge`. */
  readonly clock?: LoopClock;
}

export interface GatewayDevices extends Devices {
  /** Says silence of whoever is due now. Called by the loop; by hand in tests. */
  judge(): void;
  /** Devices bound now. */
  readonly bound: number;
}

/** Rejects with LOG_UNAVAILABLE (retriable) when the log cannot be reached at start. */
export async function createDevices(options: DevicesOptions): Promise<GatewayDevices> {
  const devices = new HeldDevices(options);
  const { log, codecs, logger, outbox } = options;
  const handlers = { lost: devices.lost.bind(devices), restate: devices.restate.bind(devices) };
  devices.start(await followControls({ log, codecs, logger, gatewayId: outbox.gatewayId, handlers }));
  return devices;
}

type HelloOptions = SaidState & { readonly restated: boolean };

class HeldDevices implements GatewayDevices {
  readonly #outbox: GatewayOutbox;
  readonly #clock: LoopClock;
  readonly #driven: boolean;
  /** Open connections that said hello, by connection id. */
  readonly #speakers = new Map<string, Speaker>();
  /** By partition, by device key: who holds it (bound) or would come back to it (silent). */
  readonly #devices: readonly Map<string, Speaker>[];
  readonly #takeovers = new Takeovers();
  readonly #restating: boolean[];
  readonly #wheel: Wheel<Speaker>;
  #bound = 0;
  #timer: Timer | null = null;
  #controls: Follower | null = null;

  constructor(options: DevicesOptions) {
    this.#outbox = options.outbox;
    this.#driven = options.clock !== undefined;
    this.#clock = options.clock ?? new LoopClock({ logger: options.logger });
    this.#devices = Array.from({ length: options.outbox.partitions }, () => new Map<string, Speaker>());
    this.#restating = new Array<boolean>(options.outbox.partitions).fill(false);
    const ttl_ms = options.ttl_ms ?? TTL_MS;
    const deadline = (speaker: Speaker): number | null => {
      if (speaker.hold === 'bound') return speaker.beatLoop + ttl_ms;
      if (speaker.hold === 'waiting') return speaker.waitsLoop + WORD_MS;
      speaker.onWheel = false;
      return null;
    };
    this.#wheel = new Wheel(this.#clock.loop, { span_ms: ttl_ms, deadline });
  }

  start(controls: Follower): void {
    this.#controls = controls;
    if (this.#driven) return;
    this.#clock.start();
    // Judged after the sockets had their turn: timers come first after a pause, then sockets, then immediates.
    this.#timer = clock.setInterval(() => clock.setImmediate(() => this.judge()), JUDGE_EVERY_MS);
  }

  get bound(): number {
    return this.#bound;
  }

  async hello(
    connection: Connection,
    hello: SaidState & { readonly device_id: string; readonly session_id: string },
  ): Promise<void> {
    checkSaid(hello);
    if (!connection.open) return;
    if (this.#outbox.full) throw outboxFull();
    const before = this.#speakers.get(connection.id);
    let speaker = before;
    if (before === undefined || before.device_id !== hello.device_id || before.session_id !== hello.session_id) {
      if (before !== undefined && before.device_id !== hello.device_id)
        void this.#end(before, 'goodbye', hello.traceparent).catch(() => {});
      if (before?.hold === 'waiting') this.#release(before, 'none');
      speaker = new Speaker(connection, hello.device_id, hello.session_id, this.#outbox.partitionOf(connection.userKey));
      this.#speakers.set(connection.id, speaker);
    }
    if (hello.state === 'offline') await this.#leave(speaker as Speaker, hello.traceparent);
    else await this.#bind(speaker as Speaker, { ...hello, restated: false });
  }

  async heartbeat(connection: Connection, beat: SaidState & { readonly seq: number; readonly ack: boolean }): Promise<void> {
    if (!connection.open) return;
    const speaker = this.#speakers.get(connection.id);
    if (speaker === undefined) throw badInput('a heartbeat before hello: say which device speaks first');
    checkSaid(beat);
    this.#touch(speaker);
    if (beat.seq <= speaker.seq) return beat.ack ? this.#ackRepeated(speaker, beat.seq, beat.traceparent) : undefined;
    if (beat.state === 'offline') {
      speaker.seq = beat.seq;
      speaker.written = { seq: beat.seq, done: this.#leave(speaker, beat.traceparent) };
      return speaker.written.done;
    }
    if (speaker.speaks && !beat.ack && !speaker.changes(beat)) {
      speaker.seq = beat.seq;
      beatsOnly.inc();
      return;
    }
    if (this.#outbox.full) throw outboxFull();
    if (!speaker.speaks)
      void this.#bind(speaker, { ...optional('traceparent', beat.traceparent), restated: false }).catch(() => {});
    speaker.seq = beat.seq;
    speaker.says(beat);
    return this.#writeHeartbeat(speaker, beat.seq, beat);
  }

  async goodbye(connection: Connection, options: { readonly traceparent?: string }): Promise<void> {
    const speaker = this.#speakers.get(connection.id);
    if (speaker !== undefined) await this.#end(speaker, 'goodbye', options.traceparent);
  }

  beat(connection: Connection): void {
    const speaker = this.#speakers.get(connection.id);
    if (speaker === undefined) return;
    if (speaker.speaks) this.#touch(speaker);
    else if (speaker.hold === 'silent' && !this.#outbox.full) void this.#bind(speaker, { restated: true }).catch(() => {});
  }

  closed(connection: Connection, code: number): void {
    const speaker = this.#speakers.get(connection.id);
    if (speaker === undefined) return;
    this.#speakers.delete(connection.id);
    if (speaker.speaks && !CLEAN_CODES.has(code)) speaker.gone = true;
    else void this.#end(speaker, 'goodbye').catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clock.clearInterval(this.#timer);
    if (!this.#driven) this.#clock.stop();
    await this.#controls?.close();
  }

  judge(): void {
    this.#wheel.advance(this.#clock.loop, (speaker) => {
      speaker.onWheel = false;
      if (speaker.hold === 'waiting') return this.#refuse(speaker); // No word from the topology.
      silences.inc({ socket: speaker.gone ? 'closed' : 'open' });
      this.#silence(speaker, speaker.gone ? 'none' : 'silent');
    });
    devicesBound.set(this.#bound);
  }

  lost({ user_id, device_id, connection_id }: Readonly<Record<'user_id' | 'device_id' | 'connection_id', string>>): void {
    const [partition, key] = [this.#outbox.partitionOf(user_id), deviceKey(user_id, device_id)];
    const holder = this.#devices[partition]?.get(key);
    const speaker = holder?.connection.id === connection_id ? holder : this.#takeovers.of(key, connection_id);
    if (speaker !== undefined) {
      lostDevices.inc();
      if (speaker.hold === 'bound') this.#silence(speaker, 'none');
      this.#refuse(speaker);
    }
    this.#restore(partition, key);
  }

  restate(partition: number): void {
    const devices = this.#devices[partition];
    // Until the last restatement is in the log, another would say the same.
    if (devices === undefined || this.#restating[partition]) return;
    restates.inc();
    const hellos = [];
    for (const speaker of devices.values()) {
      const { binding } = speaker;
      if (speaker.hold !== 'bound') continue;
      hellos.push({
        draft: helloDraft(speaker, speaker.state, speaker.source, true),
        options: { cancelled: () => binding.cancelled },
      });
    }
    this.#restating[partition] = true;
    void this.#outbox.restate(partition, hellos).finally(() => {
      this.#restating[partition] = false;
    });
  }

  /** Takes the device for this connection and says hello of it. */
  async #bind(speaker: Speaker, hello: HelloOptions): Promise<void> {
    const devices = this.#devices[speaker.partition] as Map<string, Speaker>;
    const holder = devices.get(speaker.key);
    const again = speaker.hold === 'bound';
    const displaced = holder !== undefined && holder !== speaker && holder.hold === 'bound' ? holder : null;
    if (holder !== undefined && holder !== speaker) this.#displace(holder, speaker);
    if (!again) speaker.binding = { cancelled: false };
    speaker.says(hello);
    this.#touch(speaker);
    this.#hold(speaker);
    const { binding } = speaker;
    const cancelled = (): boolean => {
      if (binding.cancelled) return true;
      if (speaker.connection.open) return false;
      // A hello said again while it held: the hold is in the log already, and ends as it would have.
      if (!again) this.#cancel(speaker, binding, displaced);
      return true;
    };
    const draft = helloDraft(speaker, hello.state ?? null, hello.source ?? null, hello.restated);
    try {
      await this.#outbox.send(draft, { cancelled, ...optional('traceparent', hello.traceparent) });
    } catch (error) {
      if (!again && speaker.binding === binding) this.#cancel(speaker, binding, displaced);
      speaker.forgetSaid();
      throw error;
    }
  }

  /** The hello never reached the log, so this connection never held the device; whom it displaced did until now. */
  #cancel(speaker: Speaker, binding: Speaker['binding'], displaced: Speaker | null): void {
    binding.cancelled = true;
    if (speaker.binding === binding) this.#release(speaker, 'none');
    if (displaced?.hold === 'waiting') this.#restore(displaced.partition, displaced.key);
    else if (displaced !== null) this.#outlive(displaced);
  }

  /** Its socket is closed, and nobody has taken its device after all: it holds it until its silence is due. */
  #outlive(speaker: Speaker): void {
    const devices = this.#devices[speaker.partition] as Map<string, Speaker>;
    if (speaker.binding.cancelled) return;
    this.#release(speaker, 'none');
    if (devices.has(speaker.key)) return void this.#sayEnd(speaker, 'silence').catch(() => {});
    speaker.gone = true;
    this.#hold(speaker);
  }

  /**
   * Another connection here claims the holder's device. In the same session it has it. In another one the topology
   * decides, which alone knows whether that session was itself replaced: until then the holder waits.
   */
  #displace(holder: Speaker, by: Speaker): void {
    const other = holder.connection.id !== by.connection.id;
    if (other && holder.hold === 'bound' && holder.session_id !== by.session_id) {
      this.#release(holder, 'waiting');
      this.#takeovers.wait(holder, this.#clock.loop);
    } else if (other) this.#refuse(holder);
    else this.#release(holder, 'none');
  }

  /** Nobody here holds the device now: whoever waits for it does again. */
  #restore(partition: number, key: string): void {
    const speaker = this.#devices[partition]?.has(key) ? undefined : this.#takeovers.last(key);
    if (speaker?.connection.open) void this.#bind(speaker, { restated: true }).catch(() => {});
    else if (speaker !== undefined) this.#outlive(speaker);
  }

  /** `offline` said: a goodbye of whoever holds the device here, or, where nobody does, a hello that says so. */
  #leave(speaker: Speaker, traceparent: string | undefined): Promise<void> {
    if (speaker.speaks) return this.#end(speaker, 'goodbye', traceparent);
    const devices = this.#devices[speaker.partition] as Map<string, Speaker>;
    const holder = devices.get(speaker.key);
    if (holder !== undefined && holder !== speaker) {
      const bound = holder.hold === 'bound';
      this.#displace(holder, speaker);
      if (bound && holder.hold === 'none') void this.#sayEnd(holder, 'goodbye', traceparent).catch(() => {});
    }
    this.#release(speaker, 'none');
    const draft = helloDraft(speaker, 'offline', null, false);
    return this.#outbox.sendAlways(draft, optional('traceparent', traceparent)).then(() => {});
  }

  /** Ends the hold by a goodbye, if there is one. */
  async #end(speaker: Speaker, kind: 'goodbye', traceparent?: string): Promise<void> {
    const said = speaker.speaks ? this.#sayEnd(speaker, kind, traceparent) : Promise.resolve();
    this.#release(speaker, 'none');
    await said;
  }

  #silence(speaker: Speaker, hold: 'silent' | 'none'): void {
    void this.#sayEnd(speaker, 'silence').catch(() => {});
    this.#release(speaker, hold);
  }

  #sayEnd(speaker: Speaker, kind: 'goodbye' | 'silence', traceparent?: string): Promise<void> {
    const { binding } = speaker;
    const silent_ms = kind === 'silence' ? Math.max(0, Math.round(this.#clock.real - speaker.beatReal)) : null;
    const draft = endDraft(speaker, kind, silent_ms);
    return this.#outbox
      .sendAlways(draft, { cancelled: () => binding.cancelled, ...optional('traceparent', traceparent) })
      .then(() => {});
  }

  /** Changes the hold without a signal. */
  #release(speaker: Speaker, hold: Exclude<Hold, 'bound'>): void {
    if (speaker.hold === 'bound') this.#bound -= 1;
    else if (speaker.hold === 'waiting') this.#takeovers.end(speaker);
    speaker.hold = hold;
    if (hold === 'silent') return;
    const devices = this.#devices[speaker.partition] as Map<string, Speaker>;
    if (devices.get(speaker.key) === speaker) devices.delete(speaker.key);
  }

  /** Ends the hold without a signal, and the connection. */
  #refuse(speaker: Speaker): void {
    this.#release(speaker, 'none');
    if (this.#speakers.get(speaker.connection.id) === speaker) this.#speakers.delete(speaker.connection.id);
    if (speaker.connection.open)
      speaker.connection.refuse('session_replaced', 'Another connection speaks for this device now.', 4409);
  }

  #hold(speaker: Speaker): void {
    this.#devices[speaker.partition]?.set(speaker.key, speaker);
    if (speaker.hold === 'waiting') this.#takeovers.end(speaker);
    if (speaker.hold !== 'bound') this.#bound += 1;
    speaker.hold = 'bound';
    if (speaker.onWheel) return;
    speaker.onWheel = true;
    this.#wheel.add(speaker);
  }

  #touch(speaker: Speaker): void {
    speaker.beatLoop = this.#clock.loop;
    speaker.beatReal = this.#clock.real;
  }

  /** A seq that came before: nothing in it counts, but Kafka must have it (or what came after it) before it is acknowledged. */
  #ackRepeated(speaker: Speaker, seq: number, traceparent: string | undefined): Promise<void> {
    const { written } = speaker;
    if (written !== null && seq <= written.seq) return written.done;
    if (speaker.hold !== 'bound') return Promise.resolve();
    if (this.#outbox.full) return Promise.reject(outboxFull());
    return this.#writeHeartbeat(speaker, seq, optional('traceparent', traceparent));
  }

  #writeHeartbeat(speaker: Speaker, seq: number, said: SaidState): Promise<void> {
    const { binding } = speaker;
    // A heartbeat of a hello that was dropped would take the device: it goes with it.
    const sending = this.#outbox.send(heartbeatDraft(speaker, seq, said), {
      cancelled: () => binding.cancelled,
      ...optional('traceparent', said.traceparent),
    });
    const done = sending.then(
      () => {},
      (error: unknown) => {
        speaker.forgetSaid();
        throw error;
      },
    );
    done.catch(() => {}); // kept for repeats: nobody may be waiting when it fails
    speaker.written = { seq, done };
    return done;
  }
}
