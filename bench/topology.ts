/**
 * Signals a second of one partition in process: the whole chain on decoded signals, nothing of the log, no encoding.
 *
 * Signals are made in stretches, outside of what is measured, and processed in batches of 1,000. What is measured is the
 * process's CPU time, so that a busy machine does not matter much; the garbage collector's threads are in it, with the
 * chain's garbage, but not the signals' own (collected between stretches).
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Batch, Input } from '../processors/stage.ts';
import { random } from '../processors/swarm.ts';
import { avroType, readSchema } from '../schemas/avsc.ts';
import type { Signal, State } from '../schemas/generated.ts';
import { type SignalDraft, signal } from '../schemas/signal.ts';
import { SignalReader } from '../schemas/signal-reader.ts';
import { presence } from '../topology/presence.ts';

const HELP = `npm run bench:topology -- [--records N] [--users N] [--only TEXT]

Runs the presence topology in process on made signals, and prints what it takes and what it says, a row a kind of traffic.

  --records N   signals measured a row (default 1000000); half as many more go before, unmeasured
  --users N     users (default 100000)
  --only TEXT   the rows whose name holds it
`;

const BATCH = 1_000;
/** Signals made at a time, before they are measured. */
const STRETCH = 50_000;
const START = 1_700_000_000_000;
const GATEWAYS = 10;
const spoken: readonly State[] = ['dnd', 'busy', 'online', 'away'];

const avro = avroType(readSchema('Signal'));
const reader = new SignalReader();
/** As it comes from the log: the reader's own object, with a user's id that nobody has seen before. */
function decoded(draft: SignalDraft): Signal {
  const bytes = avro.toBuffer(signal(draft));
  const read = reader.read(bytes, 0, bytes.length);
  if (read === null) throw new Error(`A signal that is none: ${JSON.stringify(draft)}`);
  return read;
}

/** What a device says next; users are numbered from 0. */
type Maker = (rnd: () => number, i: number) => SignalDraft;

interface Row {
  readonly name: string;
  /** Of the log's time: signals a millisecond. */
  readonly perMs: number;
  readonly make: (users: number) => Maker;
}

const device = (user: number, id = 'd') => ({ user_id: `user-${user}`, device_id: id, session_id: `s-${user}` });

/** Users come in turn for the first round, then at random. */
const anyUser = (users: number, rnd: () => number, i: number): number => (i < users ? i : Math.floor(rnd() * users));

function beats(users: number): (user: number) => SignalDraft {
  const seqs = new Uint32Array(users);
  return (user) => {
    seqs[user] = (seqs[user] ?? 0) + 1;
    return { kind: 'heartbeat', ...device(user), gateway_id: `g${user % GATEWAYS}`, seq: seqs[user] ?? 0, ttl_ms: 60_000 };
  };
}

/** One to three devices a user, each beating every second with a ttl; a tenth repeats; 8% end in a diff. */
function everySecond(users: number): Maker {
  const devices: number[] = [];
  for (let user = 0; user < users; user += 1) for (let k = 0; k <= user % 3; k += 1) devices.push(user * 4 + k);
  const seqs = new Uint32Array(devices.length);
  const ordinals = new Uint32Array(GATEWAYS);
  // Whose turn it is: coprime to their number, so that each comes once a second, in no order of memory.
  const stride = 100_003;
  let turn = 0;
  let last: SignalDraft | null = null;
  return (rnd) => {
    if (last !== null && rnd() < 0.1) {
      // The client said it again: to its gateway it is a signal like any other.
      const gateway = Number(last.gateway_id?.slice(1));
      return { ...last, ordinal: (ordinals[gateway] = (ordinals[gateway] ?? 0) + 1) };
    }
    const at = (turn * stride) % devices.length;
    turn += 1;
    const user = (devices[at] as number) >> 2;
    const k = (devices[at] as number) & 3;
    const gateway = user % GATEWAYS;
    const seq = (seqs[at] = (seqs[at] ?? 0) + 1);
    ordinals[gateway] = (ordinals[gateway] ?? 0) + 1;
    // The first device speaks for the user (in two out of three of such signals something else than before).
    const says = k === 0 && turn > devices.length && rnd() < 0.182 ? { state: spoken[seq % 4] ?? 'busy' } : {};
    last = { kind: 'heartbeat', ...device(user, `d${k}`), gateway_id: `g${gateway}`, seq, ttl_ms: 60_000, ...says };
    return { ...last, ordinal: ordinals[gateway] ?? 0 };
  };
}

const rows: readonly Row[] = [
  { name: '1-3 devices beat each second', perMs: 222, make: everySecond },
  {
    name: 'HTTP heartbeats',
    perMs: 100,
    make: (users) => {
      const beat = beats(users);
      return (rnd, i) => beat(anyUser(users, rnd, i));
    },
  },
  {
    name: 'HTTP heartbeats, 1 in 4 a change',
    perMs: 100,
    make: (users) => {
      const beat = beats(users);
      return (rnd, i) => {
        const signal = beat(anyUser(users, rnd, i));
        return i % 4 === 0 ? { ...signal, state: spoken[i % 3] ?? 'busy' } : signal;
      };
    },
  },
  {
    name: 'changes of state',
    perMs: 100,
    make: (users) => {
      const beat = beats(users);
      return (rnd, i) => ({ ...beat(anyUser(users, rnd, i)), state: spoken[i % 4] ?? 'busy' });
    },
  },
  {
    name: 'hello and goodbye',
    perMs: 100,
    make: (users) => (rnd, i) => {
      const user = anyUser(users, rnd, i);
      const spoke = { ...device(user), gateway_id: `g${user % GATEWAYS}`, connection_id: `c${user}` };
      return i < users || i % 2 === 0 ? { kind: 'hello', ...spoke } : { kind: 'goodbye', ...spoke, session_id: null };
    },
  },
];

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;

interface Figures {
  readonly perSecond: number;
  readonly users: number;
  readonly devices: number;
  readonly diffs: number;
  readonly states: number;
}

function measure(row: Row, records: number, users: number): Figures {
  const processor = presence.processor(0);
  processor.restore();
  const make = row.make(users);
  const rnd = random(7);
  let offset = 0;
  const stretch = (): Batch<Signal>[] => {
    const batches: Batch<Signal>[] = [];
    for (let k = 0; k < STRETCH; k += BATCH) {
      const inputs: Input<Signal>[] = [];
      for (let i = 0; i < BATCH; i += 1, offset += 1)
        inputs.push({ offset, stamp: START + Math.floor(offset / row.perMs), value: decoded(make(rnd, offset)) });
      batches.push({ partition: 0, records: inputs, nextOffset: offset });
    }
    return batches;
  };
  let states = 0;
  let diffs = 0;
  const process1 = (batches: readonly Batch<Signal>[]): void => {
    for (const batch of batches) {
      for (const emission of processor.process(batch)) {
        states += emission.states.length;
        diffs += emission.diffs.length;
      }
    }
  };
  while (offset < 2 * users + records / 2) process1(stretch());
  states = diffs = 0;
  let micros = 0;
  const from = offset;
  while (offset < from + records) {
    const batches = stretch();
    collectGarbage({ type: 'minor' });
    const before = process.cpuUsage();
    process1(batches);
    const { user, system } = process.cpuUsage(before);
    micros += user + system;
  }
  const done = offset - from;
  const { devices, users: known } = processor.sizes;
  return { perSecond: (done / micros) * 1e6, users: known, devices, diffs: diffs / done, states: states / done };
}

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    users: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(HELP);
else {
  const records = Number(values.records);
  const users = Number(values.users);
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}; ${records} signals a row, CPU time of one core\n`,
  );
  console.log('| Signals | a second | µs each | users | devices | diffs a signal | records a signal |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const row of rows) {
    if (!row.name.includes(values.only)) continue;
    const { perSecond, users: known, devices, diffs, states } = measure(row, records, users);
    const figures = [Math.round(perSecond).toLocaleString('en'), (1e6 / perSecond).toFixed(2), known, devices];
    console.log(`| ${[row.name, ...figures, diffs.toFixed(3), states.toFixed(3)].join(' | ')} |`);
  }
}
