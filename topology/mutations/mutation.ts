/**
 * Every rule of presence, broken once: a text in a source file, and what to put in its place. `npm run
 * mutations` makes each of these changes in a copy and runs the scenarios on it: at least one must fail, else the rule
 * has no scenario. What it found is kept in docs/mutations.md.
 */
export interface Mutation {
  /** The group in presence.scenarios.ts that must notice. */
  readonly rule: string;
  /** What is no longer so. */
  readonly breaks: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Any scenario may notice it, played with so many users in memory. Default: all are in memory. */
  readonly hotUsers?: number;
}

export type Row = readonly [breaks: string, find: string, replace: string];

export const group = (rule: string, file: string, rows: readonly Row[]): readonly Mutation[] =>
  rows.map(([breaks, find, replace]) => ({ rule, file, breaks, find, replace }));

/** Where the rules are. */
export const presence = 'topology/presence.ts';
export const dedupe = 'processors/dedupe.ts';
export const precedence = 'processors/windowed-precedence.ts';
export const timeout = 'processors/offline-timeout.ts';
export const diff = 'processors/diff.ts';
export const clock = 'processors/clock.ts';
export const record = 'processors/record.ts';
export const view = 'processors/view.ts';
export const views = 'processors/views.ts';
export const tail = 'processors/tail.ts';
export const beats = 'processors/beats.ts';
export const partition = 'topology/kit/partition.ts';
