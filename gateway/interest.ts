/**
 * The kept lists: a table of presence.interest (compacted, one record a watcher), followed from its start.
 *
 * **Model.** The log decides: a list is what its last record says. `keep` works out the new list from the one known here,
 * writes it whole under a revision of its own, and resolves when that revision (or a later one of the same writer)
 * has been read back, so that what it answers is what this gateway now serves. Changes of one watcher made here go
 * one after the other; of two gateways' at once the later record wins.
 *
 * **At the limit** (`entriesMax`, watched users over all lists) a list that would go beyond it is not held: its watcher is
 * told of themself only, `keep` answers OUTBOX_FULL, an error is logged and counted. While the log takes nothing, changes wait:
 * `CHANGES_MAX` of one watcher, `CHANGED_KEYS_MAX` users named by all of them; beyond that `keep` answers OUTBOX_FULL at once.
 */
import { clock, type Timer } from '../base/clock.ts';
import { hasCode, PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { Follower, Log, LogBatch, LogProducer, LogRecord } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import { topicNames } from '../schemas/topics.ts';
import { badInput } from './devices-speaker.ts';
import type { ListChange } from './parts.ts';

/** contract.md: "up to 10,000". */
export const WATCHED_MAX = 10_000;
const READ_BACK_MS = 10_000;
/** Changes of one watcher's list that wait for the log. */
export const CHANGES_MAX = 10;
/** Users named by all changes that wait. */
export const CHANGED_KEYS_MAX = 2_000_000;

export interface InterestOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  /** Called for each change of a list, after the table has it. */
  readonly onChange: (watcher: string, added: readonly string[], removed: readonly string[]) => void;
  /** Default 5,000,000. */
  readonly entriesMax?: number;
}

const entriesGauge = gauge('presence_gateway_interest_entries', 'Watched users over all kept lists held.');
const changedKeys = gauge(
  'presence_gateway_interest_changed_users',
  'Users named by changes of kept lists that wait for the log.',
);
const overLimit = counter('presence_gateway_interest_over_limit_total', 'Kept lists that were not held: the limit was reached.');

/** Rejects with LOG_UNAVAILABLE. */
export async function createInterest(options: InterestOptions): Promise<InterestTable> {
  const table = new InterestTable(options, await options.log.producer());
  await table.start();
  return table;
}

export class InterestTable {
  readonly #options: InterestOptions;
  readonly #entriesMax: number;
  readonly #producer: LogProducer;
  readonly #lists = new Map<string, readonly string[]>();
  /** Writes of ours not read back yet, by revision. */
  readonly #awaited = new Map<string, (held: boolean) => void>();
  /** Of each watcher, the last change that waits, and how many do. */
  readonly #turns = new Map<string, { readonly last: Promise<unknown>; readonly waiting: number }>();
  #changedKeys = 0;
  #entries = 0;
  #follower: Follower | null = null;

  constructor(options: InterestOptions, producer: LogProducer) {
    this.#options = options;
    this.#entriesMax = options.entriesMax ?? 5_000_000;
    this.#producer = producer;
  }

  async start(): Promise<void> {
    const onBatch = (batch: LogBatch) => this.#read(batch);
    this.#follower = await this.#options.log.follow({ topics: [topicNames.interest], from: 'start', onBatch });
  }

  get ready(): Promise<void> {
    return (this.#follower as Follower).caughtUp;
  }

  list(watcher: string): readonly string[] {
    return this.#lists.get(watcher) ?? [];
  }

  /**
   * Rejects with BAD_INPUT beyond 10,000, LOG_UNAVAILABLE where the log does not take it or give it back in time, OUTBOX_FULL
   * where too many changes wait for that.
   */
  async keep(watcher: string, change: ListChange): Promise<readonly string[]> {
    const { last: before = Promise.resolve(), waiting = 0 } = this.#turns.get(watcher) ?? {};
    const keys = (change.set?.length ?? 0) + (change.add?.length ?? 0) + (change.remove?.length ?? 0) + 1;
    if (waiting >= CHANGES_MAX || this.#changedKeys + keys > CHANGED_KEYS_MAX) throw tooManyChanges();
    const last = before.catch(() => {}).then(() => this.#keep(watcher, change));
    this.#turns.set(watcher, { last, waiting: waiting + 1 });
    this.#waits(keys);
    try {
      return await last;
    } finally {
      this.#waits(-keys);
      const now = this.#turns.get(watcher);
      if (now === undefined || now.waiting === 1) this.#turns.delete(watcher);
      else this.#turns.set(watcher, { ...now, waiting: now.waiting - 1 });
    }
  }

  #waits(keys: number): void {
    this.#changedKeys += keys;
    changedKeys.set(this.#changedKeys);
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    await this.#producer.close();
  }

  async #keep(watcher: string, change: ListChange): Promise<readonly string[]> {
    await this.ready;
    const list = changed(this.list(watcher), change);
    if (list.length > WATCHED_MAX)
      throw badInput(`user_ids: a kept list holds up to ${WATCHED_MAX} users, this one would hold ${list.length}`);
    const revision = clock.randomHex(9);
    const value = this.#options.codecs.interest.encode({ watcher, user_ids: [...list], updated_at: clock.now(), revision });
    let timer: Timer | undefined;
    const readBack = new Promise<boolean | 'late'>((resolve) => {
      this.#awaited.set(revision, resolve);
      timer = clock.setTimeout(() => resolve('late'), READ_BACK_MS);
    });
    try {
      await this.#producer.send([{ topic: topicNames.interest, records: [{ key: watcher, value }] }]);
      const held = await readBack;
      if (held === 'late')
        throw new PresenceError('LOG_UNAVAILABLE', 'The list was written, but not read back yet.', {
          at: topicNames.interest,
          retriable: true,
        });
      if (!held)
        throw new PresenceError('OUTBOX_FULL', 'This gateway holds as many kept lists as it may.', {
          at: topicNames.interest,
          retriable: true,
        });
      return this.list(watcher);
    } finally {
      clock.clearTimeout(timer);
      this.#awaited.delete(revision);
    }
  }

  async #read(batch: LogBatch): Promise<void> {
    await this.#options.codecs.prepare(batch.records.map((record) => record.value));
    for (const record of batch.records) this.#apply(batch.partition, record);
    entriesGauge.set(this.#entries);
  }

  #apply(partition: number, record: LogRecord): void {
    if (record.key === null) return;
    if (record.value === null) return void this.#replace(record.key.toString(), []);
    try {
      const { watcher, user_ids, revision } = this.#options.codecs.interest.decode(record.value);
      const held = this.#replace(watcher, user_ids);
      this.#awaited.get(revision)?.(held);
    } catch (error) {
      if (!hasCode(error, 'UNDECODABLE')) throw error;
      this.#options.logger.warn(
        { err: error, partition, offset: record.offset },
        'A kept list cannot be read; the one before it stays.',
      );
    }
  }

  #replace(watcher: string, list: readonly string[]): boolean {
    const before = this.list(watcher);
    const held = this.#entries - before.length + list.length <= this.#entriesMax;
    const after = held ? list : [];
    if (!held) {
      overLimit.inc();
      this.#options.logger.error(
        { entries: this.#entries, limit: this.#entriesMax },
        'A kept list is not held: the limit is reached.',
      );
    }
    this.#entries += after.length - before.length;
    if (after.length === 0) this.#lists.delete(watcher);
    else this.#lists.set(watcher, after);
    const was = new Set(before);
    const is = new Set(after);
    const added = after.filter((key) => !was.has(key));
    const removed = before.filter((key) => !is.has(key));
    if (added.length + removed.length > 0) this.#options.onChange(watcher, added, removed);
    return held;
  }
}

const tooManyChanges = (): PresenceError =>
  new PresenceError('OUTBOX_FULL', 'Too many changes of kept lists wait for the log.', {
    at: topicNames.interest,
    retriable: true,
  });

/** The list after a change: each user once, in the order in which they came. */
export function changed(list: readonly string[], change: ListChange): readonly string[] {
  const keys = new Set(change.set ?? list);
  for (const key of change.add ?? []) keys.add(key);
  for (const key of change.remove ?? []) keys.delete(key);
  return [...keys];
}
