/**
 * Whether anybody is still there at the other end.
 *
 * **Model.** A connection that broke without a word (a NAT that forgot it, a phone that changed networks) looks open for
 * minutes. The server's pings keep the device alive, but a page cannot see them. So after `quiet_ms` without a frame the
 * client asks for one (`probe`), and after `patience_ms` more without any, the connection is given up (`dead`).
 *
 * **A stall of our own is not the server's silence.** A hidden tab's timers come late, and a machine that slept wakes to a
 * timer long due, before its socket was read. So a patience that ends late is begun anew, with another probe. The next
 * probe is timed when an answer comes: browsers hold timers of hidden tabs back by a minute, but not those that are set
 * while a frame is handled.
 */
import { Alarm, type Clock } from './clock.ts';

export interface PulseOptions {
  readonly clock: Clock;
  readonly quiet_ms: number;
  readonly patience_ms: number;
  /** Asks the server for a frame. */
  readonly probe: () => void;
  /** No frame came. */
  readonly dead: () => void;
}

/** A timer later than this says that we stood still. */
const LATE_MS = 1_000;
/** Looks at a page that is shown again may come in bursts. */
const CHECK_MS_MIN = 1_000;
/** Where something tells that the network has changed, this is patience enough. */
const CHECK_PATIENCE_MS = 4_000;

export class Pulse {
  readonly #options: PulseOptions;
  readonly #alarm: Alarm;
  #heard = 0;
  #probed = 0;
  #probing = false;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock);
  }

  start(): void {
    this.#heard = this.#options.clock.now();
    this.#quiet();
  }

  stop(): void {
    this.#alarm.clear();
    this.#probing = false;
    this.#probed = 0;
  }

  /** A frame has come. */
  heard(): void {
    this.#heard = this.#options.clock.now();
    if (this.#probing) this.#quiet();
  }

  /** Asks at once: something tells that the connection may have broken. */
  check(): void {
    const { clock, patience_ms } = this.#options;
    if (clock.now() - this.#probed >= CHECK_MS_MIN) this.#probe(Math.min(patience_ms, CHECK_PATIENCE_MS));
  }

  #quiet(): void {
    const { clock, quiet_ms } = this.#options;
    this.#probing = false;
    this.#alarm.set(this.#heard + quiet_ms - clock.now(), () => {
      if (clock.now() - this.#heard < quiet_ms) this.#quiet();
      else this.#probe();
    });
  }

  #probe(patience_ms = this.#options.patience_ms): void {
    const { clock, probe, dead } = this.#options;
    this.#probing = true;
    this.#probed = clock.now();
    const due = this.#probed + patience_ms;
    // Set before the probe: what it does may stop us.
    this.#alarm.set(patience_ms, () => {
      if (clock.now() - due > LATE_MS) this.#probe();
      else dead();
    });
    probe();
  }
}
