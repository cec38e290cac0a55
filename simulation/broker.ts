/**
 * The broker: the embedded log, on a host of its own, with a clock of its own and the faults of a real one.
 *
 * It stands still by its host (`host.stalledUntil`): what is asked of it waits. `refusing` until a time: sends and commits
 * are refused, nothing is written. `losing`: a share of the answers is lost, though the work was done. `leap` sets its
 * clock. Its stamps are the virtual time and what the clock was set by, as a machine's clock would give them.
 */
import type { Log } from '../ports/log.ts';
import { brokerClock } from '../runtime/embedded/clock.ts';
import { createEmbeddedLog } from '../runtime/log-embedded.ts';
import { presence } from '../topology/presence.ts';
import type { Host } from './host.ts';
import { BEGAN_MS, type Scheduler } from './scheduler.ts';

/** A longer step of stamps is a hole, and counts for nothing (topology/presence.ts). */
const HOLE_MS = presence.spec.source.clock?.hole_ms ?? 0;
/** More than a world writes: a replay needs all of it. */
const KEPT_BYTES = 4 * 2 ** 30;

export class Broker {
  readonly host: Host;
  readonly log: Log;
  readonly #scheduler: Scheduler;
  refusingUntil = 0;
  losing = { until: 0, share: 0 };
  /** Of transactions: aborted by the broker, or their answer lost (committed or left open). */
  troubling = { until: 0, share: 0 };
  readonly #steps: { readonly at: number; readonly by_ms: number }[] = [];
  #offset: { ms: number };

  private constructor(scheduler: Scheduler, host: Host, log: Log, offset: { ms: number }) {
    this.#scheduler = scheduler;
    this.host = host;
    this.log = log;
    this.#offset = offset;
  }

  static async create(scheduler: Scheduler): Promise<Broker> {
    const host = scheduler.host('broker');
    const offset = { ms: 0 };
    const made: { broker?: Broker } = {};
    const log = await createEmbeddedLog({
      now: brokerClock(() => Math.floor(BEGAN_MS + scheduler.now + offset.ms)),
      partitionBytesMax: KEPT_BYTES,
      faults: { commit: () => made.broker?.commitFault() },
    });
    made.broker = new Broker(scheduler, host, log, offset);
    return made.broker;
  }

  /** Sets the clock forwards or back. */
  leap(by_ms: number): void {
    this.#offset.ms += by_ms;
    if (by_ms > 0 && by_ms <= HOLE_MS) this.#steps.push({ at: this.#scheduler.now, by_ms });
  }

  /**
   * How far its clock was set forwards since then, without leaving a hole in time: a ttl, which counts in the broker's stamps
   * (contract.md), ends so much earlier, and nobody can tell.
   */
  hurried(since: number): number {
    return this.#steps.filter(({ at }) => at >= since).reduce((sum, { by_ms }) => sum + by_ms, 0);
  }

  /** How far its clock is ahead of virtual time. */
  get offset_ms(): number {
    return this.#offset.ms;
  }

  get refusing(): boolean {
    return this.#scheduler.now < this.refusingUntil;
  }

  /** Whether this answer is lost. */
  loses(): boolean {
    return this.#scheduler.now < this.losing.until && this.host.random.chance(this.losing.share);
  }

  private commitFault(): 'aborted' | 'committed' | 'open' | undefined {
    if (this.#scheduler.now >= this.troubling.until || !this.host.random.chance(this.troubling.share)) return undefined;
    return this.host.random.pick(['aborted', 'committed', 'open'] as const);
  }
}
