/**
 * One direction of a TCP connection.
 *
 * **Model.** A segment takes half a round trip and some jitter. One that is lost is sent again after the
 * retransmission timeout, which doubles each time (RFC 6298: at least `rto_ms`, no selective acknowledgement, so the worst of
 * stacks); what was sent after it waits behind it. So loss is never seen but as delay; and, once a segment has been
 * sent `TRIES_MAX` times in vain, as a broken connection. A path that is blocked (a tunnel, a NAT that forgot, a sleeping
 * radio, a machine without power) loses everything, in both directions, and tells nobody.
 */
import type { Host } from './host.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** What a path is like; the two directions of a connection share it. */
export interface Path {
  /** Half a round trip, ms. */
  readonly latency_ms: number;
  /** Up to so much more, ms. */
  readonly jitter_ms: number;
  /** Of the segments, each way. */
  readonly loss: number;
  /** The least retransmission timeout, ms. */
  readonly rto_ms: number;
}

/** Linux gives up after 15 doublings, about 15 minutes. */
const TRIES_MAX = 15;
const RTO_MS_MAX = 120_000;

/** Runs on the receiver's host, with what was given to `send`. */
type Deliver = (given: number) => void;

interface Segment {
  readonly deliver: Deliver;
  readonly given: number;
  /** Whether its first attempt was lost. */
  readonly lost: boolean;
}

export interface WireOptions {
  readonly scheduler: Scheduler;
  /** Whom it brings to. */
  readonly to: Host;
  /** Who sends it again: a kernel, which goes on while its process stands still. */
  readonly kernel: Host;
  readonly path: Path;
  readonly random: Random;
  /** Whether the path loses everything now. */
  readonly blocked: () => boolean;
  /** The sender's side has given up. */
  readonly broken: () => void;
}

export class Wire {
  readonly #options: WireOptions;
  readonly #blocked: () => boolean;
  readonly #random: Random;
  readonly #loss: number;
  /** Behind a lost segment, itself first. */
  #waiting: Segment[] = [];
  #tries = 0;
  #arrives = 0;
  #closed = false;

  constructor(options: WireOptions) {
    this.#options = options;
    this.#blocked = options.blocked;
    this.#random = options.random;
    this.#loss = options.path.loss;
  }

  send(deliver: Deliver, given = 0): void {
    if (this.#closed) return;
    const lost = this.#loses();
    if (this.#waiting.length > 0) this.#waiting.push({ deliver, given, lost });
    else if (lost) this.#retry([{ deliver, given, lost }]);
    else this.#bring(deliver, given);
  }

  /** Nothing more is sent. What is under way arrives. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #loses(): boolean {
    return this.#blocked() || this.#random.chance(this.#loss);
  }

  #bring(deliver: Deliver, given: number): void {
    const { scheduler, to, path } = this.#options;
    const at = scheduler.now + path.latency_ms + path.jitter_ms * this.#random.next();
    this.#arrives = Math.max(this.#arrives, at);
    scheduler.send(to, this.#arrives - scheduler.now, deliver, given);
  }

  /** The first of these was lost: it is sent again in a while. */
  #retry(segments: Segment[]): void {
    const { scheduler, kernel, path, broken } = this.#options;
    this.#waiting = segments;
    if (this.#tries >= TRIES_MAX) {
      this.close();
      broken();
      return;
    }
    const rto = Math.max(path.rto_ms, 2 * path.latency_ms + 4 * path.jitter_ms);
    const wait = Math.min(RTO_MS_MAX, rto * 2 ** this.#tries);
    this.#tries += 1;
    scheduler.after(kernel, wait, () => this.#again());
  }

  #again(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    if (this.#loses()) {
      this.#retry(this.#waiting);
      return;
    }
    this.#tries = 0;
    const segments = this.#waiting;
    this.#waiting = [];
    for (let index = 0; index < segments.length; index++) {
      const { deliver, given, lost } = segments[index] as Segment;
      if (index > 0 && lost) {
        this.#retry(segments.slice(index));
        return;
      }
      this.#bring(deliver, given);
    }
  }
}
