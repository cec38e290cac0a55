/**
 * The blocks of docs/topology-guide.md, and how each is followed. The word after a block's language says how:
 * `sh` (exit=N, background) is run, `text` is what the block before it printed (… stands for anything), `diff <file>` is an edit,
 * `ts <file>` a new file, `md append <file>` goes to a file's end.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Block {
  readonly line: number;
  readonly language: string;
  readonly words: readonly string[];
  readonly text: string;
}

export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly fence: string; readonly line: number; readonly info: string; readonly text: string[] } | null = null;
  page.split('\n').forEach((line, i) => {
    const fence = /^(`{3,})(.*)$/.exec(line);
    if (open === null && fence !== null) open = { fence: fence[1] as string, line: i + 1, info: fence[2] as string, text: [] };
    else if (open !== null && line === open.fence) {
      const [language = '', ...words] = open.info.split(' ');
      blocks.push({ line: open.line, language, words, text: open.text.join('\n') });
      open = null;
    } else open?.text.push(line);
  });
  return blocks;
}

/** Lines with - or a blank in front are there, once; those with + or a blank take their place. */
export function applyDiff(root: string, file: string, diff: string): void {
  const lines = diff.split('\n');
  const side = (sign: string): string =>
    lines
      .filter((line) => line.startsWith(sign) || line.startsWith(' '))
      .map((line) => line.slice(1))
      .join('\n');
  const path = join(root, file);
  const text = readFileSync(path, 'utf8');
  const found = text.split(side('-')).length - 1;
  if (found !== 1) throw new Error(`${file} has ${found} places with:\n${side('-')}`);
  writeFileSync(
    path,
    text.replace(side('-'), () => side('+')),
  );
}

export function writeBlock(root: string, { words, text }: Block): void {
  const append = words[0] === 'append';
  const path = join(root, words[append ? 1 : 0] as string);
  mkdirSync(dirname(path), { recursive: true });
  (append ? appendFileSync : writeFileSync)(path, `${text}\n`);
}

/** Whether the output is as printed; … is anything, and a line of it alone any number of lines. */
export function printsAs(expected: string, output: string): boolean {
  const pattern = expected
    .split('\n')
    .map((line) =>
      line === '…'
        ? '(?:.*\n)*?'
        : `${line
            .split('…')
            .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*')}\n`,
    )
    .join('');
  return new RegExp(`^${pattern}$`).test(`${output.trimEnd()}\n`);
}
