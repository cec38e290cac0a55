/**
 * Makes a clone runnable with nothing but Node and npm: installs what package-lock.json says, if that is not
 * what is installed. Plain JavaScript on Node's own modules, because it runs before anything is there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname ?? '', '..');

/** Refuses a Node that cannot run this, before something less clear does. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 11)) return;
  process.stderr.write(`Node ${process.versions.node} is too old: 20.11 or later is needed.\n`);
  process.exit(2);
}

/** Runs `npm ci` where node_modules is not what the lockfile says. All output goes to stderr. */
export function ensureInstalled() {
  checkNode();
  if (installed()) return;
  process.stderr.write('Installing the packages of package-lock.json (npm ci).\n');
  const windows = process.platform === 'win32';
  const args = ['ci', '--no-fund', '--no-audit', '--include=dev', '--include=optional'];
  const { status } = spawnSync(windows ? 'npm.cmd' : 'npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: windows });
  if (status === 0) return;
  process.stderr.write('npm ci failed; what it said is above.\n');
  process.exit(1);
}

/** npm's own note of what it installed, written last, names the same versions as the lockfile. */
function installed() {
  const note = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(note)) return false;
  const have = JSON.parse(readFileSync(note, 'utf8')).packages;
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(want).every(([path, wanted]) => {
    const found = have[path];
    // What is optional may be missing: it is for another platform.
    return path === '' || (found === undefined ? wanted.optional === true : found.version === wanted.version);
  });
}
