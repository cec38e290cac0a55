/**
 * The one registry of metrics. Parts declare theirs beside their code with these helpers, so that a
 * name is declared once and two instances in one process (tests, `--role all`) share it.
 *
 * Names: presence_<name>_<unit>[_total]. No user ids in labels. Per batch, never per record.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export const registry = new Registry();

// The process itself: CPU, memory, event loop lag, collections.
collectDefaultMetrics({ register: registry });

/** `collect` runs before it is read: for what is summed up elsewhere meanwhile, where adding would cost too much. */
export function counter<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  collect: () => void = () => {},
): Counter<L> {
  const known = registry.getSingleMetric(name);
  return known !== undefined
    ? (known as Counter<L>)
    : new Counter({ name, help, labelNames: [...labelNames], collect, registers: [registry] });
}

export function gauge<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  collect: () => void = () => {},
): Gauge<L> {
  const known = registry.getSingleMetric(name);
  return known !== undefined
    ? (known as Gauge<L>)
    : new Gauge({ name, help, labelNames: [...labelNames], collect, registers: [registry] });
}

/** Buckets in the metric's own unit; by default seconds from 1 ms to 30 s. */
export const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 3, 4, 5, 10, 30];

export function histogram<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  buckets: readonly number[] = secondsBuckets,
): Histogram<L> {
  const known = registry.getSingleMetric(name);
  return known !== undefined
    ? (known as Histogram<L>)
    : new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers: [registry] });
}

export interface MetricValue {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
  /** Of a histogram: the name with `_sum`, `_count` or `_bucket`. */
  readonly metricName?: string;
}

/** What a metric shows now, series by series; empty where no part of this process has declared it. */
export async function valuesOf(name: string): Promise<readonly MetricValue[]> {
  const metric = registry.getSingleMetric(name);
  return metric === undefined ? [] : ((await metric.get()).values as readonly MetricValue[]);
}
