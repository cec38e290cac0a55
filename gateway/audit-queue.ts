/**
 * Records of the audit on their way to presence.audit.
 *
 * **Model.** Records wait in order. One batch is under way at a time, of what waits, at most AUDIT_RECORDS_MAX records or
 * AUDIT_USERS_MAX names; it is encoded when its turn comes. One that the log does not take is given again as it was, for as
 * long as it takes. Each record has this gateway's next number when it comes in: a number that is missing in the log was lost,
 * one that is there twice was sent again after a lost answer.
 *
 * **At the limit** (`AUDIT_WAITING_MAX` names, a record being one more) new records are lost: presence goes on, the loss is
 * counted, and logged once a minute for as long as it goes on. So is what the log has not taken when the gateway ends.
 */
import { clock, sleep } from '../base/clock.ts';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { counter, gauge } from '../base/metrics.ts';
import type { Log, LogProducer } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Audit } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';

/** A record before it has its number. */
export type AuditDraft = Omit<Audit, 'gateway_id' | 'number'>;

/** Names that wait for the log; a record is one more. */
export const AUDIT_WAITING_MAX = 1_000_000;
/** Of one batch, records and names: at most 2.6 MB of the longest ids, some 200 KB as a rule. */
export const AUDIT_RECORDS_MAX = 1_000;
export const AUDIT_USERS_MAX = 10_000;
const RETRY_MS = 1_000;
const LOG_EVERY_MS = 60_000;

const waiting = gauge('presence_audit_waiting_users', 'Users named by audit records that wait for the log, and the records.');
const written = counter('presence_audit_records_total', 'Audit records that the log has taken, by action.', ['action']);
const lost = counter('presence_audit_lost_total', 'Audit records that were lost: too many waited for the log.');

export interface AuditQueueOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  readonly logger: Logger;
  readonly gatewayId: string;
  /** Names that may wait for the log. Default 1,000,000. */
  readonly waitingUsersMax?: number;
}

/** The producer is its own: what waits for the audit holds up no signal. */
export async function createAuditQueue(options: AuditQueueOptions): Promise<AuditQueue> {
  return new AuditQueue(options, await options.log.producer());
}

export class AuditQueue {
  readonly #options: AuditQueueOptions;
  readonly #producer: LogProducer;
  readonly #waitingMax: number;
  #records: Audit[] = [];
  #number = 0;
  #waiting = 0;
  #sending: Promise<void> | null = null;
  #closed = false;
  #lost = 0;
  #logged = Number.NEGATIVE_INFINITY;

  constructor(options: AuditQueueOptions, producer: LogProducer) {
    this.#options = options;
    this.#producer = producer;
    this.#waitingMax = options.waitingUsersMax ?? AUDIT_WAITING_MAX;
  }

  put(draft: AuditDraft): void {
    const record: Audit = { ...draft, gateway_id: this.#options.gatewayId, number: (this.#number += 1) };
    if (this.#closed || this.#waiting + sizeOf(record) > this.#waitingMax) return void this.#lose(1);
    this.#records.push(record);
    this.#waits(sizeOf(record));
    this.#sending ??= this.#send().finally(() => {
      this.#sending = null;
    });
  }

  async close(within_ms: number): Promise<void> {
    let timer: ReturnType<typeof clock.setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, within_ms);
    });
    await Promise.race([this.#sending, late]);
    clock.clearTimeout(timer);
    this.#closed = true;
    if (this.#records.length > 0) this.#lose(this.#records.length);
    this.#records = [];
    this.#waits(-this.#waiting);
    await this.#producer.close();
  }

  async #send(): Promise<void> {
    // What comes in this moment goes together.
    await Promise.resolve();
    while (this.#records.length > 0) {
      const batch = this.#next();
      let outcome = await this.#offer(batch);
      while (outcome === 'not now' && !this.#closed) {
        await sleep(RETRY_MS);
        outcome = await this.#offer(batch);
      }
      if (this.#closed) return;
      this.#records.splice(0, batch.length);
      this.#waits(-batch.reduce((sum, record) => sum + sizeOf(record), 0));
      if (outcome === 'taken') for (const { action } of batch) written.inc({ action });
    }
  }

  #next(): readonly Audit[] {
    let names = 0;
    const end = this.#records.findIndex((record, i) => i === AUDIT_RECORDS_MAX || (names += sizeOf(record)) > AUDIT_USERS_MAX);
    // The first one goes in any case.
    return this.#records.slice(0, end < 0 ? this.#records.length : Math.max(1, end));
  }

  /** What the log will never take is lost, so that the next ones go on. */
  async #offer(batch: readonly Audit[]): Promise<'taken' | 'not now' | 'lost'> {
    const { codecs, logger } = this.#options;
    try {
      const records = batch.map((record) => ({ key: record.watcher, value: codecs.audit.encode(record) }));
      await this.#producer.send([{ topic: topicNames.audit, records }]);
      return 'taken';
    } catch (error) {
      if (!(error instanceof PresenceError) || !error.retriable) {
        this.#lose(batch.length, error);
        return 'lost';
      }
      logger.debug({ err: error }, 'The log does not take audit records now; they wait.');
      return 'not now';
    }
  }

  #waits(more: number): void {
    this.#waiting += more;
    waiting.set(this.#waiting);
  }

  #lose(records: number, error?: unknown): void {
    lost.inc(records);
    this.#lost += records;
    if (clock.monotonic() - this.#logged < LOG_EVERY_MS) return;
    this.#logged = clock.monotonic();
    const { logger, gatewayId: gateway_id } = this.#options;
    logger.error(
      { gateway_id, lost: this.#lost, waiting: this.#waiting, limit: this.#waitingMax, err: error },
      'Audit records are lost: the log does not take them.',
    );
  }
}

const sizeOf = ({ users }: Audit): number => users.length + 1;
