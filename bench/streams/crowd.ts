/** Processes of clients, as a benchmark has them: opened, watched until they have settled, added up. */
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Crowd, Report, ToClients } from './messages.ts';

/** A process has 20,000 file descriptors on many machines. */
export const CLIENTS_A_PROCESS = 19_000;

export class Clients {
  readonly #processes: readonly ChildProcess[];
  readonly #count: number;

  /** Shares the crowd out to as many processes as it needs. */
  constructor(crowd: Crowd, processes = Math.ceil(crowd.count / CLIENTS_A_PROCESS)) {
    this.#count = crowd.count;
    const each = Math.ceil(crowd.count / processes);
    this.#processes = Array.from({ length: processes }, (_, i) => {
      const child = fork(fileURLToPath(new URL('clients.ts', import.meta.url)), {
        execArgv: ['--import', import.meta.resolve('tsx')],
      });
      const first = crowd.first + i * each;
      const count = Math.min(each, crowd.first + crowd.count - first);
      const { perSecond, changes } = crowd;
      const share = { perSecond: perSecond / processes, changes: changes / processes };
      child.send({ do: 'open', crowd: { ...crowd, first, count, ...share } } satisfies ToClients);
      return child;
    });
  }

  /** Of all processes together. */
  async report(): Promise<Report> {
    const reports = await Promise.all(
      this.#processes.map(
        (child) =>
          new Promise<Report>((resolve, reject) => {
            child.once('exit', () => reject(new Error('A process of clients has ended.')));
            child.once('message', (message) => {
              child.removeAllListeners('exit');
              resolve(message as Report);
            });
            child.send({ do: 'report' } satisfies ToClients);
          }),
      ),
    );
    return reports.reduce(add);
  }

  async reset(): Promise<void> {
    this.#tell({ do: 'reset' });
    await this.report(); // so that it has been done
  }

  /** A share of each process's clients reads nothing more; 0: all read again. */
  async stall(share: number): Promise<void> {
    this.#tell({ do: 'stall', share });
    await this.report();
  }

  /** Until all have their snapshot; throws after `within_ms` without one more. */
  async settle(within_ms: number, say: (text: string) => void): Promise<void> {
    let most = -1;
    let since = performance.now();
    for (;;) {
      const { settled, open, closes } = await this.report();
      if (settled >= this.#count) return;
      if (settled > most) {
        most = settled;
        since = performance.now();
      }
      if (performance.now() - since > within_ms)
        throw new Error(
          `${settled} of ${this.#count} clients have settled, ${open} are connected; closes: ${JSON.stringify(closes)}`,
        );
      say(`${settled} of ${this.#count} clients have settled`);
      await sleep(1_000);
    }
  }

  async end(): Promise<void> {
    this.#tell({ do: 'leave' });
    await sleep(500);
    for (const child of this.#processes) child.kill();
  }

  #tell(message: ToClients): void {
    for (const child of this.#processes) child.send(message);
  }
}

function add(a: Report, b: Report): Report {
  const closes: Record<string, number> = { ...a.closes };
  for (const [why, times] of Object.entries(b.closes)) closes[why] = (closes[why] ?? 0) + times;
  return {
    settled: a.settled + b.settled,
    open: a.open + b.open,
    diffs: a.diffs + b.diffs,
    frames: a.frames + b.frames,
    bytes: a.bytes + b.bytes,
    snapshots: a.snapshots + b.snapshots,
    reconnects: a.reconnects + b.reconnects,
    offline: a.offline + b.offline,
    closes,
    latency_ms: a.latency_ms.concat(b.latency_ms),
    away_ms: a.away_ms.concat(b.away_ms),
    cpu_s: a.cpu_s + b.cpu_s,
  };
}
