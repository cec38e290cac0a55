/**
 * `npm run check`: all that can be said about the code without running it. Every check runs, whatever the
 * others say, so that all faults are reported at once; exit code 1 if there are any.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

ensureInstalled();

const folders = [
  'base',
  'bench',
  'cli',
  'client',
  'connectors',
  'gateway',
  'ports',
  'processors',
  'replay',
  'runtime',
  'schemas',
  'simulation',
];
const cruised = [...folders, 'scripts', 'test', 'topology', 'web', 'vitest.config.ts'].filter((name) =>
  existsSync(join(root, name)),
);

const bin = (name) => join(root, 'node_modules/.bin', name);

/** What each looks at, and the command. */
const checks = [
  ['types', bin('tsc'), ['-p', '.', '--pretty', 'false']],
  ['format and lint', bin('biome'), ['check', '.', '--max-diagnostics=none']],
  ['who imports whom', bin('depcruise'), ['--config', '.dependency-cruiser.cjs', '--output-type', 'err-long', ...cruised]],
  ['generated schemas are fresh', process.execPath, ['--import', 'tsx', 'scripts/generate-schemas.ts', '--check']],
  ['tidy', bin('vitest'), ['run', '--project', 'unit', 'test/tidy.test.ts', '--reporter=dot']],
];

function run([name, command, args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => (output += error.message));
    child.on('close', (code) => resolve({ name, output, passed: code === 0 }));
  });
}

const results = await Promise.all(checks.map(run));
for (const { name, output, passed } of results) {
  if (!passed) process.stdout.write(`\n--- ${name} ---\n${output.trim()}\n`);
}
process.stdout.write('\n');
for (const { name, passed } of results) process.stdout.write(`${passed ? 'ok    ' : 'FAILED'}  ${name}\n`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1; // not exit(): a pipe would lose what it has not taken yet
