/**
 * What this machine has, and how it gets what it lacks: as root on Debian by apt, saying what; else the
 * reason why not. What is fetched is kept between runs, in one folder per user.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Thrown where a part cannot be had; its message is the reason that the summary prints. */
export class Unavailable extends Error {}

export const isRoot = process.getuid?.() === 0;

/** Kept between runs: `PRESENCE_CACHE_DIR`, else `$XDG_CACHE_HOME/presence`, else `~/.cache/presence`. */
export const cacheFolder =
  process.env.PRESENCE_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'presence');

export const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

/** Runs a command to its end without holding up the process that also serves the test workers. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
) {
  return new Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.once('error', (error) => resolve({ status: null, stdout, stderr: error.message }));
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** Says on the terminal what takes long or changes the machine. */
export const say = (sentence: string): void => void process.stderr.write(`${sentence}\n`);

/** Makes `command` available, from Debian's `packages` if need be. */
export async function ensureCommand(command: string, packages: readonly string[]): Promise<void> {
  if (has(command)) return;
  if (!isRoot || !has('apt-get')) {
    throw new Unavailable(`${command} is not installed (Debian: apt-get install ${packages.join(' ')})`);
  }
  await withLock('apt', async () => {
    if (has(command)) return;
    say(`Installing ${packages.join(', ')} with apt-get.`);
    const install = ['install', '-y', '--no-install-recommends', ...packages];
    if ((await apt(['update'])) !== '') say('apt-get update failed; trying with the lists that are here.');
    const fault = await apt(install);
    if (fault !== '') throw new Unavailable(`apt-get install ${packages.join(' ')} failed: ${fault}`);
  });
}

/** '' when it went well, else the last line that it said. */
async function apt(args: readonly string[]): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr } = await run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env });
  return status === 0 ? '' : (stderr.trim().split('\n').at(-1) ?? `exit ${status}`);
}

/** A folder of the cache, filled once: `fill` gets an empty folder, which counts only if it returns. */
export async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder, name);
  if (existsSync(folder)) return folder;
  return await withLock(name, async () => {
    if (existsSync(folder)) return folder;
    const draft = `${folder}.${process.pid}`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    try {
      await fill(draft);
      renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
    return folder;
  });
}

/** One process of this user at a time. A lock whose holder is dead is taken over. */
async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(cacheFolder, { recursive: true });
  const lock = join(cacheFolder, `${name}.lock`);
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      if (!alive(lock)) rmSync(lock, { force: true });
      else await sleep(200);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function alive(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(lock, 'utf8')), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Fetches what a pom of maven/ names into a folder of the cache. */
export async function fetchJars(pom: string, name: string, after?: (folder: string) => Promise<void>): Promise<string> {
  await ensureJava();
  return await cached(name, async (folder) => {
    await ensureCommand('mvn', ['maven']);
    say(`Fetching ${name} from Maven Central (once).`);
    const file = join(import.meta.dirname, 'maven', pom);
    // Java takes the home folder from the account, not from $HOME.
    const where = [`-Duser.home=${homedir()}`, `-DoutputDirectory=${folder}`];
    const args = ['-B', '-q', '-Dstyle.color=never', '-f', file, 'dependency:copy-dependencies', ...where];
    const { status, stdout } = await run('mvn', args);
    if (status !== 0) throw new Unavailable(`Maven could not fetch ${name}: ${firstFault(stdout)}`);
    await after?.(folder);
  });
}

const firstFault = (output: string): string =>
  output
    .split('\n')
    .find((line) => line.includes('ERROR'))
    ?.trim() ?? 'no reason given';

async function ensureJava(): Promise<void> {
  await ensureCommand('java', ['default-jre-headless']);
  const version = javaVersion();
  if (version < 17) throw new Unavailable(`Java ${version} is too old: 17 or later is needed`);
}

function javaVersion(): number {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
}
