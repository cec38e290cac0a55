/**
 * How progress moves: never back, and never over records that were not applied. The in-process cache runs this
 * code; the script of the Redis one (redis/scripts.ts) and the statement of the database (cockroach/states.ts)
 * say the same, held to it by the contract suites.
 */
import type { Gap, Progress, ProgressWrite } from '../ports/presence-cache.ts';
import { isNewer } from './blob.ts';

export type ProgressMove =
  | { readonly kind: 'move'; readonly to: Progress }
  | { readonly kind: 'stay' }
  | { readonly kind: 'gap'; readonly gap: Gap };

/** What becomes of `write` where `known` stands now. */
export function progressMove(known: Progress | undefined, write: ProgressWrite): ProgressMove {
  if (write.from > 0 && (known === undefined || known.offset < write.from)) {
    return { kind: 'gap', gap: { partition: write.partition, offset: known?.offset ?? 0 } };
  }
  if (known !== undefined && !isNewer(write, known)) return { kind: 'stay' };
  const { from: _, ...to } = write;
  return { kind: 'move', to };
}
