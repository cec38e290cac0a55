/**
 * From what processes say each second to what is shown: partitions of all processes put together, counts turned into rates.
 *
 * Counts run from the start of a process; a rate is the difference of two of them over the time between, as the process's
 * own clock has it. The last HISTORY_S seconds are kept for the sparklines. A process that began anew, or a partition that
 * has moved to another one, begins a new history: a count that falls is never a rate.
 */

export const HISTORY_S = 120;
/** Rates shown as numbers are over this long, so that they can be read. */
const RATE_S = 4;

/** A count over time: what its rate is now, and was. */
class Track {
  samples = [];
  owner = '';

  add(owner, at, count) {
    const last = this.samples.at(-1);
    if (owner !== this.owner || (last !== undefined && count < last.count)) this.samples = [];
    this.owner = owner;
    if (this.samples.at(-1)?.at === at) return;
    this.samples.push({ at, count });
    while (this.samples.length > 2 && at - this.samples[0].at > HISTORY_S * 1_000) this.samples.shift();
  }

  /** A second, over the last few; null before there are two samples. */
  get rate() {
    const last = this.samples.at(-1);
    const first = this.samples.find(({ at }) => last.at - at <= RATE_S * 1_000);
    if (last === undefined || first === undefined || first.at === last.at) return null;
    return ((last.count - first.count) * 1_000) / (last.at - first.at);
  }

  /** Rates from sample to sample, oldest first: [ms before the last one, rate]. */
  get line() {
    const end = this.samples.at(-1)?.at ?? 0;
    return this.samples.slice(1).map(({ at, count }, index) => {
      const before = this.samples[index];
      return [end - at, ((count - before.count) * 1_000) / Math.max(1, at - before.at)];
    });
  }
}

const total = (values) => values.reduce((sum, value) => sum + (value ?? 0), 0);
/** The sum of what is known; null where nothing is. */
const known = (values) => (values.every((value) => value === null) ? null : total(values));

export class Figures {
  #tracks = new Map();
  /** By partition: what its restore had to read when it was first seen. */
  #restores = new Map();
  processes = [];
  unheard = [];
  complete = false;
  spec = null;
  /** All of it, whoever runs it, by number; those that nobody showed included. */
  partitions = [];

  /** What /topology/live has said. */
  learn({ processes, complete }) {
    this.processes = processes.filter((one) => one.spec !== undefined);
    this.unheard = processes.filter((one) => one.spec === undefined);
    this.complete = complete;
    const running = this.processes.find(({ partitions }) => partitions.length > 0);
    this.spec = (running ?? this.processes[0]).spec;
    this.#learnPartitions();
    for (const process of this.processes) {
      const owner = `${process.instance}/${process.since}`;
      const count = (name, value) => this.#track(`${name}@${process.instance}`).add(owner, process.at, value);
      for (const sink of process.sinks) {
        for (const name of ['records', 'rows', 'batches', 'write_seconds', 'delay_seconds', 'retries'])
          count(`sink:${sink.sink}:${name}`, sink[name]);
      }
      count('gateway:signals', process.gateway.signals);
      count('gateway:pushed', process.gateway.diffs_pushed);
    }
  }

  #learnPartitions() {
    const byNumber = new Map();
    for (const process of this.processes) {
      for (const partition of process.partitions) {
        const other = byNumber.get(partition.partition);
        // Two may show one while it moves: the one that runs it counts.
        if (other !== undefined && rank(other) >= rank(partition)) continue;
        byNumber.set(partition.partition, { ...partition, instance: process.instance, process });
      }
    }
    this.#learnStandbys(byNumber);
    for (const one of byNumber.values()) if (one.absent !== true) this.#count(one);
    const all = Math.max(0, ...this.processes.map((one) => one.partitions_total ?? 0), ...[...byNumber.keys()].map((n) => n + 1));
    const missing = this.complete ? 'no owner' : 'not here';
    this.partitions = Array.from({ length: all }, (_, n) => byNumber.get(n) ?? { partition: n, state: missing, absent: true });
  }

  /** A standby is said of the partition that it stands by; where nobody runs it, it is what there is. */
  #learnStandbys(byNumber) {
    for (const { instance, standbys = [] } of this.processes) {
      for (const { partition, lag } of standbys) {
        const one = byNumber.get(partition) ?? { partition, state: 'standby', absent: true };
        byNumber.set(partition, { ...one, standbys: [...(one.standbys ?? []), { instance, lag }] });
      }
    }
    for (const one of byNumber.values()) this.#learnRestore(one);
  }

  /** How far a restore has come: against the most that it was seen to have before it. */
  #learnRestore(one) {
    const left = one.restore_remaining ?? 0;
    if (one.state !== 'restoring' || left === 0) return void this.#restores.delete(one.partition);
    const total = Math.max(left, this.#restores.get(one.partition) ?? 0);
    this.#restores.set(one.partition, total);
    one.restore = { done: total - left, total };
  }

  #count(one) {
    const { process, partition } = one;
    const owner = `${process.instance}/${process.since}`;
    const count = (name, value) => this.#track(`${name}@${partition}`).add(owner, process.at, value);
    count('signals', one.signals);
    for (const [stage, { in: into, out }] of Object.entries(one.stages)) {
      count(`in:${stage}`, into);
      count(`out:${stage}`, out);
    }
    for (const [topic, records] of Object.entries(one.output)) count(`to:${topic}`, records);
    for (const name of ['commits', 'commit_seconds', 'ticks', 'dead_letters']) count(name, one[name]);
  }

  #track(key) {
    let track = this.#tracks.get(key);
    if (track === undefined) this.#tracks.set(key, (track = new Track()));
    return track;
  }

  /** The partitions that somebody shows. */
  get shown() {
    return this.partitions.filter(({ absent }) => absent !== true);
  }

  /** A rate of one partition, or of all together. */
  rate(name, partition) {
    if (partition !== undefined) return this.#track(`${name}@${partition}`).rate;
    return known(this.shown.map((one) => this.#track(`${name}@${one.partition}`).rate));
  }

  /** The rates of the last two minutes, by second: `[seconds ago, rate]`. */
  line(name, partition) {
    const lines = (partition === undefined ? this.shown.map((one) => one.partition) : [partition]).map(
      (n) => this.#track(`${name}@${n}`).line,
    );
    const seconds = new Map();
    for (const line of lines) {
      // Of a partition each second counts once, whatever the beat of the answers.
      const own = new Map(line.map(([ago, rate]) => [Math.round(ago / 1_000), rate]));
      for (const [ago, rate] of own) seconds.set(ago, (seconds.get(ago) ?? 0) + rate);
    }
    return [...seconds].sort(([a], [b]) => b - a);
  }

  /** Of a process's own counts: all processes together. */
  processRate(name) {
    return known(this.processes.map(({ instance }) => this.#track(`${name}@${instance}`).rate));
  }

  /** One number of all partitions. */
  sum(name) {
    return known(this.shown.map((one) => one[name] ?? null));
  }
  worst(name) {
    const values = this.shown.map((one) => one[name]).filter((value) => value !== null && value !== undefined);
    return values.length === 0 ? null : Math.max(...values);
  }
  entries(store) {
    return known(this.shown.map((one) => one.stores[store] ?? null));
  }

  /** How long a commit takes, ms, over the last seconds. */
  commitMs(partition) {
    const commits = this.rate('commits', partition);
    return commits === null || commits === 0 ? null : (this.rate('commit_seconds', partition) / commits) * 1_000;
  }

  /** The sinks of all processes that write for a sink of the spec, those of one name put together. */
  sinksOf(kind) {
    const byName = new Map();
    for (const process of this.processes) {
      for (const sink of process.sinks.filter((one) => one.kind === kind)) {
        const lag = (byName.get(sink.sink)?.lag ?? 0) + sink.lag;
        const problem = byName.get(sink.sink)?.problem ?? sink.problem;
        const state = sink.state === 'running' ? (byName.get(sink.sink)?.state ?? 'running') : sink.state;
        byName.set(sink.sink, { ...sink, lag, problem, state });
      }
    }
    return [...byName.values()].map((sink) => this.#sinkRates(sink));
  }

  #sinkRates(sink) {
    const rate = (name) => this.processRate(`sink:${sink.sink}:${name}`);
    const batches = rate('batches');
    const each = (name) => (batches === null || batches === 0 ? null : (rate(name) / batches) * 1_000);
    const rates = { records_s: rate('records'), rows_s: rate('rows'), retries_s: rate('retries') };
    return { ...sink, ...rates, write_ms: each('write_seconds'), delay_ms: each('delay_seconds') };
  }

  get gateways() {
    return this.processes.filter(({ gateway }) => gateway.here);
  }
  gatewaySum(name) {
    return this.gateways.length === 0 ? null : total(this.gateways.map(({ gateway }) => gateway[name]));
  }

  /** Specs other than the one drawn, by the processes that run them. */
  get others() {
    const own = JSON.stringify(this.spec);
    return this.processes.filter(({ spec }) => JSON.stringify(spec) !== own).map(({ instance }) => instance);
  }
}

/** Which of two that show the same partition runs it. */
const rank = ({ state }) => ['revoked', 'standby', 'fenced', 'parked', 'fencing', 'restoring'].indexOf(state) + 1 || 99;
