/**
 * Breaks each rule of exactly once in a copy of the project and runs the test that must notice (test/chaos/broken-rules.ts):
 * `npm run mutations:exactly-once`. A part of a rule's text as argument runs those only. Exit 1 if one is not noticed.
 *
 * The law in virtual time runs on `SEEDS` seeds (default 100); some tests start a Kafka of their own. A minute a rule, about.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { type BrokenRule, brokenRules } from '../test/chaos/broken-rules.ts';

const root = resolve(import.meta.dirname, '..');
const left = new Set(['node_modules', '.git', 'dist', 'data', 'coverage']);

/** How many tests of the one named failed; null where it came to no end. */
function failuresOf({ file, find, replace, test }: BrokenRule): number | null {
  const copy = mkdtempSync(join(tmpdir(), 'presence-mutation-'));
  try {
    cpSync(root, copy, { recursive: true, filter: (path) => !left.has(basename(path)) });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const source = readFileSync(join(root, file), 'utf8');
    if (source.split(find).length !== 2) throw new Error(`${file} does not hold exactly once: ${find}`);
    writeFileSync(
      join(copy, file),
      source.replace(find, () => replace),
    );
    const env = { ...process.env, SEEDS: process.env.SEEDS ?? '100', FROM: '1' };
    const report = join(copy, 'report.json');
    const words = ['vitest', 'run', test, '--reporter=json', `--outputFile=${report}`];
    spawnSync('npx', words, { cwd: copy, env, stdio: 'ignore' });
    const { numFailedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8')) as Readonly<Record<string, number>>;
    return numTotalTests === 0 ? null : (numFailedTests ?? null);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const wanted = process.argv[2] ?? '';
const chosen = brokenRules.filter(({ breaks }) => breaks.includes(wanted));
let unnoticed = 0;
for (const rule of chosen) {
  const failures = failuresOf(rule);
  if (failures === null || failures === 0) unnoticed += 1;
  const verdict = failures === null ? 'NOT RUN' : failures === 0 ? 'NOT NOTICED' : `noticed, ${failures} failed`;
  console.log(`${verdict.padEnd(20)} ${rule.breaks} (${rule.file}; ${rule.test})`);
}
console.log(`${chosen.length} rules broken, ${chosen.length - unnoticed} noticed.`);
process.exitCode = unnoticed === 0 && chosen.length > 0 ? 0 : 1;
