/**
 * `npm test`: every suite, on real parts where they can be had, then what ran on what. Arguments go on to
 * vitest: `npm test -- test/contract`, `npm test -- -t 'a killed broker'`, `npm test -- --project unit`.
 *
 * The last line is always `N passed, N failed, N skipped`; a file that could not be loaded counts as a failed
 * test. With CI=true a skipped test fails the run. Exit code 0 or 1.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

ensureInstalled();

const args = process.argv.slice(2);
const chosen = args.some((arg) => /^(-t|--testNamePattern)/.test(arg)); // what a name leaves out is not "skipped"
const folder = mkdtempSync(join(tmpdir(), 'presence-test-'));
const reportFile = join(folder, 'report.json');
const partsFile = join(folder, 'parts.jsonl');

const started = performance.now();
const code = await vitest();
const report = readReport();
summarise(report);
rmSync(folder, { recursive: true, force: true });

function vitest() {
  const program = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const child = spawn(process.execPath, [program, 'run', ...reporters, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PRESENCE_STACK_REPORT: partsFile },
  });
  // Ctrl-C reaches vitest too, which stops what it started; we wait for that.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.on('close', (status) => resolve(status ?? 1)));
}

/** Each test as { name, file, status, why }, from vitest's JSON; one failed entry for a file that has none. */
function readReport() {
  if (!existsSync(reportFile)) return [];
  return JSON.parse(readFileSync(reportFile, 'utf8')).testResults.flatMap((result) => {
    const file = relative(root, result.name);
    const broken = result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed');
    const tests = result.assertionResults.map((test) => ({ name: test.fullName, file, status: test.status }));
    return broken ? [...tests, { name: `the file itself: ${firstLine(result.message)}`, file, status: 'failed' }] : tests;
  });
}

function firstLine(text) {
  return (text ?? '').trim().split('\n')[0];
}

function summarise(tests) {
  const of = (...statuses) => tests.filter((test) => statuses.includes(test.status));
  const passed = of('passed');
  const failed = of('failed');
  const skipped = chosen ? [] : of('skipped', 'pending', 'todo', 'disabled');
  // A fault outside any test (an unhandled rejection, a worker that died) is a failure too.
  const outside = code !== 0 && failed.length === 0 && !chosen;
  if (outside) failed.push({ name: 'the run itself: see vitest above', file: '-' });

  const lines = ['', 'What ran on what', ...table(parts())];
  lines.push('', 'Tests by kind', ...table(kinds(tests)));
  if (failed.length > 0) lines.push('', 'Failed', ...failed.map((test) => `  ${test.file}: ${test.name}`));
  if (skipped.length > 0) lines.push('', 'Skipped', ...skipped.map((test) => `  ${test.file}: ${test.name}`));
  const forbidden = process.env.CI === 'true' && skipped.length > 0;
  if (forbidden) lines.push('', 'CI=true: nothing may be skipped.');
  lines.push('', `${Math.round((performance.now() - started) / 1000)} s`);
  lines.push(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = code !== 0 || failed.length > 0 || forbidden ? 1 : 0;
}

/** What the stack said of each part that a suite asked for (test/stack/skip.ts). */
function parts() {
  const lines = existsSync(partsFile) ? readFileSync(partsFile, 'utf8').trim().split('\n') : [];
  const said = new Map(lines.map((line) => JSON.parse(line)).map(({ name, what }) => [name, what]));
  return [
    ...['Kafka', 'Schema registry', 'Redis', 'PostgreSQL', 'Browser'].map((name) => [name, said.get(name) ?? 'not asked for']),
    ['Embedded parts', 'embedded log and registry, in-process cache: this repository'],
    ['Runtime', `Node ${process.versions.node} on ${process.platform} ${process.arch}`],
  ];
}

function kinds(tests) {
  const counts = new Map();
  for (const { file, status } of tests) {
    const kind =
      file.startsWith('test/') && file.split('/').length > 2 ? file.split('/').slice(0, 2).join('/') : file.split('/')[0];
    const entry = counts.get(kind) ?? { passed: 0, failed: 0, skipped: 0 };
    entry[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1;
    counts.set(kind, entry);
  }
  return [...counts].sort().map(([kind, n]) => [kind, `${n.passed} passed, ${n.failed} failed, ${n.skipped} skipped`]);
}

function table(rows) {
  const width = Math.max(...rows.map(([left]) => left.length), 0);
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
