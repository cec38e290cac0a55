/**
 * A log on which one instance's steps go wrong as a plan says. Crash points are inputs: every call that a
 * runner makes of the log is a step with a name, and the plan answers each step with a fault or none.
 *
 * - `refused`: nothing happens, LOG_UNAVAILABLE.
 * - `lost`: it happens, but the answer is lost: COMMIT_UNKNOWN of a commit, LOG_UNAVAILABLE of a send.
 * - `unsure`: a commit does not happen, and the answer is lost all the same.
 * - `aborted`: a commit does not happen, ABORTED.
 * - `fenced`: somebody takes the transactional id first (truly: the id is fenced), then the step goes on.
 * - `crash`, `crash_after`: the instance is dead from before, or after, this step: nothing that it asks of the log
 *   is ever answered again. `died` resolves; leaving the group is up to the test.
 */
import { PresenceError } from '../../base/errors.ts';
import type { GroupConsumer, Log, LogProducer, LogTransactions } from '../../ports/log.ts';

export type Step = 'fence' | 'commit' | 'append' | 'reopen' | 'read' | 'read_batch' | 'offsets' | 'send' | 'confirm' | 'batch';
export type Fault = 'refused' | 'lost' | 'unsure' | 'aborted' | 'fenced' | 'crash' | 'crash_after';

export interface FaultyLog extends Log {
  /** Resolves when the instance has crashed. */
  readonly died: Promise<void>;
  /** Whether it has. */
  readonly dead: boolean;
  /** A group consumer of the dead instance, to take it out of the group as a broker would after the session timeout. */
  readonly consumer: GroupConsumer | null;
  /** Kills it now. */
  kill(): void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

export function faultyLog(inner: Log, plan: (step: Step) => Fault | undefined): FaultyLog {
  let dead = false;
  let died: () => void = () => {};
  let consumer: GroupConsumer | null = null;
  const diedPromise = new Promise<void>((resolve) => (died = resolve));
  const kill = (): void => {
    dead = true;
    died();
  };
  const unavailable = (at: string) => new PresenceError('LOG_UNAVAILABLE', 'The log did not answer.', { at, retriable: true });

  async function step<T>(name: Step, work: () => Promise<T>, fence?: () => Promise<void>): Promise<T> {
    if (dead) return never();
    const fault = plan(name);
    if (fault === 'crash') {
      kill();
      return never();
    }
    if (fault === 'refused') throw unavailable(name);
    if (fault === 'aborted') throw new PresenceError('ABORTED', 'The transaction was aborted.', { at: name, retriable: true });
    if (fault === 'unsure') throw new PresenceError('COMMIT_UNKNOWN', 'The answer was lost.', { at: name, retriable: false });
    if (fault === 'fenced') await fence?.();
    const result = await work();
    if (fault === 'crash_after') kill();
    if (dead) return never();
    if (fault === 'lost') {
      throw name === 'commit' || name === 'append'
        ? new PresenceError('COMMIT_UNKNOWN', 'The answer was lost.', { at: name, retriable: false })
        : unavailable(name);
    }
    return result;
  }

  function transactionsOf(transactionalId: string, transactions: LogTransactions): LogTransactions {
    const steal = async () => (await inner.transactions(transactionalId)).fence();
    let unknown = false;
    return {
      fence: () => step('fence', () => transactions.fence(), steal),
      commit: async (batches, offsets) => {
        if (unknown)
          throw new PresenceError('COMMIT_UNKNOWN', 'The last commit is not settled: call reopen.', {
            at: 'commit',
            retriable: false,
          });
        return step('commit', () => transactions.commit(batches, offsets), steal).catch((error: unknown) => {
          // As kafkajs: of no more use until it is made anew, whatever went wrong with the answer.
          unknown = error instanceof PresenceError && (error.code === 'COMMIT_UNKNOWN' || error.code === 'LOG_UNAVAILABLE');
          throw error;
        });
      },
      append: async (batches) => {
        // One by one: what befalls the second must not undo the first.
        const appended = [];
        for (const batch of batches) appended.push(...(await step('append', () => transactions.append([batch]), steal)));
        return appended;
      },
      reopen: () =>
        step(
          'reopen',
          async () => {
            await transactions.reopen();
            unknown = false;
          },
          steal,
        ),
      close: () => transactions.close(),
    };
  }

  return {
    get dead() {
      return dead;
    },
    get consumer() {
      return consumer;
    },
    died: diedPromise,
    kill,
    ensureTopics: (topics) => inner.ensureTopics(topics),
    partitions: (topic) => inner.partitions(topic),
    stamps: (topic) => inner.stamps(topic),
    identity: (topic) => inner.identity(topic),
    offsets: (topic) => step('offsets', () => inner.offsets(topic)),
    committed: (group, topic) => inner.committed(group, topic),
    producer: async (): Promise<LogProducer> => {
      const producer = await inner.producer();
      return {
        send: (batches) => step('send', () => producer.send(batches)),
        offer: (batches) => step('send', () => producer.offer(batches)),
        close: () => producer.close(),
      };
    },
    transactions: async (id, writes) => transactionsOf(id, await inner.transactions(id, writes)),
    consume: async (options) => {
      const joined = await inner.consume({
        ...options,
        onAssigned: async (partitions) => (dead ? undefined : options.onAssigned?.(partitions)),
        onRevoked: (partitions) => Promise.race([diedPromise, dead ? undefined : options.onRevoked?.(partitions)]).then(() => {}),
        // The broker does not wait for a dead consumer.
        onBatch: (batch) => Promise.race([diedPromise, dead ? undefined : step('batch', () => options.onBatch(batch))]),
      });
      consumer = {
        commit: (offsets) => step('confirm', () => joined.commit(offsets)),
        seek: (position) => joined.seek(position),
        warmed: (partition) => joined.warmed(partition),
        get assignment() {
          return joined.assignment;
        },
        close: () => joined.close(),
      };
      return consumer;
    },
    follow: (options) => inner.follow(options),
    read: (options) =>
      step('read', () => inner.read({ ...options, onBatch: (batch) => step('read_batch', async () => options.onBatch(batch)) })),
    ping: () => inner.ping(),
    close: async () => {},
  };
}

/** Random numbers from a seed (mulberry32): the same seed, the same run of the plan. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
