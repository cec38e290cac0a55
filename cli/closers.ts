/** What has been started, to be ended in the reverse order. One that fails to end is said and does not keep the others. */
import type { Logger } from '../base/logger.ts';

export class Closers {
  readonly #closers: (readonly [name: string, close: () => Promise<void>])[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(name: string, close: () => Promise<void>): void {
    this.#closers.push([name, close]);
  }

  async closeAll(): Promise<void> {
    for (let next = this.#closers.pop(); next !== undefined; next = this.#closers.pop()) {
      const [name, close] = next;
      try {
        await close();
      } catch (error) {
        this.#logger.warn({ part: name, err: error }, 'A part did not end cleanly.');
      }
    }
  }
}
