/**
 * Keeps the list of mutations true to the sources; what they bring is `npm run mutations` (a minute), kept in
 * docs/mutations.md.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutations } from './mutations.ts';
import { scenarios } from './presence.scenarios.ts';

const source = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

test('what a mutation replaces stands exactly once in its file', () => {
  const stale = mutations.filter(({ file, find }) => source(file).split(find).length !== 2);
  expect(stale.map(({ breaks, file }) => `${file}: ${breaks}`)).toEqual([]);
});

test('every rule that has scenarios is broken by at least one mutation, and the other way round', () => {
  const rules = (of: readonly { readonly rule: string }[]) => [...new Set(of.map(({ rule }) => rule))].sort();
  expect(rules(mutations)).toEqual(rules(scenarios));
});

test('docs/mutations.md is of this list', () => {
  const kept = source('docs/mutations.md');
  const missing = mutations.filter(({ rule, breaks }) => !kept.includes(`| ${rule} | ${breaks} |`));
  expect(missing.map(({ breaks }) => breaks)).toEqual([]);
  expect(kept).not.toContain('**none**');
});
