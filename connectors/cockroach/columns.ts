/** Tables as lists of columns, written many rows at a time by `unnest`: one array a column, whatever the number of rows. */

export interface Column<R> {
  readonly name: string;
  readonly type: 'text' | 'int8' | 'bool' | 'timestamptz';
  /** The value; a time as ms since 1970 or null. */
  readonly of: (row: R) => string | number | boolean | null;
}

export interface Insert<R> {
  /** `INSERT INTO … SELECT * FROM unnest(…)`, without what is to be done on conflict. */
  readonly sql: string;
  /** `name = excluded.name, …` of all columns but these. */
  assignments(...except: readonly string[]): string;
  /** Throws RangeError for a time that no Date holds. */
  values(rows: readonly R[]): unknown[][];
}

export function insertInto<R>(table: string, columns: readonly Column<R>[]): Insert<R> {
  const names = columns.map(({ name }) => name).join(', ');
  const arrays = columns.map(({ type }, i) => `$${i + 1}::${type}[]`).join(', ');
  return {
    sql: `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${arrays})`,
    assignments: (...except) =>
      columns
        .filter(({ name }) => !except.includes(name))
        .map(({ name }) => `${name} = excluded.${name}`)
        .join(', '),
    values: (rows) => columns.map(({ type, of }) => rows.map(type === 'timestamptz' ? (row) => timestamp(of(row)) : of)),
  };
}

/** For a timestamptz: RFC 3339; null for null. */
export const timestamp = (ms: string | number | boolean | null): string | null =>
  ms === null ? null : new Date(ms as number).toISOString();
