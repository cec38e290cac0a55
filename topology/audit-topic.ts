/**
 * `presence.audit`: who watched whom. Apart from the topics that every system has: it is made only where somebody writes it
 * (AUDIT=on), and kept for as long as whoever answers for the data has decided (AUDIT_RETENTION_DAYS).
 */
import { days } from '../processors/time.ts';
import type { Audit } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';
import { DEFAULT_PARTITIONS, type Topic } from './topics.ts';

/** A month: what an answer to somebody's question about their own data may take. */
export const AUDIT_RETENTION_DAYS = 30;

/** Retention is what the topic is made with; of one that is there it is altered at the broker. */
export const auditTopic = (
  partitions: number = DEFAULT_PARTITIONS,
  retention_days: number = AUDIT_RETENTION_DAYS,
): Topic<Audit> =>
  Object.freeze({ name: topicNames.audit, key: 'watcher', partitions, cleanup: 'delete', retention_ms: days(retention_days) });
