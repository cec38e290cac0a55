/**
 * What one host has of the log: the broker, seen over a network.
 *
 * **Model.** A call is an event at the broker's host, its answer one at the caller's, each a few ms later; so a host that
 * stands still takes its answers when it goes on, and one that is dead never does. A batch is handed over in the same
 * way, and the next one is cut when the answer is back. `cut` (the host has lost its way to the broker) refuses all
 * calls and hands over nothing. `expel` is what a group does to a member that it has not heard of for too long: its
 * partitions go to others; when the member can hear again, it is told, and joins anew. `end` is the end of the host.
 */
import { PresenceError } from '../base/errors.ts';
import type {
  Follower,
  FollowOptions,
  GroupConsumer,
  GroupOptions,
  Log,
  LogBatch,
  LogTransactions,
  TopicPartition,
} from '../ports/log.ts';
import type { Broker } from './broker.ts';
import type { Host } from './host.ts';
import type { Scheduler } from './scheduler.ts';

const HOP_MS_MIN = 0.3;
const HOP_MS_MORE = 2;
/** How long a client of the log tries before it gives a call up: at most. */
const REFUSED_MS_MAX = 700;
const LOST_MS = 1_000;
const REJOIN_MS = 200;
/** As Kafka's default is in these clients. */
export const SESSION_MS = 6_000;

interface Membership {
  readonly options: GroupOptions;
  inner: GroupConsumer | null;
  /** Batches handed over and not answered yet. */
  readonly inHand: Set<() => void>;
  /** Counts joins: the broker tells nothing more of an earlier one. */
  term: number;
  /** The last join that the host knows to be over: what it is told of that one later is not heard. */
  over: number;
  /** What the host was told is its own, and has not wholly given up. */
  readonly told: Map<number, TopicPartition>;
  closed: boolean;
}

const unavailable = (at: string): PresenceError =>
  new PresenceError('LOG_UNAVAILABLE', 'The log did not answer.', { at, retriable: true });

export class Link implements Log {
  readonly #scheduler: Scheduler;
  readonly #broker: Broker;
  readonly #host: Host;
  readonly #memberships: Membership[] = [];
  readonly #followers = new Set<{ close: () => void }>();
  /** Virtual ms; Infinity: until it is mended. */
  cutUntil = 0;

  constructor(scheduler: Scheduler, broker: Broker, host: Host) {
    this.#scheduler = scheduler;
    this.#broker = broker;
    this.#host = host;
  }

  ensureTopics: Log['ensureTopics'] = (topics) => this.#call('topics', () => this.#broker.log.ensureTopics(topics));
  partitions: Log['partitions'] = (topic) => this.#call('partitions', () => this.#broker.log.partitions(topic));
  stamps: Log['stamps'] = (topic) => this.#call('stamps', () => this.#broker.log.stamps(topic));
  identity: Log['identity'] = (topic) => this.#call('identity', () => this.#broker.log.identity(topic));
  offsets: Log['offsets'] = (topic) => this.#call('offsets', () => this.#broker.log.offsets(topic));
  committed: Log['committed'] = (group, topic) => this.#call('committed', () => this.#broker.log.committed(group, topic));
  ping: Log['ping'] = () => this.#call('ping', () => this.#broker.log.ping());
  close: Log['close'] = async () => {};

  async producer(): ReturnType<Log['producer']> {
    const inner = await this.#call('producer', () => this.#broker.log.producer());
    return {
      send: (batches) => this.#write('send', () => inner.send(batches)),
      offer: (batches) => this.#write('send', () => inner.offer(batches)),
      close: async () => {},
    };
  }

  async transactions(...args: Parameters<Log['transactions']>): Promise<LogTransactions> {
    const inner = await this.#call('transactions', () => this.#broker.log.transactions(...args));
    return {
      fence: () => this.#call('fence', () => inner.fence()),
      commit: (batches, offsets) => this.#write('commit', () => inner.commit(batches, offsets)),
      append: (batches) => this.#write('commit', () => inner.append(batches)),
      reopen: () => this.#call('reopen', () => inner.reopen()),
      close: async () => {},
    };
  }

  async read(options: Parameters<Log['read']>[0]): Promise<void> {
    const batches = await this.#call('read', async () => {
      const found: LogBatch[] = [];
      await this.#broker.log.read({ ...options, onBatch: (batch) => void found.push(batch) });
      return found;
    });
    for (const batch of batches) if ((await options.onBatch(batch)) === 'enough') return;
  }

  async follow(options: FollowOptions): Promise<Follower> {
    const entry = { close: (): void => {} };
    this.#followers.add(entry);
    const inner = await this.#call('follow', () =>
      this.#broker.log.follow({ ...options, onBatch: (batch) => this.#handOver(() => options.onBatch(batch), new Set()) }),
    );
    entry.close = () => void inner.close();
    return {
      caughtUp: this.#call('caught up', () => inner.caughtUp),
      close: async () => this.#onBroker(() => entry.close()),
    };
  }

  async consume(options: GroupOptions): Promise<GroupConsumer> {
    const membership: Membership = { options, inner: null, inHand: new Set(), term: 0, over: 0, told: new Map(), closed: false };
    this.#memberships.push(membership);
    await this.#call('consume', () => this.#join(membership));
    return {
      commit: (offsets) =>
        this.#call('confirm', async () => {
          if (membership.inner === null) throw notAssigned(options.group);
          await membership.inner.commit(offsets);
        }),
      seek: (position) => this.#onBroker(() => membership.inner?.seek(position)),
      warmed: (partition) => this.#onBroker(() => membership.inner?.warmed(partition)),
      get assignment() {
        return membership.inner?.assignment ?? [];
      },
      close: () => {
        membership.closed = true;
        // Whoever cannot say that they leave are given up once their session is over.
        return this.#call('leave', async () => membership.inner?.close()).catch(() => {
          this.#scheduler.after(this.#broker.host, SESSION_MS, () => this.#drop(membership));
        });
      },
    };
  }

  /** The group gives this member's partitions to others. It joins anew when it can. */
  expel(): void {
    for (const membership of this.#memberships) {
      if (!this.#host.alive) {
        // Also where it was on its way in, or out.
        membership.closed = true;
        this.#drop(membership);
        continue;
      }
      if (membership.closed || membership.inner === null) continue;
      const { term, told } = membership;
      this.#drop(membership);
      this.#scheduler.send(this.#host, HOP_MS_MIN, () => {
        membership.over = term;
        // All of it, also what it is giving up just now: nothing is to be given anew beside its end.
        void this.#giveUp(membership, [...told.values()]).then(() => this.#rejoin(membership));
      });
    }
  }

  /** The host is dead: nothing of it is left at the broker, but its memberships (see `expel`). */
  end(): void {
    for (const follower of this.#followers) this.#onBroker(() => follower.close());
    this.#followers.clear();
  }

  #drop(membership: Membership): void {
    const { inner, inHand } = membership;
    membership.inner = null;
    membership.term += 1;
    this.#onBroker(() => {
      for (const release of inHand) release();
      void inner?.close();
    });
  }

  /** Until it is in again, or is closed. */
  async #rejoin(membership: Membership): Promise<void> {
    while (!membership.closed) {
      const joined = await this.#call('consume', () => this.#join(membership)).then(
        () => true,
        () => false,
      );
      if (joined) return;
      await this.#nap(REJOIN_MS);
    }
  }

  async #join(membership: Membership): Promise<void> {
    membership.term += 1;
    const { options, term, inHand } = membership;
    const mine = (): boolean => membership.term === term;
    const told = (work: () => Promise<void>): Promise<void> =>
      mine() ? this.#handOver(async () => (term > membership.over ? work() : undefined), inHand) : Promise.resolve();
    membership.inner = await this.#broker.log.consume({
      ...options,
      onAssigned: (partitions) =>
        told(async () => {
          for (const one of partitions) membership.told.set(one.partition, one);
          await options.onAssigned?.(partitions);
        }),
      onRevoked: (partitions) => told(() => this.#giveUp(membership, partitions)),
      onBatch: async (batch) => (mine() ? this.#handOver(() => options.onBatch(batch), inHand) : undefined),
    });
    // It was closed on its way in.
    if (membership.closed) await membership.inner?.close();
  }

  async #giveUp({ options, told }: Membership, partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length > 0) await options.onRevoked?.(partitions);
    for (const { partition } of partitions) told.delete(partition);
  }

  /** From the broker to the host and back; resolves at the broker. */
  #handOver(work: () => Promise<void>, inHand: Set<() => void>): Promise<void> {
    return new Promise((resolve, reject) => {
      inHand.add(resolve);
      const back = (settle: () => void): void => {
        this.#onBroker(() => {
          inHand.delete(resolve);
          settle();
        }, this.#hop());
      };
      const wait = Math.max(this.#hop(), this.cutUntil - this.#scheduler.now);
      this.#scheduler.send(this.#host, wait, () => {
        work().then(
          () => back(resolve),
          (error: unknown) => back(() => reject(error)),
        );
      });
    });
  }

  #call<T>(at: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const answer = (ms: number, settle: () => void): void => void this.#scheduler.send(this.#host, ms, settle);
      if (this.#scheduler.now < this.cutUntil) {
        answer(this.#patience(), () => reject(unavailable(at)));
        return;
      }
      this.#onBroker(() => {
        work().then(
          (value) => answer(this.#hop(), () => resolve(value)),
          (error: unknown) => answer(this.#hop(), () => reject(error)),
        );
      }, this.#hop());
    });
  }

  /** As `#call`, for what the broker may refuse, or do without an answer. */
  async #write<T>(at: 'send' | 'commit', work: () => Promise<T>): Promise<T> {
    let lost = false;
    const result = await this.#call(at, async () => {
      if (this.#broker.refusing) throw refusal(at);
      const value = await work();
      lost = this.#broker.loses();
      return value;
    }).catch(async (error: unknown) => {
      if (this.#isUnavailable(error)) await this.#nap(this.#patience());
      throw error;
    });
    if (!lost) return result;
    await this.#nap(LOST_MS);
    throw at === 'send' ? unavailable(at) : new PresenceError('COMMIT_UNKNOWN', 'The answer was lost.', { at, retriable: false });
  }

  #isUnavailable(error: unknown): boolean {
    return error instanceof PresenceError && error.code === 'LOG_UNAVAILABLE';
  }

  #nap(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#scheduler.send(this.#host, ms, () => resolve()));
  }

  #onBroker(work: () => void, ms = 0): void {
    this.#scheduler.send(this.#broker.host, ms, work);
  }

  #patience(): number {
    return REFUSED_MS_MAX * this.#host.random.next();
  }

  #hop(): number {
    return HOP_MS_MIN + HOP_MS_MORE * this.#host.random.next();
  }
}

const refusal = (at: 'send' | 'commit'): PresenceError =>
  at === 'send' ? unavailable(at) : new PresenceError('ABORTED', 'The log refused the transaction.', { at, retriable: true });

const notAssigned = (group: string): PresenceError =>
  new PresenceError('FENCED', 'Not assigned here.', { at: `group ${group}`, retriable: false });
