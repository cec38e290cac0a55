/**
 * A process on a machine of its own: a gateway, an instance of the topology, the broker, a client. What it waits for
 * (its timers, what the network brings it) are events of its own, so it can be made to stand still, and to die.
 */
import { Random } from './random.ts';

export class Host {
  readonly name: string;
  readonly random: Random;
  /** A dead one runs nothing more. */
  alive = true;
  /** It stands still until then (virtual ms): what is due meanwhile comes at its end, timers first. */
  stalledUntil = 0;
  /** Folded into the trace's hash. */
  readonly id: number;

  constructor(name: string, id: number, seed: number) {
    this.name = name;
    this.id = id;
    this.random = new Random(seed, name);
  }
}
