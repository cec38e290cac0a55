/**
 * route: to each gateway what the users bring whom it wants.
 *
 * State: of each gateway its routes, and when it was last heard of, on the routes' lease clock; of each user, who wants them.
 *
 * - A gateway's records are numbered. One that is not the next, or of a gateway that is not known (any more), cannot be
 *   understood: the gateway is asked to say its routes anew (`reroute`), once in `again` at most. It does so with the position
 *   that it has, so that it is told what it missed, and no more. That is also what heals a record lost, a lease that lapsed
 *   while its gateway lived, and routes that the log no longer has.
 * - A gateway not heard of for `lease` is dropped with its routes.
 * - A position is told only to who has said all of their routes, behind all that lies below it.
 *
 * **Delivery and replay.** Pure. What is said to one gateway is in order: an answer comes before every later change of that
 * user, and the record that answers a route ends with its answers. What a batch brings a gateway is one record, or several
 * (`told` entries at most in each): how many depends on the cut, their content does not.
 */
import type { RoutedDelivery, Told } from '../../schemas/generated.ts';
import { aName, aNumber, aTime, faultsOf, type Settings } from '../settings.ts';
import type { Millis } from '../time.ts';
import type { BoundFlow, FlowStage, Spoken, Wish } from './flow.ts';

export interface RouteOptions {
  readonly lease: Millis;
  /** Between two askings of one gateway. */
  readonly again: Millis;
  /** Users told of in one record, at most. */
  readonly told: number;
  readonly store: string;
}

const settings: Settings<RouteOptions> = { lease: aTime, again: aTime, told: aNumber, store: aName };

/** A delivery before the partition says which it is. */
export type Said = Pick<RoutedDelivery, 'kind' | 'gateway_id' | 'answered'> & {
  readonly told: readonly Told[];
  /** Whether the gateway may be told the position as of now. */
  readonly placed: boolean;
};

export function route(name: string, options: RouteOptions): FlowStage<Spoken, Said> {
  const { lease, again, told, store } = options;
  return {
    spec: {
      kind: 'route',
      name,
      config: { lease_ms: lease, again_ms: again, told },
      stores: [{ name: store, part: 'routes' }],
      timers: [{ name: `${name}.lease`, after_ms: lease, clock: 'lease' }],
      ...faultsOf('route', options, settings),
    },
    bind: (_place, next) => new RouteStage(options, next),
  };
}

interface Gateway {
  readonly id: string;
  readonly routes: Set<string>;
  /** The last record's. */
  number: number;
  whole: boolean;
  heard: number;
  /** To be said at the end of the batch. */
  told: Told[];
  /** It was heard of in this batch. */
  spoke: boolean;
}

class RouteStage implements BoundFlow<Spoken> {
  readonly #options: RouteOptions;
  readonly #next: (said: Said) => void;
  readonly #gateways = new Map<string, Gateway>();
  readonly #wanting = new Map<string, Set<Gateway>>();
  /** When gateways were last asked to say their routes anew. */
  readonly #asked = new Map<string, number>();
  #routes = 0;

  constructor(options: RouteOptions, next: (said: Said) => void) {
    this.#options = options;
    this.#next = next;
  }

  readonly entries = (): number => this.#routes;

  readonly on = (event: Spoken): void => {
    if (event.kind === 'route') {
      this.#bury(event.lease);
      this.#hear(event.wish, event.lease, event.answers);
      return;
    }
    for (const gateway of this.#wanting.get(event.told.diff.user_id) ?? []) {
      gateway.told.push(event.told);
      if (gateway.told.length >= this.#options.told) this.#say(gateway, 0);
    }
  };

  readonly flush = (): void => {
    for (const gateway of this.#gateways.values()) if (gateway.told.length > 0 || gateway.spoke) this.#say(gateway, 0);
  };

  #hear(wish: Wish, lease: number, answers: readonly Told[]): void {
    const { gateway_id } = wish;
    const known = this.#gateways.get(gateway_id);
    if (wish.anew) this.#begin(wish, lease, answers);
    else if (known === undefined) this.#ask(gateway_id, lease);
    else this.#goOn(known, wish, lease, answers);
  }

  #goOn(known: Gateway, wish: Wish, lease: number, answers: readonly Told[]): void {
    const { number } = wish;
    known.heard = lease;
    const content = wish.add.length + wish.remove.length > 0 || wish.whole !== known.whole;
    // A repeat, or a mark of life.
    if (number <= known.number) {
      known.spoke = true;
      return;
    }
    if (!content || number > known.number + 1) {
      known.whole = false;
      if (known.told.length > 0) this.#say(known, 0);
      this.#ask(known.id, lease);
    } else this.#apply(known, wish, answers);
  }

  #begin(wish: Wish, lease: number, answers: readonly Told[]): void {
    const { gateway_id, number } = wish;
    const before = this.#gateways.get(gateway_id);
    // A repeat must not take away what was added since.
    if (before !== undefined && number <= before.number) return;
    if (before !== undefined) this.#drop(before);
    const gateway: Gateway = { id: gateway_id, routes: new Set(), number, whole: false, heard: lease, told: [], spoke: false };
    this.#gateways.set(gateway_id, gateway);
    this.#apply(gateway, wish, answers);
  }

  #apply(gateway: Gateway, wish: Wish, answers: readonly Told[]): void {
    gateway.number = wish.number;
    for (const user of wish.remove) this.#remove(gateway, user);
    for (const { user_id } of wish.add) this.#add(gateway, user_id);
    for (const told of answers) {
      gateway.told.push(told);
      if (gateway.told.length >= this.#options.told) this.#say(gateway, 0);
    }
    gateway.whole = wish.whole;
    this.#say(gateway, wish.number);
  }

  #ask(gateway_id: string, lease: number): void {
    const before = this.#asked.get(gateway_id);
    if (before !== undefined && lease < before + this.#options.again) return;
    this.#asked.set(gateway_id, lease);
    this.#next({ kind: 'reroute', gateway_id, answered: 0, told: [], placed: false });
  }

  #bury(lease: number): void {
    for (const gateway of this.#gateways.values()) if (lease >= gateway.heard + this.#options.lease) this.#drop(gateway);
    for (const [id, at] of this.#asked) if (lease >= at + this.#options.again) this.#asked.delete(id);
  }

  #say(gateway: Gateway, answered: number): void {
    const { told } = gateway;
    gateway.told = [];
    gateway.spoke = false;
    this.#next({ kind: 'told', gateway_id: gateway.id, answered, told, placed: gateway.whole });
  }

  #add(gateway: Gateway, user: string): void {
    if (gateway.routes.has(user)) return;
    gateway.routes.add(user);
    this.#routes += 1;
    const wanting = this.#wanting.get(user);
    if (wanting === undefined) this.#wanting.set(user, new Set([gateway]));
    else wanting.add(gateway);
  }

  #remove(gateway: Gateway, user: string): void {
    if (!gateway.routes.delete(user)) return;
    this.#routes -= 1;
    const wanting = this.#wanting.get(user);
    wanting?.delete(gateway);
    if (wanting?.size === 0) this.#wanting.delete(user);
  }

  #drop(gateway: Gateway): void {
    if (gateway.told.length > 0) this.#say(gateway, 0);
    for (const user of [...gateway.routes]) this.#remove(gateway, user);
    this.#gateways.delete(gateway.id);
  }
}
