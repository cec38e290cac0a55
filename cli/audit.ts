/** Who watched whom, out of presence.audit (schemas/audit.avsc). */
import { partitionOf } from '../base/murmur2.ts';
import type { Log } from '../ports/log.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Audit } from '../schemas/generated.ts';
import { topicNames } from '../schemas/topics.ts';

export interface AuditQuestion {
  readonly log: Log;
  readonly codecs: Codecs;
  /** Keys of users: what `watcher` did; or what was done to `watched`. One of them. */
  readonly watcher?: string;
  readonly watched?: string;
  /** ms since 1970. What ended before is left out; watches that were held then are in, also where they began before. */
  readonly since?: number;
}

/**
 * The records that answer, by time, each once; of those who watched somebody, reduced to that user. The log is read from
 * its start, since a watch that is held today may have begun a month ago: one partition for a watcher, all of them for who is
 * watched.
 */
export async function readAudit(question: AuditQuestion): Promise<readonly Audit[]> {
  const { log, watcher, since } = question;
  const partitions = await log.partitions(topicNames.audit);
  const all = [...Array(partitions).keys()];
  const where = watcher === undefined ? all : [partitionOf(watcher, partitions)];
  const found: Audit[] = [];
  for (const partition of where) await readPartition(question, partition, found);
  found.sort((a, b) => a.at - b.at || a.number - b.number);
  return since === undefined ? found : [...heldAt(found, since), ...found.filter(({ until }) => until >= since)];
}

async function readPartition({ log, codecs, watcher, watched }: AuditQuestion, partition: number, found: Audit[]): Promise<void> {
  const seen = new Set<string>();
  /** Connections that watch `watched`: their end, which names nobody, is the end of that too. */
  const watching = new Set<string>();
  const take = (record: Audit): Audit | null => {
    const { action, allowed, connection_id: id, users } = record;
    if (watched === undefined) return record;
    if (record.cause === 'closed') return watching.delete(id ?? '') ? record : null;
    if (!users.includes(watched)) return null;
    if (action === 'watch_began' && allowed) watching.add(id ?? '');
    if (action === 'watch_ended') watching.delete(id ?? '');
    return { ...record, users: [watched] };
  };
  await log.read({
    topic: topicNames.audit,
    partition,
    from: 0,
    onBatch: async ({ records }) => {
      const ours = watcher === undefined ? records : records.filter(({ key }) => key?.toString() === watcher);
      await codecs.prepare(ours.map(({ value }) => value));
      for (const { value } of ours) {
        if (value === null) continue;
        const record = take(codecs.audit.decode(value));
        const name = `${record?.gateway_id} ${record?.number}`;
        if (record === null || seen.has(name)) continue;
        seen.add(name);
        found.push(record);
      }
    },
  });
}

/** The watches that began before and were held at that time, each by its beginning, reduced to whom it still held. */
function heldAt(records: readonly Audit[], time: number): readonly Audit[] {
  const held = new Map<string, Map<string, Audit>>();
  for (const record of records) {
    const { action, allowed, at, cause, connection_id, users } = record;
    if (at >= time || connection_id === null || !allowed) continue;
    const watches = held.get(connection_id) ?? new Map<string, Audit>();
    held.set(connection_id, watches);
    if (cause === 'closed') watches.clear();
    else for (const user of users) action === 'watch_began' ? watches.set(user, record) : watches.delete(user);
  }
  const left = new Map<Audit, string[]>();
  for (const watches of held.values())
    for (const [user, record] of watches) left.set(record, [...(left.get(record) ?? []), user]);
  return [...left].map(([record, users]) => ({ ...record, users })).sort((a, b) => a.at - b.at);
}

/** One record as it is printed: times as RFC 3339. */
export const auditJson = ({ at, until, ...record }: Audit): string =>
  JSON.stringify({ at: timeOf(at), until: timeOf(until), ...record });

/** `2026-01-01T00:00:00.000Z  bob  watch_began (kept)  ada cyd  connection c1`, tabs between. */
export function auditLine({ at, until, watcher, action, cause, allowed, admin, connection_id, users, times }: Audit): string {
  const notes = [
    allowed ? '' : 'refused',
    admin ? 'as admin' : '',
    connection_id === null ? '' : `connection ${connection_id}`,
    times === 1 ? '' : `${times} times until ${timeOf(until)}`,
  ];
  const whom = cause === 'closed' ? 'all that it watched' : users.join(' ');
  const what = cause === 'asked' ? action : `${action} (${cause})`;
  return [timeOf(at), watcher, what, whom, notes.filter((note) => note !== '').join(', ')].join('\t').trimEnd();
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
