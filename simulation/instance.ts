/**
 * An instance of the presence topology, run by the real runtime on a link to the broker. The group expels one that it has
 * not heard of for its session timeout: a dead one for good, one that stood still until it is back.
 */
import { silentLogger } from '../base/logger.ts';
import type { PresenceWiring } from '../replay/wiring.ts';
import { runTopology } from '../runtime/runner.ts';
import type { Broker } from './broker.ts';
import type { Host } from './host.ts';
import { Link, SESSION_MS } from './link.ts';
import type { Scheduler } from './scheduler.ts';

export { SESSION_MS };

const GROUP = 'presence.topology';

export interface InstanceOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly broker: Broker;
  readonly wiring: PresenceWiring;
}

export class SimulatedInstance {
  readonly name: string;
  readonly #options: InstanceOptions;
  #starts = 0;
  #running: { readonly host: Host; readonly link: Link } | null = null;

  constructor(options: InstanceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    if (this.#running !== null) return;
    const { scheduler, broker, wiring, name } = this.#options;
    this.#starts += 1;
    const host = scheduler.host(`${name}.${this.#starts}`);
    const link = new Link(scheduler, broker, host);
    this.#running = { host, link };
    const run = () => runTopology({ log: link, wiring, group: GROUP, instanceId: host.name, logger: silentLogger });
    scheduler.send(host, 0, () => void run());
  }

  kill(): void {
    const running = this.#running;
    if (running === null) return;
    this.#running = null;
    running.host.alive = false;
    running.link.end();
    this.#expelLater(running.link);
  }

  stall(for_ms: number): void {
    const running = this.#running;
    if (running === null) return;
    running.host.stalledUntil = this.#options.scheduler.now + for_ms;
    if (for_ms > SESSION_MS) this.#expelLater(running.link);
  }

  #expelLater(link: Link): void {
    const { scheduler, broker } = this.#options;
    scheduler.after(broker.host, SESSION_MS, () => link.expel());
  }
}
