/**
 * What an error of the database asks for.
 * - `again`: the transaction lost a race or its connection; the same may succeed at once (a commit whose answer was
 *   lost may have happened: every write is guarded, so doing it again is harmless).
 * - `refused`: a value that the database cannot hold; the same row fails for ever.
 * - `later`: anything else (missing table, disk full, no permission): somebody has to act, nothing is wrong with the rows.
 */
export type Remedy = 'again' | 'refused' | 'later';

const again = /^(40001|40003|40P01|08...|57P0[1-5]|53300|25006|55P03)$/;
const refused = /^(22|23|54)...$/;
const network = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/;
const said = /connection terminated|connection ended|client has encountered a connection error|timeout|not queryable/i;

export function remedyFor(error: unknown): Remedy {
  if (error instanceof RangeError) return 'refused'; // a time beyond what a Date holds
  if (!(error instanceof Error)) return 'later';
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    if (again.test(code) || network.test(code)) return 'again';
    if (refused.test(code)) return 'refused';
  }
  if (error instanceof AggregateError) return error.errors.some((one) => remedyFor(one) === 'again') ? 'again' : 'later';
  return said.test(error.message) ? 'again' : 'later';
}
