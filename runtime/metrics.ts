/**
 * What the runtime counts. Per batch or commit, never per record; labels hold topics, partitions and kinds,
 * never users. What a batch counts is summed up, and brought into the metrics when they are read (`bring`): a batch may hold one
 * signal, and some thirty series would cost more than it does.
 */
import { counter, gauge, histogram } from '../base/metrics.ts';
import type { PartitionProcessor, ProcessorCounts, ProcessorSizes } from '../topology/kit/processor.ts';
import type { Transaction } from './encoding.ts';
import { type PartitionStateName, partitionStates, type TopologyTopics } from './wiring.ts';

export const metrics = {
  lag: gauge('presence_consumer_lag_records', 'Records of the input not yet processed.', ['topic', 'partition']),
  timeLag: gauge(
    'presence_partition_time_lag_seconds',
    "How far a partition's time is behind its broker's clock.",
    ['partition'],
    bring,
  ),
  state: gauge('presence_partition_state', 'Where a partition is in its life: 1 for the state that it is in.', [
    'partition',
    'state',
  ]),
  users: gauge('presence_users_count', 'Users known, in memory or in the image.', ['partition'], bring),
  hotUsers: gauge('presence_users_hot_count', 'Of the users known, those in memory as objects.', ['partition'], bring),
  devices: gauge('presence_devices_count', 'Devices of all users.', ['partition'], bring),
  timers: gauge('presence_timers_armed_count', 'Timers waiting.', ['partition'], bring),
  signals: counter('presence_signals_total', 'Input records processed, by kind.', ['partition', 'kind'], bring),
  stageRecords: counter(
    'presence_stage_records_total',
    'What went into a stage of the topology and what it handed on, by direction: in, out.',
    ['partition', 'stage', 'direction'],
    bring,
  ),
  storeEntries: gauge('presence_store_entries_count', 'Entries in the store of a stage.', ['partition', 'stage', 'store'], bring),
  output: counter('presence_output_records_total', 'Records committed, by the topic that they were written to.', [
    'topic',
    'partition',
  ]),
  duplicates: counter('presence_duplicates_total', 'Signals dropped because their seq was not above the last one.', [], bring),
  ignored: counter(
    'presence_ignored_total',
    'Signals of replaced sessions, or of connections that do not hold the device.',
    [],
    bring,
  ),
  ordinalsMissing: counter(
    'presence_ordinals_missing_total',
    'Ordinals that never came: signals lost between a gateway and the topology.',
    [],
    bring,
  ),
  ordinalsRepeated: counter('presence_ordinals_repeated_total', 'Ordinals that came again and were dropped.', [], bring),
  holes: counter('presence_time_holes_total', "Steps of a partition's time that count for no lease.", [], bring),
  leaps: counter('presence_time_leaps_back_total', "Leaps back of a partition's time.", [], bring),
  cuts: counter('presence_cuts_total', 'Cuts that compared at least one user.', [], bring),
  timersFired: counter('presence_timers_fired_total', 'Timers that fell due.', [], bring),
  windowRecords: histogram(
    'presence_window_records',
    'Records (states and diffs) of one emission.',
    [],
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000],
  ),
  transactionEmissions: histogram(
    'presence_transaction_emissions',
    'Emissions written by one transaction; above 1 when catching up.',
    [],
    [1, 2, 5, 10, 20, 50, 100],
  ),
  commitSeconds: histogram(
    'presence_commit_seconds',
    'From handing a transaction to the log to its being readable, repeats included.',
    ['partition'],
  ),
  commitTroubles: counter('presence_commit_troubles_total', 'Answers to commits other than yes.', ['trouble']),
  positionsFailed: counter(
    'presence_group_positions_failed_total',
    'Positions that the group did not take, at least once only; the next one says as much.',
  ),
  retakes: counter('presence_partition_retakes_total', 'Partitions whose state was dropped and restored, by reason.', ['reason']),
  restoreSeconds: histogram(
    'presence_restore_seconds',
    'From taking a partition to processing.',
    [],
    [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  ),
  restoreRecords: counter('presence_restore_records_total', 'Records read by restores.'),
  ticks: counter('presence_ticks_total', 'Ticks written, by reason: due (a timer or a cut), idle (nothing moved time).', [
    'partition',
    'reason',
  ]),
  ticksFailed: counter('presence_ticks_failed_total', 'Sends of ticks that failed.'),
  tickLateness: histogram(
    'presence_tick_lateness_seconds',
    'By how much a tick landed after the deadline that it was written for.',
  ),
  clockUncertainty: gauge('presence_broker_clock_uncertainty_seconds', "How far the estimate of the broker's clock may be off.", [
    'partition',
  ]),
  deadLetters: counter('presence_dead_letters_total', 'Records put aside into the dead letter topic.', [
    'topic',
    'partition',
    'code',
  ]),
  controlsHeld: gauge('presence_controls_held', 'Control records that wait for the log, or are on their way to it.'),
  controls: counter('presence_controls_total', 'Control records, by what became of them.', ['outcome']),
} as const;

/** Counters without labels, by the name of what a processor counts. */
const plain = {
  duplicates: metrics.duplicates,
  ignored: metrics.ignored,
  ordinalsMissing: metrics.ordinalsMissing,
  ordinalsRepeated: metrics.ordinalsRepeated,
  holes: metrics.holes,
  leapsBack: metrics.leaps,
  cuts: metrics.cuts,
  timersFired: metrics.timersFired,
} as const;
const plainNames = Object.keys(plain) as readonly (keyof typeof plain)[];

type Tally = Record<keyof typeof plain, number> & {
  readonly signals: Record<string, number>;
  readonly stages: { readonly name: string; in: number; out: number }[];
};

/** By partition: what was counted since the metrics were last read. */
const tallies = new Map<number, Tally>();

export function countBatch(partition: number, counts: ProcessorCounts): void {
  const tally = tallies.get(partition);
  if (tally === undefined) {
    tallies.set(partition, { ...counts, signals: { ...counts.signals }, stages: counts.stages.map((stage) => ({ ...stage })) });
    return;
  }
  for (const name of plainNames) tally[name] += counts[name];
  for (const kind in counts.signals) tally.signals[kind] = (tally.signals[kind] ?? 0) + (counts.signals[kind] as number);
  for (const stage of counts.stages) {
    const sum = tally.stages.find(({ name }) => name === stage.name);
    if (sum === undefined) tally.stages.push({ ...stage });
    else {
      sum.in += stage.in;
      sum.out += stage.out;
    }
  }
}

/** Into the metrics. */
function bring(): void {
  for (const [partition, tally] of tallies) {
    const labels = { partition: String(partition) };
    for (const name of plainNames) plain[name].inc(tally[name]);
    for (const [kind, count] of Object.entries(tally.signals)) if (count > 0) metrics.signals.inc({ ...labels, kind }, count);
    for (const { name: stage, in: into, out } of tally.stages) {
      metrics.stageRecords.inc({ ...labels, stage, direction: 'in' }, into);
      metrics.stageRecords.inc({ ...labels, stage, direction: 'out' }, out);
    }
  }
  tallies.clear();
  for (const [partition, { sizes, timeLag_s }] of shown) {
    const labels = { partition: String(partition) };
    for (const { stage, store, entries } of sizes.stores) metrics.storeEntries.set({ ...labels, stage, store }, entries);
    metrics.users.set(labels, sizes.users);
    metrics.hotUsers.set(labels, sizes.hot);
    metrics.devices.set(labels, sizes.devices);
    metrics.timers.set(labels, sizes.timers);
    if (timeLag_s !== null) metrics.timeLag.set(labels, timeLag_s);
  }
}

/** A transaction that has become readable, after `seconds`. The partition record is none of its output. */
export function countCommit(
  topics: Pick<TopologyTopics, 'state' | 'output'>,
  partition: number,
  { states, output, emissions }: Pick<Transaction, 'states' | 'output' | 'emissions'>,
  seconds: number,
): void {
  const labels = { partition: String(partition) };
  metrics.commitSeconds.observe(labels, seconds);
  metrics.transactionEmissions.observe(emissions);
  metrics.output.inc({ ...labels, topic: topics.state }, states.length);
  metrics.output.inc({ ...labels, topic: topics.output }, output.length);
}

/** By partition, as of its last batch. */
const shown = new Map<number, { readonly sizes: ProcessorSizes; readonly timeLag_s: number | null }>();

/** What a processor holds, and how far its time is behind the broker's (null: not known yet). */
export function showProcessor(
  partition: number,
  { sizes, stamp }: Pick<PartitionProcessor<never, never, never, never, never>, 'sizes' | 'stamp'>,
  brokerTime: number | null,
): void {
  shown.set(partition, { sizes, timeLag_s: brokerTime === null ? null : Math.max(0, brokerTime - stamp) / 1_000 });
}

export function showState(partition: number, state: PartitionStateName): void {
  for (const name of partitionStates) metrics.state.set({ partition: String(partition), state: name }, name === state ? 1 : 0);
}

/** A partition that is no longer here shows nothing. */
export function forgetPartition(topic: string, partition: number): void {
  const labels = { partition: String(partition) };
  const { timeLag, users, hotUsers, devices, timers, clockUncertainty, storeEntries } = metrics;
  for (const one of [timeLag, users, hotUsers, devices, timers, clockUncertainty]) one.remove(labels);
  for (const { stage, store } of shown.get(partition)?.sizes.stores ?? []) storeEntries.remove({ ...labels, stage, store });
  shown.delete(partition);
  metrics.lag.remove({ topic, partition: labels.partition });
  for (const state of partitionStates) metrics.state.remove({ ...labels, state });
}
