/**
 * A user's transitions, newest first, a page at a time.
 *
 * Pages are cut by (epoch, version), the order in which transitions happened, not by time: what is written while somebody
 * pages through comes before the first page, so that nothing is shown twice or skipped. The cursor says the last
 * transition shown and whose view it was.
 */
import type pg from 'pg';
import { PresenceError } from '../../base/errors.ts';
import type { HistoryPage, HistoryQuery } from '../../ports/presence-store.ts';
import type { Cause, Source, State } from '../../schemas/generated.ts';
import type { HistoryEntry } from '../../schemas/presence.ts';
import { timestamp } from './columns.ts';

const columns = (version: string): string => `epoch, ${version} AS version, from_state, to_state, at, cause, source, trace_id`;

/** $1 user, $2 from, $3 to, $4 and $5 the transition before which to begin, $6 limit. */
const page = (table: string, version: string, and = ''): string => `SELECT ${columns(version)} FROM ${table}
  WHERE user_id = $1 AND at >= $2::timestamptz AND at < $3::timestamptz AND (epoch, ${version}) < ($4::int8, $5::int8)${and}
  ORDER BY epoch DESC, ${version} DESC LIMIT $6::int8`;

const statements: Readonly<Record<HistoryQuery['view'], string>> = {
  self: page('presence_history', 'version'),
  others: `SELECT * FROM (
    (${page('presence_history', 'public_version', " AND audience = 'all'")})
    UNION ALL (${page('presence_history_others', 'public_version')})
  ) AS seen ORDER BY epoch DESC, version DESC LIMIT $6::int8`,
};

/** Above every epoch and version. */
const newest: Position = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

export async function readHistory(client: pg.ClientBase, query: HistoryQuery): Promise<HistoryPage> {
  const [epoch, version] = query.cursor === undefined ? newest : positionOf(query.cursor, query.view);
  const values = [query.key, moment(query.from), moment(query.to), epoch, version, query.limit + 1];
  const { rows } = await client.query<HistoryRow>(statements[query.view], values);
  const entries = rows.slice(0, query.limit).map(entryOf);
  const last = entries.at(-1);
  return {
    entries,
    next: rows.length > query.limit && last !== undefined ? cursorOf(query.view, [last.epoch, last.version]) : null,
  };
}

/** Years that both databases and RFC 3339 can write; nothing happened outside them. */
const earliest = Date.UTC(1970, 0, 1);
const latest = Date.UTC(9999, 0, 1);
const moment = (ms: number): string | null => timestamp(Math.min(Math.max(ms, earliest), latest));

interface HistoryRow {
  readonly epoch: string;
  readonly version: string;
  readonly from_state: State;
  readonly to_state: State;
  readonly at: Date;
  readonly cause: Cause;
  readonly source: Source;
  readonly trace_id: string | null;
}

const entryOf = (row: HistoryRow): HistoryEntry => ({
  epoch: Number(row.epoch),
  version: Number(row.version),
  from: row.from_state,
  to: row.to_state,
  at: row.at.toISOString(),
  cause: row.cause,
  source: row.source,
  trace_id: row.trace_id,
});

type Position = readonly [epoch: number, version: number];

const cursorOf = (view: HistoryQuery['view'], [epoch, version]: Position): string =>
  Buffer.from(`${view[0]}.${epoch}.${version}`).toString('base64url');

/** Throws BAD_INPUT for what is not a cursor of this view. */
export function positionOf(cursor: string, view: HistoryQuery['view']): Position {
  const [, of, epoch, version] =
    /^([so])\.(\d{1,16})\.(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  const position = [Number(epoch), Number(version)] as const;
  if (of !== view[0] || !position.every(Number.isSafeInteger) || cursorOf(view, position) !== cursor) {
    throw new PresenceError('BAD_INPUT', 'The cursor is not one that this history gave out.', { at: 'cursor', retriable: false });
  }
  return position;
}
