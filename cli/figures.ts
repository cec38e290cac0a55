/**
 * What a process knows of the topology as it runs: the spec, and beside it the figures that /topology draws and
 * `presence topology plan --against` reads.
 *
 * **Model.** Nothing is counted here. What a partition is and where it stands comes from the runner; every number comes
 * from the process's own metrics, by name, so that what is drawn and what Prometheus shows cannot differ. Counts run from the
 * start of the process; whoever reads them twice has a rate.
 *
 * A process shows what it does: one without the role topology has no partitions, one without the role sinks no sinks. A
 * partition that nobody shows has no owner, as far as those who were asked know.
 */
import { type MetricValue, valuesOf } from '../base/metrics.ts';
import type { SinkStatus, sinkGroups } from '../connectors/sinks/index.ts';
import type { Runner } from '../runtime/runner.ts';
import type { PartitionStatus } from '../runtime/wiring.ts';
import { topicNames } from '../schemas/topics.ts';
import type { SinkSpec, TopologySpec } from '../topology/kit/index.ts';

/** One partition that this process runs or follows. Counts are since the start of the process. */
export interface PartitionFigures extends PartitionStatus {
  /** How far the partition's time is behind the broker's clock, ms; null before the first batch. */
  readonly time_lag_ms: number | null;
  readonly users: number;
  readonly users_hot: number;
  readonly devices: number;
  readonly timers: number;
  /** Memory of the image of its state; 0 before the restore. */
  readonly image_bytes: number;
  /** Input records processed. */
  readonly signals: number;
  /** By the stage's name. */
  readonly stages: Readonly<Record<string, { readonly in: number; readonly out: number }>>;
  /** Entries by the store's name. */
  readonly stores: Readonly<Record<string, number>>;
  /** Records committed, by topic. */
  readonly output: Readonly<Record<string, number>>;
  readonly commits: number;
  /** Seconds spent in them, all together. */
  readonly commit_seconds: number;
  readonly ticks: number;
  readonly dead_letters: number;
  /** Records that a restore has still to read; 0 when there is none. */
  readonly restore_remaining: number;
}

/** A partition that this process is ready to take over. */
export interface StandbyFigures {
  readonly partition: number;
  readonly records: number;
  readonly bytes: number;
  /** Offsets of the state topic that it has not read yet. */
  readonly lag: number;
}

/** One sink of this process: a consumer group that writes into a target of the spec. */
export interface SinkFigures extends SinkStatus {
  /** Which sinks of the spec it is part of. */
  readonly kind: SinkSpec['kind'];
  readonly topic: string;
  /** Records handed to it, and rows written of them. */
  readonly records: number;
  readonly rows: number;
  readonly batches: number;
  readonly write_seconds: number;
  /** From the broker's stamp on a batch's last record to having written it, of all batches together. */
  readonly delay_seconds: number;
  readonly retries: number;
  /** Lag by partition. */
  readonly partitions: Readonly<Record<string, number>>;
}

export interface GatewayFigures {
  /** The topics at which gateways meet the topology: also said by a process that is none. */
  readonly writes: string;
  readonly reads: string;
  /** Whether this process is one. */
  readonly here: boolean;
  readonly connections: number;
  readonly watches: number;
  /** Signals acknowledged by the log, and held for it now. */
  readonly signals: number;
  readonly held: number;
  readonly diffs_pushed: number;
}

export interface ProcessFigures {
  readonly spec: TopologySpec;
  readonly instance: string;
  readonly roles: readonly string[];
  /** When this was so, and when the process began: ms since 1970. */
  readonly at: number;
  readonly since: number;
  /** How many partitions the topology's topics have; null before the log was reached. */
  readonly partitions_total: number | null;
  readonly partitions: readonly PartitionFigures[];
  readonly standbys: readonly StandbyFigures[];
  readonly sinks: readonly SinkFigures[];
  readonly gateway: GatewayFigures;
}

/** A process as it starts: what it has not started yet is null. */
export interface Watched {
  readonly spec: TopologySpec;
  readonly instance: string;
  readonly roles: readonly string[];
  readonly since: number;
  partitionsTotal: number | null;
  runner: Pick<Runner, 'partitions'> | null;
  sinks: { readonly status: readonly SinkStatus[] } | null;
}

export async function figuresOf(watched: Watched): Promise<ProcessFigures> {
  const { spec, instance, roles, since, partitionsTotal, runner, sinks } = watched;
  const [partitions, standbys, sinkFigures, gateway] = await Promise.all([
    runner === null ? [] : partitionFigures(spec, runner.partitions),
    standbyFigures(),
    sinks === null ? [] : Promise.all(sinks.status.map(sinkFiguresOf)),
    gatewayFigures(roles.includes('gateway')),
  ]);
  const at = Date.now();
  return {
    spec,
    instance,
    roles,
    at,
    since,
    partitions_total: partitionsTotal,
    partitions,
    standbys,
    sinks: sinkFigures,
    gateway,
  };
}

/** Of these series: the sum of those that bear the labels. */
function sum(series: readonly MetricValue[], labels: Readonly<Record<string, string>> = {}, metricName?: string): number {
  const wanted = Object.entries(labels);
  let total = 0;
  for (const one of series) {
    if (metricName !== undefined && one.metricName !== metricName) continue;
    if (wanted.every(([name, value]) => one.labels[name] === value)) total += one.value;
  }
  return total;
}

/** The series of some metrics, by a short name. */
async function read<K extends string>(names: Readonly<Record<K, string>>): Promise<Record<K, readonly MetricValue[]>> {
  const shorts = Object.keys(names) as (string & K)[]; // all of them: the record is ours
  const series = await Promise.all(shorts.map(async (short) => [short, await valuesOf(names[short])] as const));
  return Object.fromEntries(series) as Record<K, readonly MetricValue[]>;
}

const partitionMetrics = {
  timeLag: 'presence_partition_time_lag_seconds',
  users: 'presence_users_count',
  hot: 'presence_users_hot_count',
  devices: 'presence_devices_count',
  timers: 'presence_timers_armed_count',
  image: 'presence_image_bytes',
  signals: 'presence_signals_total',
  stages: 'presence_stage_records_total',
  stores: 'presence_store_entries_count',
  output: 'presence_output_records_total',
  commits: 'presence_commit_seconds',
  ticks: 'presence_ticks_total',
  dead: 'presence_dead_letters_total',
  remaining: 'presence_restore_records_remaining',
} as const;

async function partitionFigures(
  spec: TopologySpec,
  partitions: readonly PartitionStatus[],
): Promise<readonly PartitionFigures[]> {
  const series = await read(partitionMetrics);
  return partitions.map((status) => {
    const labels = { partition: String(status.partition) };
    const timeLag = series.timeLag.find((one) => one.labels.partition === labels.partition);
    const stages = spec.stages.map(({ name }) => [
      name,
      {
        in: sum(series.stages, { ...labels, stage: name, direction: 'in' }),
        out: sum(series.stages, { ...labels, stage: name, direction: 'out' }),
      },
    ]);
    const stores = spec.stages.flatMap((stage) => stage.stores.map(({ name }) => name));
    const topics = spec.sinks.filter(({ kind }) => kind === 'kafka').map(({ target }) => target);
    return {
      ...status,
      time_lag_ms: timeLag === undefined ? null : Math.round(timeLag.value * 1_000),
      users: sum(series.users, labels),
      users_hot: sum(series.hot, labels),
      devices: sum(series.devices, labels),
      timers: sum(series.timers, labels),
      image_bytes: sum(series.image, labels),
      signals: sum(series.signals, labels),
      stages: Object.fromEntries(stages),
      stores: Object.fromEntries(stores.map((store) => [store, sum(series.stores, { ...labels, store })])),
      output: Object.fromEntries(topics.map((topic) => [topic, sum(series.output, { ...labels, topic })])),
      commits: sum(series.commits, labels, `${partitionMetrics.commits}_count`),
      commit_seconds: sum(series.commits, labels, `${partitionMetrics.commits}_sum`),
      ticks: sum(series.ticks, labels),
      dead_letters: sum(series.dead, { ...labels, topic: spec.source.topic }),
      restore_remaining: sum(series.remaining, labels),
    };
  });
}

async function standbyFigures(): Promise<readonly StandbyFigures[]> {
  const series = await read({
    records: 'presence_standby_records',
    bytes: 'presence_standby_bytes',
    lag: 'presence_standby_lag_records',
  });
  return series.records.map(({ labels: { partition }, value: records }) => {
    const labels = { partition: String(partition) };
    return { partition: Number(partition), records, bytes: sum(series.bytes, labels), lag: sum(series.lag, labels) };
  });
}

/** What each sink of connectors/sinks writes for. */
const sinkKinds: Readonly<Record<keyof typeof sinkGroups, { readonly kind: SinkSpec['kind']; readonly topic: string }>> = {
  store: { kind: 'cockroachdb', topic: topicNames.state },
  history: { kind: 'cockroachdb', topic: topicNames.diffs },
  cache: { kind: 'redis', topic: topicNames.state },
};

const sinkMetrics = {
  batches: 'presence_sink_batch_records',
  rows: 'presence_sink_batch_rows',
  seconds: 'presence_sink_seconds',
  delay: 'presence_sink_delay_seconds',
  retries: 'presence_sink_retries_total',
  lag: 'presence_sink_lag_records',
} as const;

async function sinkFiguresOf(status: SinkStatus): Promise<SinkFigures> {
  const labels = { sink: status.sink };
  const series = await read(sinkMetrics);
  const lags = series.lag.filter((one) => one.labels.sink === status.sink);
  return {
    ...status,
    ...sinkKinds[status.sink as keyof typeof sinkKinds],
    records: sum(series.batches, labels, `${sinkMetrics.batches}_sum`),
    batches: sum(series.batches, labels, `${sinkMetrics.batches}_count`),
    rows: sum(series.rows, labels, `${sinkMetrics.rows}_sum`),
    write_seconds: sum(series.seconds, labels, `${sinkMetrics.seconds}_sum`),
    delay_seconds: sum(series.delay, labels, `${sinkMetrics.delay}_sum`),
    retries: sum(series.retries, labels),
    partitions: Object.fromEntries(lags.map((one) => [String(one.labels.partition), one.value])),
  };
}

async function gatewayFigures(here: boolean): Promise<GatewayFigures> {
  const series = await read({
    connections: 'presence_gateway_connections',
    watches: 'presence_gateway_watches',
    signals: 'presence_outbox_signals_total',
    held: 'presence_outbox_held_signals',
    pushed: 'presence_gateway_diffs_pushed_total',
  });
  return {
    writes: topicNames.signals,
    reads: topicNames.diffs,
    here,
    connections: sum(series.connections),
    watches: sum(series.watches),
    signals: sum(series.signals),
    held: sum(series.held),
    diffs_pushed: sum(series.pushed),
  };
}
