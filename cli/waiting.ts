/** Waiting for parts that are not there yet: as long as it takes, said in the log and on the board that /readyz shows. */
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish, { once: true });
    function finish(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      done();
    }
  });

/** What each part of this process is waiting for; a part without an entry is well. */
export class Board {
  readonly #waiting = new Map<string, string>();

  set(part: string, problem: string): void {
    this.#waiting.set(part, problem);
  }

  clear(part: string): void {
    this.#waiting.delete(part);
  }

  problem(part: string): string | null {
    return this.#waiting.get(part) ?? null;
  }

  get all(): ReadonlyMap<string, string> {
    return this.#waiting;
  }
}

/** Thrown out of a wait when the process is asked to end. */
export class Interrupted extends Error {}

export interface Waiting {
  readonly board: Board;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2_000;
const SAY_EVERY_MS = 10_000;

/** Tries until it works. A fault that trying again cannot mend (a refused schema, a wrong setting) is thrown. */
export async function untilThere<T>(part: string, attempt: () => Promise<T>, { board, logger, signal }: Waiting): Promise<T> {
  board.set(part, 'being started');
  let saidAt = Number.NEGATIVE_INFINITY;
  for (let wait_ms = PAUSE_MS_MIN; ; wait_ms = Math.min(wait_ms * 2, PAUSE_MS_MAX)) {
    if (signal.aborted) throw new Interrupted();
    try {
      const there = await attempt();
      if (board.problem(part) !== 'being started') logger.info({ part }, 'The part is there now.');
      board.clear(part);
      return there;
    } catch (error) {
      if (!(error instanceof PresenceError && error.retriable)) throw error;
      board.set(part, error.message);
      if (performance.now() - saidAt > SAY_EVERY_MS) {
        saidAt = performance.now();
        logger.warn({ part, reason: error.message }, 'Waiting for a part that cannot be reached.');
      }
      await pause(wait_ms, signal);
    }
  }
}
