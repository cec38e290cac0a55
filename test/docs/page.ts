/** Tables of our Markdown pages, and the sources that they speak of. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** The rows of all tables of a page, cell by cell, without heads. */
export function rowsOf(page: string): readonly (readonly string[])[] {
  return read(page)
    .split('\n')
    .filter((line, index, lines) => line.startsWith('|') && !isHead(line) && !isHead(lines[index + 1] ?? ''))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split('|')
        .map((cell) => cell.trim()),
    );
}

const isHead = (line: string): boolean => /^\|[\s:|-]+\|$/.test(line);

/** What is written in code in a text. */
export const codeIn = (text: string): readonly string[] => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

/** TypeScript of the product: no tests, nothing generated. */
export const sources: readonly string[] = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /^(base|cli|connectors|gateway|ports|processors|replay|runtime|schemas|topology)\/.*\.ts$/.test(file))
  .filter(
    (file) => !/\.(test|scenarios)\.ts$|laws\.ts$|^schemas\/(generated|released)|^topology\/(mutations|scenarios)/.test(file),
  );
