/**
 * One process a folder: a second one would write over the first. The lock is a file with the process's
 * id; one whose process is gone (it was killed) is taken over.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PresenceError } from '../../base/errors.ts';

/** Folders held by this process: its own id in a file says nothing (in a container it may always be 1). */
const held = new Set<string>();

/** @returns how to give it back. Throws BAD_SETTING while a living process has it. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, 'lock');
  const owner = await readFile(file, 'utf8').then(Number, () => null);
  if (held.has(folder) || (owner !== null && owner !== process.pid && alive(owner))) {
    throw new PresenceError('BAD_SETTING', `The folder ${folder} is in use by process ${owner}.`, {
      at: 'DATA_DIR',
      retriable: false,
      help: 'Stop that process, or choose another folder.',
    });
  }
  held.add(folder);
  await writeFile(file, String(process.pid)).catch((error) => {
    held.delete(folder);
    throw error;
  });
  return async () => {
    held.delete(folder);
    await rm(file, { force: true });
  };
}

function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
