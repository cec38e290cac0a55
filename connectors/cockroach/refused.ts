/** Finding the rows that the database refuses: halves, and halves of halves, until they stand alone; all others are written. */
import type { Refused } from '../../ports/presence-store.ts';
import { remedyFor } from './errors.ts';

/** At most 2 log2(n) + 1 calls of `write` for one bad row among n. Any other error is thrown. */
export async function writeAllButRefused<R>(
  rows: readonly R[],
  write: (rows: readonly R[]) => Promise<void>,
): Promise<Refused<R>[]> {
  if (rows.length === 0) return [];
  try {
    await write(rows);
    return [];
  } catch (error) {
    if (remedyFor(error) !== 'refused') throw error;
    if (rows.length === 1) return [{ row: rows[0]!, reason: `The database refused it: ${(error as Error).message}` }];
    const middle = Math.ceil(rows.length / 2);
    const first = await writeAllButRefused(rows.slice(0, middle), write);
    return [...first, ...(await writeAllButRefused(rows.slice(middle), write))];
  }
}
