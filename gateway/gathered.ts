/**
 * Reads that are made together: what many ask for in one turn, or while reads are under way, is one round trip.
 *
 * **Model.** Whoever asks waits for the end of the turn at most (no timer), unless READS_UNDER_WAY_MAX are under way: then until
 * one has come back. A read begins after everyone whom it serves has asked, each user in it once, and all get the same answer,
 * which holds at least whom they asked for. One that fails as an outage does fails for all of them; where it fails otherwise
 * (one entry may be to blame) each is read for alone.
 *
 * **Limits.** USERS_A_READ_MAX users a round trip. Who waits is bounded by who asks: one ask a request, and as many as
 * snapshots may wait a connection.
 */
import { clock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import { histogram } from '../base/metrics.ts';

/** Users of one round trip. */
export const USERS_A_READ_MAX = 10_000;
/** Round trips at a time: one that hangs does not hold up the rest. */
export const READS_UNDER_WAY_MAX = 2;

const usersRead = histogram(
  'presence_gateway_read_users',
  'Users of one round trip, by what was read.',
  ['from'],
  [1, 3, 10, 30, 100, 300, 1_000, 3_000, USERS_A_READ_MAX],
);

interface Ask<R> {
  readonly keys: readonly string[];
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

export class Gathered<R> {
  readonly #from: 'cache' | 'database';
  readonly #read: (keys: readonly string[]) => Promise<R>;
  #asks: Ask<R>[] = [];
  #begins = false;
  #underWay = 0;

  constructor(from: 'cache' | 'database', read: (keys: readonly string[]) => Promise<R>) {
    this.#from = from;
    this.#read = read;
  }

  /** At most USERS_A_READ_MAX, each once. Rejects as the read does. */
  ask(keys: readonly string[]): Promise<R> {
    const answer = new Promise<R>((resolve, reject) => void this.#asks.push({ keys, resolve, reject }));
    if (!this.#begins && this.#underWay < READS_UNDER_WAY_MAX) {
      this.#begins = true;
      clock.setImmediate(() => {
        this.#begins = false;
        this.#begin();
      });
    }
    return answer;
  }

  #begin(): void {
    while (this.#asks.length > 0 && this.#underWay < READS_UNDER_WAY_MAX) {
      const { keys, asks } = this.#next();
      this.#underWay += 1;
      void this.#answer(keys, asks).finally(() => {
        this.#underWay -= 1;
        this.#begin();
      });
    }
  }

  /** As many asks, oldest first, as a round trip takes. */
  #next(): { readonly keys: readonly string[]; readonly asks: readonly Ask<R>[] } {
    const keys = new Set<string>();
    let taken = 0;
    for (const ask of this.#asks) {
      if (taken > 0 && keys.size + ask.keys.length > USERS_A_READ_MAX) break;
      for (const key of ask.keys) keys.add(key);
      taken += 1;
    }
    return { keys: [...keys], asks: this.#asks.splice(0, taken) };
  }

  async #answer(keys: readonly string[], asks: readonly Ask<R>[]): Promise<void> {
    usersRead.observe({ from: this.#from }, keys.length);
    try {
      const answer = await this.#read(keys);
      for (const { resolve } of asks) resolve(answer);
    } catch (error) {
      const [first] = asks;
      if (asks.length === 1 || hasCode(error, 'STORE_UNAVAILABLE')) for (const { reject } of asks) reject(error);
      else if (first !== undefined) for (const ask of asks) await this.#answer(ask.keys, [ask]);
    }
  }
}
