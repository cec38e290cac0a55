/**
 * How long a partition has no owner: from a fault to the first commit that its new owner makes, by the broker's stamp on it.
 * Who owns what is read from the instances' own logs ("A partition has been taken."), in which times are the same machine's.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Done } from './instances.ts';

/** An instance has restored a partition and runs it from now on. */
interface Taking {
  readonly time: number;
  readonly slot: number;
  readonly partition: number;
}

export interface Takeover {
  /**
   * `kill`, `pause`, `stop`; then `by itself` where the same instance took it again before another did, `among others` where
   * another fault of the round came into it.
   */
  readonly kind: string;
  readonly partition: number;
  readonly ms: number;
}

const TAKEN = 'A partition has been taken.';

function takingsOf(logFiles: readonly string[]): Taking[] {
  const takings: Taking[] = [];
  logFiles.forEach((file, slot) => {
    if (!existsSync(file)) return;
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (!line.includes(TAKEN)) continue;
      const { time, partition } = JSON.parse(line) as Taking;
      takings.push({ time, slot, partition });
    }
  });
  return takings.sort((a, b) => a.time - b.time);
}

/**
 * Of each fault of an instance, each partition that it had.
 * @param commits the broker's stamps of the commits, by partition, ascending
 */
export function takeovers(
  done: readonly Done[],
  logFiles: readonly string[],
  commits: readonly (readonly number[])[],
): Takeover[] {
  const takings = takingsOf(logFiles);
  return done.flatMap(({ fault, at }) => {
    if (!('slot' in fault)) return [];
    const owner = new Map<number, number>();
    for (const { time, slot, partition } of takings) if (time < at) owner.set(partition, slot);
    const moved = [...owner].filter(([, slot]) => slot === fault.slot);
    return moved.flatMap(([partition]): Takeover[] => {
      const next = takings.find((taking) => taking.time > at && taking.partition === partition);
      if (next === undefined) return [];
      const first = commits[partition]?.find((stamp) => stamp >= next.time);
      const other = done.some((one) => one.fault !== fault && one.at <= (first ?? at) && one.ended >= at);
      if (first === undefined) return [];
      const how = `${next.slot === fault.slot ? ', by itself' : ''}${other ? ', among others' : ''}`;
      return [{ kind: `${fault.kind}${how}`, partition, ms: first - at }];
    });
  });
}

export interface Distribution {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function distribution(samples: readonly number[]): Distribution {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { n: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
