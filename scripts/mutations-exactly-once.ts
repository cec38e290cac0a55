/**
 * Breaks each rule of exactly once in a copy of the project and runs the test that must notice (test/chaos/broken-rules.ts):
 * `npm run mutations:exactly-once`. A part of a rule's text as argument runs those only. Exit 1 if one is not noticed.
 *
 * The law in virtual time runs on `SEEDS` seeds (default 100); some tests start a Kafka of their own. A minute a rule, about.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type BrokenRule, brokenRules } from '../test/chaos/broken-rules.ts';
import { inBrokenCopy, root } from './broken-copy.ts';

const left = new Set(['node_modules', '.git', 'dist', 'data', 'coverage']);
const copyAll = (copy: string): void => cpSync(root, copy, { recursive: true, filter: (path) => !left.has(basename(path)) });

/** How many tests of the one named failed; null where it came to no end. */
function failuresIn(copy: string, test: string): number | null {
  const env = { ...process.env, SEEDS: process.env.SEEDS ?? '100', FROM: '1' };
  const report = join(copy, 'report.json');
  const words = ['vitest', 'run', test, '--reporter=json', `--outputFile=${report}`];
  spawnSync('npx', words, { cwd: copy, env, stdio: 'ignore' });
  const { numFailedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8')) as Readonly<Record<string, number>>;
  return numTotalTests === 0 ? null : (numFailedTests ?? null);
}

const failuresOf = (rule: BrokenRule): Promise<number | null> =>
  inBrokenCopy(rule, copyAll, (copy) => failuresIn(copy, rule.test));

const wanted = process.argv[2] ?? '';
const chosen = brokenRules.filter(({ breaks }) => breaks.includes(wanted));
let unnoticed = 0;
for (const rule of chosen) {
  const failures = await failuresOf(rule);
  if (failures === null || failures === 0) unnoticed += 1;
  const verdict = failures === null ? 'NOT RUN' : failures === 0 ? 'NOT NOTICED' : `noticed, ${failures} failed`;
  console.log(`${verdict.padEnd(20)} ${rule.breaks} (${rule.file}; ${rule.test})`);
}
console.log(`${chosen.length} rules broken, ${chosen.length - unnoticed} noticed.`);
process.exitCode = unnoticed === 0 && chosen.length > 0 ? 0 : 1;
