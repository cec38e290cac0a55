/**
 * The laws of a presence topology, each checked on a log made from a seed (processors/swarm.ts):
 *
 * 1. However the log is cut into batches, the same is emitted.
 * 2. Killed and restored anywhere, checkpoints in between or not, the same bytes are emitted.
 * 3. A record written twice changes nothing.
 * 4. Versions rise by one, and each view's diffs chain.
 * 5. A naive model of the rules says the same (processors/reference.ts).
 * 6. Others see of an invisible user what they would see of one who said goodbye.
 * 7. However few users are in memory, the same bytes are emitted (laws-image.ts).
 *
 * A broken law throws with the seed and what differs first.
 */
import { Reference } from '../../processors/reference.ts';
import type { Input } from '../../processors/stage.ts';
import { random, swarm } from '../../processors/swarm.ts';
import type { Signal, UserState } from '../../schemas/generated.ts';
import { type SignalDraft, signal } from '../../schemas/signal.ts';
import { imageLaws } from './laws-image.ts';
import { bytes, encoded, feed, fresh, type LawOptions, type Log, type Run, same } from './laws-kit.ts';
import type { PresenceEmission, PresenceProcessor } from './partition.ts';

export function checkLaws(options: LawOptions): void {
  const rnd = random(options.seed + 1_000_000);
  // Often 0: its windows begin where times of a coarse grid lie (swarm.ts).
  const partition = rnd() < 0.5 ? 0 : Math.floor(rnd() * 8);
  const log = swarm({ seed: options.seed, records: options.records });
  const truth = feed(fresh(options, partition), log, () => 1);
  const run: Run = { options, rnd, partition, log, truth };
  cuts(run);
  restores(run);
  checkpoints(run);
  duplicates(run);
  chains(run);
  reference(run);
  privacy(run);
  imageLaws(run);
}

const printed = (emissions: readonly PresenceEmission[]): string[] =>
  emissions.flatMap((emission) =>
    emission.diffs.map(({ value }) => JSON.stringify({ ...value, received_at: 0, trace_id: null })),
  );

// 1
function cuts({ options, rnd, partition, log, truth }: Run): void {
  for (const { position, partition: record, states, stamp } of truth) {
    const consistent =
      record.offset === position && record.stamp === stamp && states.every(({ value }) => value.offset === position);
    if (!consistent)
      throw new Error(
        `Law broken, seed ${options.seed}: an emission is of one position\n  ${position} ${JSON.stringify(record)}`,
      );
  }
  const withControls = (emissions: readonly PresenceEmission[]) =>
    emissions.map((one) => `${bytes(options, one)} ${JSON.stringify(one.controls)}`);
  const sizes: readonly (() => number)[] = [() => Math.floor(rnd() * 5), () => Math.floor(rnd() * 60), () => log.length];
  for (const size of sizes) {
    same(
      'however the log is cut into batches, the same is emitted',
      options.seed,
      withControls(feed(fresh(options, partition), log, size)),
      withControls(truth),
    );
  }
}

/** Restored from what was committed: the compacted topic, or with some older records still there. */
function restored(run: Run, committed: readonly PresenceEmission[]): PresenceProcessor {
  const { options, rnd, partition, log } = run;
  const { codec } = options;
  const processor = options.topology.processor(partition);
  const last = new Map<string, number>();
  committed.forEach((emission, i) => {
    for (const { key } of emission.states) last.set(key, i);
  });
  const tidyness = rnd();
  committed.forEach((emission, i) => {
    for (const { key, value } of emission.states)
      if (last.get(key) === i || rnd() > tidyness) processor.load(key, codec.state.decode(codec.state.encode(value)));
    if (i === committed.length - 1) processor.loadPartition(codec.partition.decode(codec.partition.encode(emission.partition)));
  });
  const { tailFrom, position } = processor.restore();
  const tail = log.slice(tailFrom, position);
  for (let i = 0; i < tail.length; ) {
    const records = tail.slice(i, i + 1 + Math.floor(rnd() * 20));
    i += records.length;
    processor.tail({ partition, records, nextOffset: position });
  }
  return processor;
}

// 2
function restores(run: Run): void {
  const { options, rnd, log, truth } = run;
  const law = 'killed and restored anywhere, the same bytes are emitted';
  const expected = encoded(options, truth);
  const every = Math.max(1, Math.floor(truth.length / 8));
  for (let k = 1 + Math.floor(rnd() * every); k <= truth.length; k += 1 + Math.floor(rnd() * 2 * every)) {
    const processor = restored(run, truth.slice(0, k));
    const rest = feed(processor, log.slice(processor.position), () => Math.floor(rnd() * 30));
    same(`${law} (after emission ${k})`, options.seed, encoded(options, rest), expected.slice(k));
  }
}

/** With checkpoints, and a restore after each of some of them. */
function checkpoints(run: Run): void {
  const { options, rnd, partition, log, truth } = run;
  const law = 'checkpoints in between or not, the same bytes are emitted';
  const expected = encoded(options, truth);
  const committed: PresenceEmission[] = [];
  const spoken: PresenceEmission[] = [];
  let processor = fresh(options, partition);
  const size = 1 + Math.floor(rnd() * 40);
  let restarts = 8;
  while (processor.position < log.length) {
    const records = log.slice(processor.position, processor.position + 1 + Math.floor(rnd() * size));
    const emissions = processor.process({ partition, records, nextOffset: (records.at(-1)?.offset ?? -1) + 1 });
    committed.push(...emissions);
    spoken.push(...emissions);
    const checkpoint = rnd() < 0.5 ? processor.checkpoint() : null;
    if (checkpoint !== null) committed.push(checkpoint);
    if (rnd() < 0.1 && restarts > 0) {
      processor = restored(run, committed);
      restarts -= 1;
    }
  }
  same(law, options.seed, encoded(options, spoken), expected);
}

// 3
function duplicates({ options, rnd, partition, log, truth }: Run): void {
  const law = 'a record written twice changes nothing';
  const twice: Input<Signal>[] = [];
  const quiet = quietEnd(log);
  for (const record of [...log, ...quiet]) {
    twice.push({ ...record, offset: twice.length });
    while (rnd() < 0.2) {
      const again = twice[Math.floor(rnd() * twice.length)]?.value;
      if (again !== undefined && again.ordinal > 0 && again.kind !== 'marker')
        twice.push({ offset: twice.length, stamp: record.stamp, value: again });
    }
  }
  const once = feed(fresh(options, partition), [...log, ...quiet], () => 50);
  const more = feed(fresh(options, partition), twice, () => 50);
  const diffs = (emissions: readonly PresenceEmission[]) =>
    emissions.flatMap((one) => one.diffs.map(({ value }) => JSON.stringify({ ...value, offset: 0 })));
  same(law, options.seed, diffs(more), diffs(once));
  const states = (emissions: readonly PresenceEmission[]) =>
    [...latest(emissions).values()].map((value) => JSON.stringify({ ...value, offset: 0, epoch: 0 })).sort();
  same(law, options.seed, states(more), states(once));
  if (truth.length > once.length) throw new Error(`Law broken, seed ${options.seed}: a longer log says less`);
}

/** Enough healthy time for everything to be written. */
function quietEnd(log: Log): Input<Signal>[] {
  const highest = log.reduce((stamp, record) => Math.max(stamp, record.stamp), 0);
  return Array.from({ length: 50 }, (_, i) => ({
    offset: log.length + i,
    stamp: highest + 1_000 * (i + 1),
    value: signal({ kind: 'tick' }),
  }));
}

function latest(emissions: readonly PresenceEmission[]): Map<string, UserState> {
  const states = new Map<string, UserState>();
  for (const emission of emissions) for (const { key, value } of emission.states) states.set(key, value);
  return states;
}

// 4
function chains({ options, truth }: Run): void {
  const views = new Map<string, { to: string; version: number; epoch: number }>();
  for (const emission of truth) {
    for (const { value } of emission.diffs) {
      for (const view of value.audience === 'all' ? (['self', 'others'] as const) : [value.audience]) {
        const key = `${value.user_id} ${view}`;
        const before = views.get(key) ?? { to: 'offline', version: 0, epoch: 0 };
        const version = view === 'self' ? value.version : value.public_version;
        const fits =
          value.from === before.to && value.from !== value.to && version === before.version + 1 && value.epoch >= before.epoch;
        if (!fits) throw new Error(`Law broken, seed ${options.seed}: diffs chain\n  ${key} ${JSON.stringify([before, value])}`);
        views.set(key, { to: value.to, version, epoch: value.epoch });
      }
      if (value.to === 'invisible' && value.audience !== 'self')
        throw new Error(`Law broken, seed ${options.seed}: others are told of invisible`);
    }
  }
}

// 5
function reference({ options, partition, log }: Run): void {
  const law = 'a naive model of the rules says the same';
  const quiet = quietEnd(log);
  const model = new Reference({ partition });
  for (const { stamp, offset, value } of [...log, ...quiet]) model.feed(stamp, offset, value);
  const processor = fresh(options, partition);
  const emissions = feed(processor, [...log, ...quiet], () => 50);
  const expected = model.diffs.map((diff) => JSON.stringify({ ...diff, received_at: 0, trace_id: null }));
  same(law, options.seed, printed(emissions), expected);
  const end = processor.checkpoint();
  if (end === null) return; // Something happened in the last window: the records are not written yet.
  const states = [...latest(emissions).values()].map((user) => {
    const devices = user.devices.map(({ device_id, session_id, seq, last_seen }) => [device_id, session_id, seq, last_seen]);
    return JSON.stringify([user.user_id, user.last_seen, user.public.last_seen, devices]);
  });
  const known = [...latest(emissions).keys()].map((key) => {
    const user = model.users.get(key);
    return JSON.stringify([
      key,
      user?.seen,
      user?.othersSeen,
      user?.devices.map(({ id, session, seq, seen }) => [id, session, seq, seen]),
    ]);
  });
  same(law, options.seed, states, known);
  const { missing, repeated } = end.partition;
  same(`${law} (the ledger)`, options.seed, [`${missing} ${repeated}`], [`${model.missing} ${model.repeated}`]);
}

// 6
function privacy({ options, rnd, partition }: Run): void {
  const law = 'others see of an invisible user what they would see of one who said goodbye';
  const user = 'u0';
  const ours = (value: Signal) => value.user_id === user;
  const log = swarm({ seed: options.seed, records: Math.min(200, options.records), withoutOrdinals: true }).filter(
    ({ value }) => !(ours(value) && value.state === 'invisible'),
  );
  const at = Math.floor(rnd() * log.length);
  const model = new Reference({ partition });
  const before = log.slice(0, at);
  for (const { stamp, offset, value } of before) model.feed(stamp, offset, value);
  const devices = model.users.get(user)?.devices ?? [];
  const stamp = log[at]?.stamp ?? 0;
  const hiding: SignalDraft[] = [
    { kind: 'override_set', user_id: user, override_id: 'hidden', state: 'invisible' },
    ...devices.map(() => ({ kind: 'tick' }) as const),
  ];
  const leaving: SignalDraft[] = [
    { kind: 'override_cleared', user_id: user },
    ...devices.map(
      ({ id, session }) =>
        ({
          kind: 'heartbeat',
          user_id: user,
          device_id: id,
          session_id: session,
          seq: 2 ** 50,
          state: 'offline',
          ttl_ms: 1_000,
        }) as const,
    ),
  ];
  const rest = log.slice(at);
  const hidden = rest.filter(({ value }) => !(ours(value) && value.kind.startsWith('override')));
  // Whoever wrote the user's signals still lives when the user is gone.
  const gone = hidden.map((record) =>
    ours(record.value) ? { ...record, value: signal({ kind: 'marker', gateway_id: record.value.gateway_id }) } : record,
  );
  const seen = (middle: readonly SignalDraft[], after: Log): string[] => {
    const records = [...before, ...middle.map((draft) => ({ stamp, value: signal(draft) })), ...after].map((record, offset) => ({
      ...record,
      offset,
    }));
    const emissions = feed(fresh(options, partition), [...records, ...quietEnd(records)], () => 50);
    const diffs = emissions
      .flatMap((emission) => emission.diffs.map(({ value }) => value))
      .filter((diff) => diff.audience !== 'self' && diff.user_id === user);
    const others = latest(emissions).get(user)?.public;
    return [
      ...diffs.map(({ from, to, at: when, public_version, cause, source, device_id }) =>
        JSON.stringify({ from, to, when, public_version, cause, source, device_id }),
      ),
      JSON.stringify(others === undefined ? null : { ...others, ghosts: null }),
    ];
  };
  const asGone = seen(leaving, gone);
  const asHidden = seen(hiding, hidden);
  // A user never heard of has no record to compare.
  if (asGone.at(-1) === 'null') asHidden.pop();
  same(law, options.seed, asHidden, asGone.at(-1) === 'null' ? asGone.slice(0, -1) : asGone);
}
