/**
 * Virtual time.
 *
 * **Model.** A queue of events, each of one host, ordered by time. One runs, then everything that its promises lead to,
 * then the next one; time leaps from one to the next. Whoever sets a timer meanwhile is the host whose event it is: so
 * hosts share one `clock` (base/clock.ts) and yet can stand still and die alone. What crosses from one host to another
 * goes by `send`, never by a promise: a promise goes on in the host that settles it.
 *
 * **Microtasks.** Node runs what `process.nextTick` queued only when no microtask is left. So each event runs in a
 * tick, which asks, in a microtask, for the next tick: between two events every promise has come to rest, however
 * long the chain, at the cost of one tick.
 *
 * **Determinism.** Order is by (time, kind, age); chance is the hosts' own; so the same world gives the same events, and
 * `hash` (over each event's time and host) the same number.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { ARRIVAL, type Event, type EventKind, EventQueue, IMMEDIATE, TIMER } from './event-queue.ts';
import { Host } from './host.ts';

/** Virtual time 0, ms since 1970. */
export const BEGAN_MS = Date.UTC(2026, 0, 1);
/** Node's own least delay of a timer. */
const TIMER_MS_MIN = 1;
/** A microtask by it costs a third less than queueMicrotask. */
const settled = Promise.resolve();
/** Events after which the real loop gets its turn (signals, progress). */
const TURN_EVERY = 20_000;

class VirtualTimer implements Timer {
  event: Event | null = null;
  unref(): void {}
}

export class Scheduler {
  readonly clock: Clock;
  readonly #queue = new EventQueue();
  readonly #seed: number;
  #time = 0;
  #seq = 0;
  #hosts = 0;
  #current: Host;
  #hash = 0;
  #events = 0;
  #stopped = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#current = this.host('world');
    this.clock = this.#makeClock();
  }

  /** Virtual ms since the world began. */
  get now(): number {
    return this.#time;
  }
  get events(): number {
    return this.#events;
  }
  get hash(): number {
    return this.#hash >>> 0;
  }

  host(name: string): Host {
    return new Host(name, this.#hosts++, this.#seed);
  }

  /** Runs on that host, `ms` from now: as something that the network brings. */
  send(host: Host, ms: number, run: (given: number) => void, given = 0): Event {
    return this.#at(host, this.#time + ms, ARRIVAL, run, given);
  }

  /** A timer of that host. */
  after(host: Host, ms: number, run: () => void): Event {
    return this.#at(host, this.#time + ms, TIMER, run);
  }

  cancel(event: Event): void {
    event.run = null;
  }

  /** No event runs any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs events up to `end` (virtual ms). Rejects with what an event throws. */
  run(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = (): void => process.nextTick(step);
      const step = (): void => {
        try {
          if (!this.#runOne(end)) resolve();
          else if (this.#events % TURN_EVERY === 0) setImmediate(step);
          else void settled.then(next);
        } catch (error) {
          reject(error);
        }
      };
      next();
    });
  }

  #runOne(end: number): boolean {
    for (;;) {
      const event = this.#queue.peek();
      if (this.#stopped || event === undefined || event.at > end) {
        if (!this.#stopped) this.#time = end;
        return false;
      }
      this.#queue.pop();
      const { host, run } = event;
      if (run === null || !host.alive) continue;
      if (host.stalledUntil > event.at) {
        event.at = host.stalledUntil;
        this.#queue.push(event);
        continue;
      }
      this.#time = event.at;
      this.#current = host;
      this.#hash = (Math.imul(this.#hash, 31) + Math.imul(host.id, 7_919) + Math.floor(event.at * 1_000)) | 0;
      this.#events += 1;
      event.run = null;
      run(event.given);
      return true;
    }
  }

  #at(host: Host, at: number, kind: EventKind, run: (given: number) => void, given = 0): Event {
    const event: Event = { at, kind, seq: this.#seq++, host, run, given };
    this.#queue.push(event);
    return event;
  }

  #makeClock(): Clock {
    const setTimeout = (run: () => void, ms: number): Timer => {
      const timer = new VirtualTimer();
      timer.event = this.after(this.#current, Math.max(TIMER_MS_MIN, ms || 0), run);
      return timer;
    };
    const clear = (timer: Timer | undefined): void => {
      const event = (timer as VirtualTimer | undefined)?.event;
      if (event) this.cancel(event);
    };
    const setInterval = (run: () => void, ms: number): Timer => {
      const timer = new VirtualTimer();
      const host = this.#current;
      const each = (): void => {
        timer.event = this.after(host, Math.max(TIMER_MS_MIN, ms), each);
        run();
      };
      timer.event = this.after(host, Math.max(TIMER_MS_MIN, ms), each);
      return timer;
    };
    return {
      now: () => Math.floor(BEGAN_MS + this.#time),
      monotonic: () => this.#time,
      setTimeout,
      clearTimeout: clear,
      setInterval,
      clearInterval: clear,
      setImmediate: (run) => void this.#at(this.#current, this.#time, IMMEDIATE, run),
      random: () => this.#current.random.next(),
      randomHex: (bytes) => this.#current.random.hex(bytes),
      randomUUID: () => this.#current.random.hex(16),
    };
  }
}
