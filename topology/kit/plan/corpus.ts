/**
 * Edits of the topology, its topics and its schemas, as an author types them, each with what plan must say of it. The tests run
 * all of them; those that can be rolled out are rolled out, in the middle of a scenario (plan.test.ts).
 */
import type { Verdict } from './change.ts';
import { chainEdits } from './corpus/chain.ts';
import { schemaEdits } from './corpus/schemas.ts';
import { settingEdits } from './corpus/settings.ts';
import { sinkEdits } from './corpus/sinks.ts';
import { topicEdits } from './corpus/topics.ts';

export interface CorpusEdit {
  readonly name: string;
  /** test/topology/edited.ts: `file: old => new`. */
  readonly edits: string;
  readonly verdict: Verdict;
  /** Each change, as `verdict place: before -> after`. */
  readonly changes: readonly string[];
  /** Words of the reasons. */
  readonly says: readonly string[];
  readonly stores: readonly string[];
  readonly topics: readonly string[];
  /** Whether the same signals give the same diffs before and after. */
  readonly sameDiffs: boolean;
}

export const corpus: readonly CorpusEdit[] = [...chainEdits, ...settingEdits, ...sinkEdits, ...topicEdits, ...schemaEdits];
