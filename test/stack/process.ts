/**
 * A server as a process of this machine. It ends with us: where `setpriv` is at hand (every Debian) the
 * kernel kills it when its parent dies, so that a killed test run leaves nothing behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner } from './part.ts';

export interface ProcessOptions {
  /** For messages and the log's name. */
  readonly name: string;
  /** Its data and its log; see `tempFolder`. */
  readonly folder: string;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user (only root can ask for that). */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** What asks it to end in order. Default SIGTERM. After 20 s of that it is killed. */
  readonly stopSignal?: NodeJS.Signals;
}

const survived: readonly NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'];

export function processRunner(options: ProcessOptions): Runner {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  const log = join(options.folder, `${options.name}.log`);

  const start = async (): Promise<void> => {
    const [command, ...args] = [...withParent(), ...options.command] as [string, ...string[]];
    const out = openSync(log, 'a');
    const started = spawn(command, args, {
      cwd: options.folder,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', out, out],
      ...(options.user ?? {}),
    });
    closeSync(out);
    child = started;
    ended = new Promise((resolve) => {
      const end = (): void => {
        if (child === started) child = undefined;
        resolve();
      };
      started.once('exit', end);
      started.once('error', end);
    });
    // A server that cannot begin says so at once; without this look it would be waited for in vain.
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 150))]);
    if (child === undefined) throw new Error(`${options.name} ended at once. Its log:\n${tail(log)}`);
  };

  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child?.kill(signal);
    if (!survived.includes(signal)) await ended;
  };

  const stop = async (): Promise<void> => {
    if (child === undefined) return;
    child.kill('SIGCONT'); // a paused process cannot end in order
    child.kill(options.stopSignal ?? 'SIGTERM');
    const timer = setTimeout(() => child?.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  };

  return { start, stop, kill };
}

const tail = (file: string): string => readFileSync(file, 'utf8').split('\n').slice(-20).join('\n');

let parentPrefix: readonly string[] | undefined;
function withParent(): readonly string[] {
  parentPrefix ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : [];
  return parentPrefix;
}

/**
 * A folder that goes with this process, or with the whole run: a test worker may be ended without a last
 * word, so global-setup.ts names the run's own folder in PRESENCE_STACK_TMP and removes it at the end.
 */
export function tempFolder(name: string): string {
  const folder = mkdtempSync(join(process.env.PRESENCE_STACK_TMP ?? tmpdir(), `presence-${name}-`));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/**
 * A port that nobody listens on. From below the range that the kernel gives to outgoing connections, so
 * that a server that is down for a while finds its port free again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
