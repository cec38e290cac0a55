/** What a benchmark asks of a role while it runs: its own figures, from /metrics. */
import type { Role } from '../../test/load/cluster.ts';

export interface Figures {
  readonly cpu_s: number;
  readonly rss: number;
  readonly heap: number;
  readonly connections: number;
  readonly watches: number;
  readonly pushed: number;
}

/** What a role shows just now: the sum of a metric's series; 0 where it has none. */
export async function sumsOf({ url }: Pick<Role, 'url'>): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)$`, 'gm'))].reduce(
      (total, match) => total + Number(match[1]),
      0,
    );
}

export async function figuresOf(role: Pick<Role, 'url'>): Promise<Figures> {
  const sum = await sumsOf(role);
  return {
    cpu_s: sum('process_cpu_seconds_total'),
    rss: sum('process_resident_memory_bytes'),
    heap: sum('nodejs_heap_size_used_bytes'),
    connections: sum('presence_gateway_connections'),
    watches: sum('presence_gateway_watches'),
    pushed: sum('presence_gateway_diffs_pushed_total'),
  };
}

/** `host:port`, as clients take it. */
export const addressOf = ({ url }: Pick<Role, 'url'>): string => new URL(url).host;

/** The q-th of these, e.g. 0.99; NaN of none. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

export const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
