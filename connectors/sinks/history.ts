/** Batches of presence.diffs into the history. */
import { PresenceError } from '../../base/errors.ts';
import type { LogBatch, LogRecord } from '../../ports/log.ts';
import type { PresenceStore } from '../../ports/presence-store.ts';
import type { DeadLetter } from '../../runtime/dead-letters.ts';
import type { Codecs } from '../../schemas/codec.ts';
import type { Diff } from '../../schemas/generated.ts';
import type { PartitionWriter, Written } from './sink.ts';

/** Transitions written at once; a larger batch is written in parts. */
const CHUNK_ROWS = 1_000;

export function historyWriter(
  store: Pick<PresenceStore, 'applyDiffs'>,
  codecs: Pick<Codecs, 'diff' | 'prepare'>,
): PartitionWriter {
  return {
    write: async ({ records }: LogBatch): Promise<Written> => {
      const unknown = codecs.prepare(records.map(({ value }) => value));
      if (unknown !== undefined) await unknown;
      const diffs = new Map<Diff, LogRecord>();
      const dead: DeadLetter[] = [];
      for (const record of records) {
        try {
          if (record.value === null)
            throw new PresenceError('UNDECODABLE', 'The record has no value.', {
              at: `offset ${record.offset}`,
              retriable: false,
            });
          diffs.set(codecs.diff.decode(record.value), record);
        } catch (error) {
          dead.push({ record, error });
        }
      }
      const rows = [...diffs.keys()];
      for (let i = 0; i < rows.length; i += CHUNK_ROWS) {
        for (const { row, reason } of await store.applyDiffs(rows.slice(i, i + CHUNK_ROWS))) {
          const record = diffs.get(row)!;
          dead.push({
            record,
            error: new PresenceError('BAD_INPUT', reason, { at: `offset ${record.offset}`, retriable: false }),
          });
        }
      }
      return { dead, rows: rows.length };
    },
  };
}
