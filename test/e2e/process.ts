/** `presence` as its users run it: a process of its own, judged by what it prints, serves and ends with. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Presence {
  readonly process: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves with the first match in what it has printed; rejects if it ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<Ended>;
  /** Sends the signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ended>;
}

/** Variables of the machine that would change what is tested. */
const foreign =
  /^(PRESENCE_|KAFKA_|AUTH_|TLS_|(DATABASE|REDIS|SCHEMA_REGISTRY)_URL|DATA_DIR|HOST$|(OPS_|SHARE_)?PORT$|CONNECTIONS_MAX$|ROLE$)/;

export function presence(args: readonly string[], env: Readonly<Record<string, string>> = {}): Presence {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], {
    cwd: root,
    env: { ...clean, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  const heard = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
      for (const look of heard) look();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }) as Ended);
  // A test that fails must not leave processes behind.
  const reap = (): void => void child.kill('SIGKILL');
  process.once('exit', reap);
  void ended.then(() => process.removeListener('exit', reap));
  return {
    process: child,
    get stdout() {
      return said.stdout;
    },
    get stderr() {
      return said.stderr;
    },
    ended,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(said.stdout);
          if (match === null) return;
          heard.delete(look);
          resolve(match);
        };
        heard.add(look);
        look();
        void ended.then(({ code }) =>
          reject(new Error(`ended with ${code} before it printed ${pattern}:\n${said.stderr.slice(-3_000)}`)),
        );
      }),
    end: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}
