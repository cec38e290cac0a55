/** A copy of the project, or of a part of it, in which one rule is broken: one text of one file is another. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');

export interface Break {
  /** From the repository's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** `fill` copies what is needed, `file` among it; the packages are this project's. The copy is gone when `run` has ended. */
export async function inBrokenCopy<T>(
  { file, find, replace }: Break,
  fill: (copy: string) => void,
  run: (copy: string) => T | Promise<T>,
): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'presence-mutation-'));
  try {
    fill(copy);
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const source = readFileSync(join(copy, file), 'utf8');
    if (source.split(find).length !== 2) throw new Error(`${file} does not hold exactly once: ${find}`);
    writeFileSync(
      join(copy, file),
      source.replace(find, () => replace),
    );
    return await run(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
