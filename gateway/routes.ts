/**
 * The routes of one partition of the watched users: what this gateway wants to be told of, and what it knows by it.
 *
 * **Model.** A user is *watched* while some connection watches them, *routed* once a record has said so, and *known* once that
 * record was answered: from then on everything newer comes by itself. Records are numbered; what each asks for is kept until
 * the topology says that it has answered it. If the topology no longer knows what it was told (`reroute`), or long ago was told
 * (`RESTATE_EVERY_MS`), all routes are said anew, with the position up to which all was told: only what changed since comes.
 */
import type { Route, RouteAdd, State } from '../schemas/generated.ts';
import type { Recent, View } from './recent-diffs.ts';

/** Users added or removed in one route record, at most. */
export const ROUTE_USERS_MAX = 2_000;
/** Half of what presence.routes keeps is 30 minutes. */
export const RESTATE_EVERY_MS = 1_200_000;
/** So long a restatement may be on its way: asked for another, it waits for the answer to that one. */
const RESTATING_MS = 3_000;

export interface RoutedUser {
  watched: boolean;
  routed: boolean;
  known: boolean;
  /** The views in which the newest is withheld from watchers. */
  readonly withheld: Set<View>;
  readonly newest: Partial<Record<View, Recent>>;
  /** Called once when known, or wanted no more. */
  waiters: (() => void)[];
}

/** In answer to one who asked what changed since: what is told, in which views; `from` null: nobody knows any more. */
export interface Answer {
  readonly recent: Recent;
  readonly from: State | null;
}

export interface Ask {
  readonly key: string;
  /** null: what is newest. */
  readonly since: number | null;
  readonly answered: (answers: readonly Answer[], epoch: number) => void;
}

interface Asked {
  readonly keys: readonly string[];
  readonly asks: readonly Ask[];
}

export class PartitionRoutes {
  readonly users = new Map<string, RoutedUser>();
  /** Every diff below it has been told. -1: not known. */
  position = -1;
  /** The position that the last restatement began from. */
  restatedSince = -1;
  readonly #gatewayId: string;
  readonly #dirty = new Set<string>();
  #asks: Ask[] = [];
  readonly #outstanding = new Map<number, Asked>();
  readonly #answers = new Map<string, Answer[]>();
  #number = 0;
  #routed = 0;
  #restate = false;
  #statedAt = 0;
  /** The number of the restatement's last record, while it has not been answered; 0: it has. */
  #stating = 0;
  /** When it last said something, or that it lives. */
  #spokeAt = Number.NEGATIVE_INFINITY;

  constructor(gatewayId: string) {
    this.#gatewayId = gatewayId;
  }

  get routed(): number {
    return this.#routed;
  }

  watched(key: string, watched: boolean): void {
    const user = this.users.get(key);
    if (user !== undefined) user.watched = watched;
    else if (watched) this.users.set(key, { watched, routed: false, known: false, withheld: new Set(), newest: {}, waiters: [] });
    this.#dirty.add(key);
  }

  ask(ask: Ask): void {
    this.#asks.push(ask);
  }

  /** The topology does not know these routes (any more). `now`: monotonic ms. */
  reroute(now: number): void {
    if (this.#stating === 0 || now - this.#statedAt >= RESTATING_MS) this.#restate = true;
  }

  /** What is to be written now, in order. */
  take(now: number): readonly Route[] {
    if (this.#routed > 0 && now - this.#statedAt > RESTATE_EVERY_MS) this.#restate = true;
    const records = this.#restate && this.#routed > 0 ? this.#restated(now) : this.#changes(now);
    this.#restate = false;
    if (records.length === 0 && this.#routed > 0 && now - this.#spokeAt >= 1_000) records.push(this.#record([], [], []));
    if (records.length > 0) this.#spokeAt = now;
    return records;
  }

  note(key: string, since: number, answer: Answer): void {
    const of = `${key} ${since}`;
    const answers = this.#answers.get(of);
    if (answers === undefined) this.#answers.set(of, [answer]);
    else answers.push(answer);
  }

  /** Records up to this number have been answered. */
  answered(upTo: number, epoch: number): void {
    if (upTo >= this.#stating) this.#stating = 0;
    for (const [number, { keys, asks }] of this.#outstanding) {
      if (number > upTo) break;
      this.#outstanding.delete(number);
      for (const key of keys) {
        const user = this.users.get(key);
        if (user !== undefined) settle(user);
      }
      for (const { key, since, answered } of asks) answered(this.#answers.get(`${key} ${since ?? -1}`) ?? [], epoch);
    }
    if (this.#outstanding.size === 0) this.#answers.clear();
  }

  #changes(now: number): Route[] {
    const remove: string[] = [];
    const add: string[] = [];
    for (const key of this.#dirty) {
      const user = this.users.get(key);
      if (user === undefined) continue;
      if (user.watched && !user.routed) add.push(key);
      if (user.watched) continue;
      if (user.routed) remove.push(key);
      this.#forget(key, user);
    }
    this.#dirty.clear();
    const anew = this.#routed - remove.length === 0;
    this.#routed += add.length - remove.length;
    for (const key of add) (this.users.get(key) as RoutedUser).routed = true;
    const adds = add.map((key) => ({ user_id: key, since: null }));
    return anew && add.length > 0 ? this.#stated(adds, now) : this.#records(adds, remove, false);
  }

  #restated(now: number): Route[] {
    this.#dirty.clear();
    for (const { asks } of this.#outstanding.values()) this.#asks.push(...asks);
    this.#outstanding.clear();
    this.#answers.clear();
    const adds: RouteAdd[] = [];
    for (const [user_id, user] of [...this.users]) {
      if (!user.watched) {
        this.#forget(user_id, user);
        continue;
      }
      user.routed = true;
      adds.push({ user_id, since: user.known && user.withheld.size === 0 && this.position >= 0 ? this.position : null });
    }
    this.restatedSince = this.position;
    this.#routed = adds.length;
    return this.#stated(adds, now);
  }

  #stated(adds: readonly RouteAdd[], now: number): Route[] {
    const records = this.#records(adds, [], true);
    this.#statedAt = now;
    this.#stating = records.at(-1)?.number ?? 0;
    return records;
  }

  /** In pieces. Of routes begun anew the last record is the first that is whole. */
  #records(adds: readonly RouteAdd[], remove: readonly string[], anew: boolean): Route[] {
    const asks = this.#asks;
    this.#asks = [];
    const said = [...adds.map((add) => ({ add, ask: null })), ...asks.map((ask) => ({ add: null, ask }))];
    const pieces = Math.max(Math.ceil(said.length / ROUTE_USERS_MAX), Math.ceil(remove.length / ROUTE_USERS_MAX));
    return Array.from({ length: pieces }, (_, piece) => {
      const [from, to] = [piece * ROUTE_USERS_MAX, (piece + 1) * ROUTE_USERS_MAX];
      const mine = said.slice(from, to);
      this.#number += 1;
      const added = mine.flatMap(({ add }) => (add === null ? [] : [add]));
      const asked = mine.flatMap(({ ask }) => (ask === null ? [] : [ask]));
      this.#outstanding.set(this.#number, { keys: added.map(({ user_id }) => user_id), asks: asked });
      return {
        ...this.#record(added, asked, remove.slice(from, to)),
        anew: anew && piece === 0,
        whole: !anew || piece === pieces - 1,
      };
    });
  }

  /** With nothing in it: a mark of life. */
  #record(adds: readonly RouteAdd[], asks: readonly Ask[], remove: readonly string[]): Route {
    const asked = new Map(asks.map(({ key, since }) => [`${key} ${since}`, { user_id: key, since }]));
    return {
      gateway_id: this.#gatewayId,
      number: this.#number,
      anew: false,
      whole: true,
      add: [...adds, ...asked.values()],
      remove: [...remove],
    };
  }

  #forget(key: string, user: RoutedUser): void {
    this.users.delete(key);
    settle(user);
  }
}

function settle(user: RoutedUser): void {
  user.known = true;
  const { waiters } = user;
  user.waiters = [];
  for (const waiter of waiters) waiter();
}
