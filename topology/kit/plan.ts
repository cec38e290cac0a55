/**
 * What an edit of the topology does to what is running: can it be rolled out, must something be done first, or must the state be
 * replayed. From two specs alone (describe --json); each changed setting has its own verdict and reason, and the worst one
 * is the plan's.
 */
import { identity, source, stages } from './plan/chain.ts';
import { type Change, summaryOf, type Verdict } from './plan/change.ts';
import { type Incompatibility, schemas } from './plan/schemas.ts';
import { sinks } from './plan/sinks.ts';
import { topics } from './plan/topics.ts';
import type { SystemSpec, TopologySpec } from './spec.ts';

export type { Change, Verdict } from './plan/change.ts';

export interface Plan {
  /** name@version of both. */
  readonly before: string;
  readonly after: string;
  /** The worst of all changes; compatible if there is none. */
  readonly verdict: Verdict;
  readonly changes: readonly Change[];
  readonly stores: readonly string[];
  readonly topics: readonly string[];
  /** false: a replay of signals from before the edit gives other diffs than were given. */
  readonly sameDiffs: boolean;
  /** What could not be compared, and what the version should be. */
  readonly notes: readonly string[];
}

/** `before` may lack topics and schemas: then they are not compared, and a note says so. */
export function plan(before: TopologySpec, after: SystemSpec, incompatibility: Incompatibility): Plan {
  const { topics: known = [], schemas: read = [] } = before as Partial<SystemSpec>;
  const old: SystemSpec = {
    ...before,
    // Of a spec without all topics (a topology's own), those that it has are compared.
    topics: read.length > 0 ? known : after.topics.map((topic) => known.find(({ name }) => name === topic.name) ?? topic),
    schemas: read.length > 0 ? read : after.schemas,
  };
  const changes = [
    ...identity(old, after),
    ...source(old, after),
    ...stages(old, after),
    ...sinks(old, after),
    ...topics(old, after),
    ...schemas(old, after, incompatibility),
  ];
  const summary = summaryOf(changes);
  const notes: string[] = [];
  if (read.length === 0)
    notes.push('The other spec has no schemas, and only the topology’s own topics: the rest was not compared.');
  if (summary.verdict === 'rebuild' && after.version <= before.version)
    notes.push(
      `A rebuild makes another state: raise the version to ${before.version + 1}, so that partition records say which it is.`,
    );
  return {
    before: `${before.name}@${before.version}`,
    after: `${after.name}@${after.version}`,
    ...summary,
    sameDiffs: changes.every((change) => change.sameDiffs),
    notes,
  };
}
