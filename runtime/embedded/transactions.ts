/**
 * Transactional ids of the embedded log. `fence` takes an id: who held it before is refused from then on,
 * and what they left open is aborted. A commit is one frame, so there is nothing half done to settle but
 * what a simulated fault left open.
 */
import { PresenceError } from '../../base/errors.ts';
import type { Appended, LogTransactions } from '../../ports/log.ts';
import type { EmbeddedFaults } from './faults.ts';
import type { Append } from './frame.ts';
import { answerOf, type Store } from './store.ts';

interface TransactionalId {
  epoch: number;
  open: readonly Append[];
}

export function createTransactions(store: Store, faults: EmbeddedFaults): (transactionalId: string) => LogTransactions {
  const ids = new Map<string, TransactionalId>();

  /** Their offsets stay unused, as an aborted transaction's on Kafka do. */
  async function abort(appends: readonly Append[]): Promise<void> {
    await store.write({ appends: appends.map((append) => ({ ...append, records: [] })) });
    for (const { topic, partition, base } of appends) store.partition(topic, partition).release(base);
  }

  return (transactionalId) => {
    const at = `transaction ${transactionalId}`;
    let epoch = 0;
    let unknown = false;
    const fenced = (): PresenceError =>
      new PresenceError('FENCED', 'Another producer has taken this transactional id.', { at, retriable: false });

    async function take(): Promise<void> {
      const state = ids.get(transactionalId) ?? { epoch: 0, open: [] };
      ids.set(transactionalId, state);
      state.epoch += 1;
      epoch = state.epoch;
      unknown = false;
      const left = state.open;
      state.open = [];
      if (left.length > 0) await abort(left);
    }

    return {
      fence: take,
      async reopen() {
        if (epoch > 0 && ids.get(transactionalId)?.epoch !== epoch) throw fenced();
        await take();
      },
      async commit(batches, offsets) {
        const state = ids.get(transactionalId);
        if (state === undefined || epoch === 0)
          throw new PresenceError('INTERNAL', 'commit before fence.', { at, retriable: false });
        if (state.epoch !== epoch) throw fenced();
        if (unknown)
          throw new PresenceError('COMMIT_UNKNOWN', 'The last commit is not settled: call reopen.', { at, retriable: false });
        if (!batches.some(({ records }) => records.length > 0)) {
          throw new PresenceError('INTERNAL', 'A transaction needs at least one record.', { at, retriable: false });
        }
        const appends = store.reserve(batches, true);
        const fault = faults.commit?.(transactionalId);
        if (fault === 'aborted') {
          await abort(appends);
          throw new PresenceError('ABORTED', 'The transaction was aborted.', { at, retriable: true });
        }
        if (fault === 'open') {
          for (const { topic, partition, base } of appends) store.partition(topic, partition).hold(base);
          state.open = appends;
        } else {
          const positions = (offsets?.offsets ?? []).map((position) => ({ group: offsets?.group ?? '', ...position }));
          await store.write({ appends, offsets: positions }).catch((cause: unknown) => {
            throw new PresenceError('ABORTED', 'The transaction could not be written.', { at, retriable: true, cause });
          });
        }
        if (fault === undefined) return appends.map(answerOf);
        unknown = true;
        throw new PresenceError('COMMIT_UNKNOWN', 'The answer to the commit was lost.', { at, retriable: false });
      },
      async append(batches) {
        const state = ids.get(transactionalId);
        if (state === undefined || epoch === 0)
          throw new PresenceError('INTERNAL', 'append before fence.', { at, retriable: false });
        const appended: Appended[] = [];
        for (const batch of batches) {
          // Each time, as a broker does: somebody may take the id between two of them.
          if (state.epoch !== epoch) throw fenced();
          const appends = store.reserve([batch], false);
          await store.write({ appends }).catch((cause: unknown) => {
            throw new PresenceError('COMMIT_UNKNOWN', 'Not all could be written.', { at, retriable: false, cause });
          });
          appended.push(...appends.map(answerOf));
        }
        return appended;
      },
      async close() {},
    };
  };
}
