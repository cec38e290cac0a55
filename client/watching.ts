/**
 * Whom the app wants to watch, and what of it this connection was told.
 *
 * **Model.** Each user is counted: two parts of an app may watch the same one, and the watch ends with the last. What is
 * wanted is level, not edge: `plan` compares it with what the connection was asked for, and says the difference, so a watch
 * that is taken and dropped in one turn costs no frame. A user is *pending* from being asked for until a snapshot tells of them;
 * a resume covers only whom a snapshot told of before, so after a break whoever is pending is asked for anew.
 *
 * **Limit.** WATCH_LIMIT users: beyond it `add` throws and changes nothing (the server would refuse the whole list).
 */
import { idPattern, WATCH_LIMIT } from './protocol.ts';

export interface Plan {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

export class Watching {
  readonly #counts = new Map<string, number>();
  /** Of this connection. */
  readonly #asked = new Set<string>();
  readonly #pending = new Set<string>();
  /** Where counts may differ from what was asked for. */
  readonly #changed = new Set<string>();
  /** To be asked for again, though asked for before. */
  readonly #again = new Set<string>();

  has(userId: string): boolean {
    return this.#counts.has(userId);
  }

  /** A snapshot of this user is on its way, or will be asked for. */
  isPending(userId: string): boolean {
    return this.#pending.has(userId);
  }

  get ids(): string[] {
    return [...this.#counts.keys()];
  }

  /** Throws TypeError for what is no id, RangeError beyond the limit. */
  add(userIds: readonly string[]): void {
    for (const id of userIds) if (!idPattern.test(id)) throw new TypeError(`${JSON.stringify(id)} is not a user id.`);
    const fresh = new Set(userIds.filter((id) => !this.has(id)));
    if (this.#counts.size + fresh.size > WATCH_LIMIT) throw new RangeError(`A client watches up to ${WATCH_LIMIT} users.`);
    for (const id of userIds) this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    for (const id of fresh) {
      this.#changed.add(id);
      this.#pending.add(id);
    }
  }

  /** Takes one count of each away; who is not watched any more. */
  remove(userIds: readonly string[]): string[] {
    return userIds.filter((id) => {
      const count = this.#counts.get(id) ?? 0;
      if (count > 1) this.#counts.set(id, count - 1);
      if (count !== 1) return false;
      this.#counts.delete(id);
      this.#pending.delete(id);
      this.#changed.add(id);
      return true;
    });
  }

  /** Something of this user was missed: false where they are being asked for already. */
  askAgain(userId: string): boolean {
    if (this.#again.has(userId) || this.#pending.has(userId)) return false;
    this.#again.add(userId);
    this.#pending.add(userId);
    return true;
  }

  /** A snapshot told of these. */
  told(userIds: readonly string[]): void {
    for (const id of userIds) this.#pending.delete(id);
  }

  /**
   * The frames that make the connection watch what is wanted, in order. Who is asked for again is dropped first, so that the
   * answer is a snapshot; whom only the kept list watches is dropped after it, so that nothing else is changed.
   */
  plan(): Plan[] {
    const again = [...this.#again];
    const left = [...this.#changed].filter((id) => !this.has(id) && this.#asked.delete(id));
    const news = [...this.#changed].filter((id) => this.has(id) && !this.#asked.has(id));
    for (const id of news) this.#asked.add(id);
    this.#changed.clear();
    this.#again.clear();
    const own = again.filter((id) => this.has(id));
    const kept = again.filter((id) => !this.has(id));
    return [
      { unsubscribe: [...left, ...own], subscribe: [...new Set([...news, ...own, ...kept])] },
      { unsubscribe: kept, subscribe: [] },
    ];
  }

  /** A fresh connection: whom a resume covers, and whom it does not. */
  begin(): { readonly resume: readonly string[]; readonly subscribe: readonly string[] } {
    const { ids } = this;
    for (const id of this.#pending) if (!this.has(id)) this.#pending.delete(id);
    this.#asked.clear();
    this.#changed.clear();
    this.#again.clear();
    for (const id of ids) this.#asked.add(id);
    return { resume: ids.filter((id) => !this.#pending.has(id)), subscribe: ids.filter((id) => this.#pending.has(id)) };
  }

  /** Nothing that was told holds any more: all are asked for. */
  beginAnew(): string[] {
    const { ids } = this;
    for (const id of ids) this.#pending.add(id);
    return ids;
  }

  /** Whoever is still pending, of those that this connection was asked for. */
  get waiting(): string[] {
    return [...this.#pending].filter((id) => this.#asked.has(id));
  }
}
