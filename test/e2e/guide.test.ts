/** docs/topology-guide.md, followed block by block in a copy of the work tree. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyDiff, blocksOf, printsAs, writeBlock } from '../guide/blocks.ts';
import { copyOfTree } from '../guide/copy.ts';
import { freePort } from '../stack/index.ts';

const root = join(import.meta.dirname, '../..');
const blocks = blocksOf(readFileSync(join(root, 'docs/topology-guide.md'), 'utf8'));
let copy = '';
let port = 0;
let output = '';
const running: ChildProcess[] = [];

beforeAll(async () => {
  copy = copyOfTree();
  port = await freePort();
});
afterAll(async () => {
  for (const one of running) if (one.pid !== undefined) process.kill(-one.pid, 'SIGTERM');
  await Promise.all(running.map((one) => (one.exitCode === null ? new Promise((done) => one.once('exit', done)) : null)));
  if (copy !== '') rmSync(copy, { recursive: true, force: true });
});

/** The copy has no npm of its own to ask, and the port of a reader may be taken here. */
const command = (text: string): string =>
  text
    .replaceAll('npx presence', 'node bin/presence.mjs')
    .replaceAll('npx vitest', 'node node_modules/vitest/vitest.mjs')
    .replaceAll('npm start', 'node scripts/start.mjs')
    .replaceAll('8080', String(port));

function shell(text: string, words: readonly string[]): void {
  const env = { ...process.env, PORT: String(port), NO_COLOR: '1', FORCE_COLOR: undefined, VITEST: undefined };
  if (words.includes('background')) {
    running.push(spawn('bash', ['-c', `exec ${command(text)}`], { cwd: copy, env, stdio: 'ignore', detached: true }));
    return;
  }
  const wanted = Number(words.find((word) => word.startsWith('exit='))?.slice(5) ?? 0);
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command(text)], { cwd: copy, env, encoding: 'utf8' });
  output = stdout;
  expect(status, `${stdout}\n${stderr}`).toBe(wanted);
}

test.each(blocks.map((block) => [`line ${block.line}: ${block.language} ${block.words.join(' ')}`, block] as const))(
  '%s',
  (_, block) => {
    if (block.language === 'sh') shell(block.text, block.words);
    else if (block.language === 'diff') applyDiff(copy, block.words[0] as string, block.text);
    else if (block.language === 'text')
      expect(printsAs(block.text, output), `Expected:\n${block.text}\nSeen:\n${output}`).toBe(true);
    else writeBlock(copy, block);
  },
);

test('what the guide leaves behind has the right types', () => {
  const only = { extends: './tsconfig.json', include: [], files: ['topology/presence.ts', 'topology/calendar.test.ts'] };
  writeFileSync(join(copy, 'tsconfig.guide.json'), JSON.stringify(only));
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.guide.json', '--pretty', 'false'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  expect(status, stdout).toBe(0);
});
