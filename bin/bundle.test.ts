/** What the author's tools are loaded from is made of the sources as they are. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundle } from './bundle.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bundle-'));
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
  write('main.ts', "import { word } from './word.ts';\nexport const said: string = word;\nexport const place = import.meta.url;");
  write('word.ts', "export const word = 'one';");
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (file: string, text: string): void => writeFileSync(join(root, file), text);
const make = (): Promise<URL> => bundle({ root, entry: 'main.ts', leaveOut: (path: string) => path === './never.ts' });
const load = async (): Promise<{ readonly said: string; readonly place: string }> => await import((await make()).href);

test('the same sources give the same bundle, made once', async () => {
  const first = await make();
  const made = statSync(first).mtimeMs;
  expect((await make()).href).toBe(first.href);
  expect(statSync(first).mtimeMs).toBe(made);
});

test('an edit is seen, also one of the same size whose time was set back', async () => {
  expect((await load()).said).toBe('one');
  const { atime, mtime } = statSync(join(root, 'word.ts'));
  write('word.ts', "export const word = 'two';");
  utimesSync(join(root, 'word.ts'), atime, mtime);
  expect((await load()).said).toBe('two');
  write('word.ts', "export const word = 'one';");
  expect((await load()).said).toBe('one');
});

test('other packages make another bundle', async () => {
  const first = await make();
  write('node_modules/.package-lock.json', '{"packages":{}}');
  expect((await make()).href).not.toBe(first.href);
});

test('a source that is new, and one that is gone', async () => {
  await make();
  write('other.ts', "export const word = 'other';");
  write('main.ts', "export { word as said } from './other.ts';");
  rmSync(join(root, 'word.ts'));
  expect((await load()).said).toBe('other');
  rmSync(join(root, 'other.ts'));
  await expect(make()).rejects.toThrow(/main\.ts:1:29: ERROR: Could not resolve "\.\/other\.ts"/);
});

test('a source knows its own place', async () => {
  expect((await load()).place).toBe(pathToFileURL(join(root, 'main.ts')).href);
});

test('what a command never follows need not compile', async () => {
  write('main.ts', "export const said = 'here';\nexport const later = () => import('./never.ts');");
  write('never.ts', '}');
  expect((await load()).said).toBe('here');
});

test('two that start at once do not see half of what the other makes', async () => {
  const made = await Promise.all(Array.from({ length: 4 }, () => load()));
  expect(made.map(({ said }) => said)).toEqual(['one', 'one', 'one', 'one']);
});

test('old bundles are removed', async () => {
  for (let i = 0; i < 8; i += 1) {
    write('word.ts', `export const word = '${i}';`);
    expect((await load()).said).toBe(`${i}`);
  }
  const folder = join(root, 'node_modules/.cache', readdirSync(join(root, 'node_modules/.cache'))[0] as string);
  expect(readdirSync(folder).filter((name) => name !== 'note.json').length).toBeLessThanOrEqual(5);
});
