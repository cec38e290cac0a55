/** A clone as an author has it, in which a test may edit. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** The work tree as it is, committed, with the packages of this one. The caller removes it. */
export function copyOfTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'clone-'));
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: copy, stdio: 'ignore' });
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  const wanted = files.split('\n').filter((file) => file !== '' && !file.startsWith('docs/mutations'));
  for (const file of wanted) cpSync(join(root, file), join(copy, file), { recursive: true, errorOnExist: false });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  git('init', '-q');
  git('add', '-A');
  git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-q', '-m', 'a clone');
  return copy;
}
