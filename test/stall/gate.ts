/** What stands still until it is let go: a call that passes a closed gate is not answered. */
import { registry } from '../../base/metrics.ts';

export class Gate {
  #opened: Promise<void> = Promise.resolve();
  #open: () => void = () => {};
  /** Calls that stand before it, and the most that ever did. */
  standing = 0;
  most = 0;

  close(): void {
    this.#opened = new Promise((open) => (this.#open = open));
  }
  open(): void {
    this.#open();
  }
  async pass<T>(call: () => Promise<T>): Promise<T> {
    this.standing += 1;
    this.most = Math.max(this.most, this.standing);
    try {
      await this.#opened;
      return await call();
    } finally {
      this.standing -= 1;
    }
  }
}

/** What a metric shows now, all its series together. */
export async function shown(name: string): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return values.reduce((sum, { value }) => sum + value, 0);
}

/** The most that a gauge shows while `work` goes on. */
export async function mostOf(name: string, work: () => Promise<void>): Promise<number> {
  let most = 0;
  let over = false;
  const looking = (async () => {
    while (!over) {
      most = Math.max(most, await shown(name));
      await new Promise((later) => setTimeout(later, 2));
    }
  })();
  await work();
  over = true;
  await looking;
  return most;
}
