/** What the sinks count: per batch, never per record. */
import { counter, gauge, histogram } from '../../base/metrics.ts';
import { metrics as runtime } from '../../runtime/metrics.ts';

const sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

export const metrics = {
  batch: histogram('presence_sink_batch_records', 'Records handed to a sink at once.', ['sink'], sizes),
  rows: histogram(
    'presence_sink_batch_rows',
    'Rows written at once: the records of a batch, of each user the last one.',
    ['sink'],
    sizes,
  ),
  seconds: histogram('presence_sink_seconds', 'From having a batch to having written it, repeats included.', ['sink']),
  delay: histogram(
    'presence_sink_delay_seconds',
    "From the broker's stamp on a batch's last record to having written it, by this machine's clock.",
    ['sink'],
  ),
  retries: counter('presence_sink_retries_total', 'Attempts that failed and were made again.', ['sink']),
  reread: counter(
    'presence_sink_rereads_total',
    'Times that a sink found its target behind what was committed, and read again from there.',
    ['sink'],
  ),
  lag: gauge('presence_sink_lag_records', 'Records that a sink has not written yet.', ['sink', 'topic', 'partition']),
  waiting: gauge('presence_sink_waiting_count', 'Partitions whose sink waits for its target.', ['sink']),
} as const;

/** topic and partition → sink → lag: several sinks of one process may read the same topic. */
const lags = new Map<string, Map<string, number>>();

/** Shows a sink's lag, and the worst of this process's readers as presence_consumer_lag_records; null where it reads no more. */
export function showLag(sink: string, topic: string, partition: number, lag: number | null): void {
  const labels = { topic, partition: String(partition) };
  const key = `${topic}/${partition}`;
  const known = lags.get(key) ?? new Map<string, number>();
  lags.set(key, known);
  if (lag === null) {
    known.delete(sink);
    metrics.lag.remove({ sink, ...labels });
  } else {
    known.set(sink, lag);
    metrics.lag.set({ sink, ...labels }, lag);
  }
  if (known.size === 0) runtime.lag.remove(labels);
  else runtime.lag.set(labels, Math.max(...known.values()));
}
