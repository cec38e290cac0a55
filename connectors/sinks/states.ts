/**
 * Batches of presence.state into a target that keeps present states: of each user the last record of a batch, and the
 * partition's progress, from the partition records that stand among them (each after the users that it speaks of).
 */
import { PresenceError } from '../../base/errors.ts';
import type { LogBatch, LogRecord } from '../../ports/log.ts';
import type { Gap, ProgressWrite, StateErasure } from '../../ports/presence-cache.ts';
import type { Refused, StateRow } from '../../ports/presence-store.ts';
import type { DeadLetter } from '../../runtime/dead-letters.ts';
import type { Codecs } from '../../schemas/codec.ts';
import type { PartitionState, UserState } from '../../schemas/generated.ts';
import { partitionKey } from '../../schemas/topics.ts';
import type { PartitionWriter, Written } from './sink.ts';

/** A part of a batch; every key at most once. */
export interface StateChunk {
  readonly rows: readonly StateRow[];
  readonly erasures: readonly StateErasure[];
  /** Only with the last part of a batch. */
  readonly progress: readonly ProgressWrite[];
  /** The partition's time, as far as known; 0 if not. */
  readonly stamp: number;
}

export interface StateTarget {
  write(chunk: StateChunk): Promise<{ readonly refused: readonly Refused<StateRow>[]; readonly gaps: readonly Gap[] }>;
}

/** Rows written at once; a larger batch is written in parts. */
const CHUNK_ROWS = 1_000;

export class StateWriter implements PartitionWriter {
  private readonly codecs: Pick<Codecs, 'userState' | 'partitionState' | 'prepare'>;
  private readonly target: StateTarget;
  private readonly partition: number;
  /** Where the progress written next begins: everything from here on was handed over, without a gap. */
  private from: number;
  private known: PartitionState | null = null;

  constructor(options: {
    readonly codecs: Pick<Codecs, 'userState' | 'partitionState' | 'prepare'>;
    readonly target: StateTarget;
    readonly partition: number;
    readonly committed: number;
  }) {
    this.codecs = options.codecs;
    this.target = options.target;
    this.partition = options.partition;
    this.from = options.committed;
  }

  async write(batch: LogBatch): Promise<Written> {
    const unknown = this.codecs.prepare(batch.records.map(({ value }) => value));
    if (unknown !== undefined) await unknown;
    const { users, partition, dead } = this.decode(batch);
    this.known = partition ?? this.known;
    const first = batch.records[0];
    // Handed over again after a failure, or after somebody moved the group's position back.
    if (first !== undefined && first.offset < this.from) this.from = first.offset;

    const rows: StateRow[] = [];
    const erasures: StateErasure[] = [];
    for (const [key, { record, state }] of users) {
      if (state !== null) rows.push({ state, partition: this.partition, offset: record.offset });
      else erasures.push({ key, epoch: this.known?.epoch ?? Number.MAX_SAFE_INTEGER, offset: record.offset });
    }
    const refused: Refused<StateRow>[] = [];
    const gaps: Gap[] = [];
    const progress = this.progress(batch.nextOffset);
    for (let i = 0; i === 0 || i < rows.length; i += CHUNK_ROWS) {
      const last = i + CHUNK_ROWS >= rows.length;
      const chunk = {
        rows: rows.slice(i, i + CHUNK_ROWS),
        erasures: last ? erasures : [],
        progress: last ? progress : [],
        stamp: this.known?.stamp ?? 0,
      };
      const answer = await this.target.write(chunk);
      refused.push(...answer.refused);
      gaps.push(...answer.gaps);
    }
    for (const { row, reason } of refused) {
      const { record } = users.get(row.state.user_id)!;
      dead.push({ record, error: new PresenceError('BAD_INPUT', reason, { at: `offset ${record.offset}`, retriable: false }) });
    }
    const gap = gaps[0];
    if (gap !== undefined) {
      this.from = gap.offset;
      return { dead, rows: rows.length, rereadFrom: gap.offset };
    }
    if (progress.length > 0) this.from = batch.nextOffset;
    return { dead, rows: rows.length };
  }

  /** None until a partition record was seen: without its time nobody could say how fresh the states are. */
  private progress(offset: number): ProgressWrite[] {
    if (this.known === null) return [];
    const { epoch, stamp, offset: input_offset } = this.known;
    return [{ partition: this.partition, epoch, from: this.from, offset, stamp, input_offset }];
  }

  private decode({ records }: LogBatch): {
    users: Map<string, { readonly record: LogRecord; readonly state: UserState | null }>;
    partition: PartitionState | null;
    dead: DeadLetter[];
  } {
    const own = partitionKey(this.partition);
    const users = new Map<string, { record: LogRecord; state: UserState | null }>();
    const dead: DeadLetter[] = [];
    let partition: PartitionState | null = null;
    for (const record of records) {
      try {
        const key = keyOf(record);
        if (key === own) {
          if (record.value !== null) partition = this.codecs.partitionState.decode(record.value);
        } else if (!key.startsWith('#')) {
          users.set(key, {
            record,
            state: record.value === null ? null : userOf(key, this.codecs.userState.decode(record.value)),
          });
        }
      } catch (error) {
        dead.push({ record, error });
      }
    }
    return { users, partition, dead };
  }
}

function keyOf(record: LogRecord): string {
  if (record.key === null)
    throw new PresenceError('UNDECODABLE', 'The record has no key.', { at: `offset ${record.offset}`, retriable: false });
  return record.key.toString('utf8');
}

function userOf(key: string, state: UserState): UserState {
  if (state.user_id === key) return state;
  throw new PresenceError('UNDECODABLE', 'The key names another user than the value.', {
    at: 'presence.state',
    retriable: false,
  });
}
