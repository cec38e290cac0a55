/** The naive model of the rules (processors/reference.ts) as an oracle of who lives: what a user who returns must say again. */
import { Reference } from '../../processors/reference.ts';
import type { RefDevice, RefGhost } from '../../processors/reference-time.ts';
import type { Source, State } from '../../schemas/generated.ts';

export class Oracle extends Reference {
  devices(user: string): readonly RefDevice[] {
    return this.users.get(user)?.devices ?? [];
  }

  counts(device: RefDevice): boolean {
    return this.alive(device);
  }

  hidden(user: string): boolean {
    return this.users.get(user)?.override?.state === 'invisible';
  }

  /** Of the override that holds; null where none does, or it is open. */
  until(user: string): number | null {
    return this.users.get(user)?.override?.until ?? null;
  }

  /** Devices that others still see in the grace of the goodbye. */
  ghosts(user: string): readonly RefGhost[] {
    return this.users.get(user)?.ghosts ?? [];
  }

  /** Who speaks for a user of these devices; the state alone. */
  speaks(of: Iterable<{ readonly state: State; readonly source: Source }>): State {
    return this.best([...of])?.state ?? 'offline';
  }

  /** The best first. */
  ranked(user: string): readonly RefDevice[] {
    const left = this.devices(user).filter((device) => this.alive(device));
    const ranked: RefDevice[] = [];
    for (let best = this.best(left); best !== null; best = this.best(left)) {
      left.splice(left.indexOf(best), 1);
      ranked.push(best);
    }
    return ranked;
  }

  /** How long a ttl will run yet in `ahead` ms, on the lease clock. */
  left(device: RefDevice, ahead: number): number {
    return device.ttl === null ? 0 : device.ttl - this.lease - (ahead - Math.min(ahead, this.settle));
  }

  get time(): number {
    return this.stamp;
  }
}
