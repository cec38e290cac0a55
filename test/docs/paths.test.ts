/**
 * Whatever our pages link to or name as a path of this repository is there. A path is a link, or code that begins with one of our
 * folders; docs/mutations lists edits of the sources, and is not read.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { read } from './page.ts';

const root = join(import.meta.dirname, '../..');
const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' });
const files = git('ls-files', '--cached', '--others', '--exclude-standard')
  .split('\n')
  .filter((file) => file !== '');
const folders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0] as string));
const pages = files.filter((file) => /^(docs\/)?[\w-]+\.md$/.test(file) && !/^(CHANGELOG|docs\/mutations)/.test(file));

/** Code blocks are commands and edits, which other tests follow. */
const prose = (page: string): string => read(page).replace(/^(`{3,})[\s\S]*?^\1$/gm, '');

function pathsOf(page: string): readonly string[] {
  const text = prose(page);
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => normalize(join(dirname(page), target)));
  const named = [...text.matchAll(/`([\w.-]+(?:\/[\w.-]+)+\/?)(?::\d+)?`/g)]
    .map(([, path = '']) => path)
    .filter((path) => folders.has(path.split('/')[0] as string));
  return [...links, ...named];
}

test('pages are found, and so are their paths', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'docs/lint.md']));
  expect(pathsOf('README.md')).toEqual(expect.arrayContaining(['docs/topology-guide.md', 'gateway/ws/protocol.ts']));
});

test.each(pages)('every path in %s is there', (page) => {
  const gone = pathsOf(page).filter((path) => !existsSync(join(root, path)));
  expect(gone).toEqual([]);
});
