/**
 * Signals a second of one partition in process: the whole chain, nothing of the log, no encoding. CPU time, so
 * that a busy machine does not matter much. `npx tsx bench/topology.ts [records] [users]`
 */
import type { Input } from '../processors/stage.ts';
import { random } from '../processors/swarm.ts';
import type { Signal, State } from '../schemas/generated.ts';
import { type SignalDraft, signal } from '../schemas/signal.ts';
import { presence } from '../topology/presence.ts';

const records = Number(process.argv[2] ?? 1_000_000);
const users = Number(process.argv[3] ?? 100_000);
const BATCH = 1_000;
/** Of the log's time: signals a millisecond. */
const PER_MS = 100;

function run(name: string, make: (user: number, i: number) => SignalDraft): void {
  const processor = presence.processor(0);
  processor.restore();
  let offset = 0;
  let states = 0;
  let diffs = 0;
  let micros = 0;
  const feed = (draft: (i: number) => SignalDraft) => {
    const batch: Input<Signal>[] = [];
    for (let i = 0; i < BATCH; i += 1, offset += 1)
      batch.push({ offset, stamp: 1_700_000_000_000 + Math.floor(offset / PER_MS), value: signal(draft(i)) });
    const before = process.cpuUsage();
    for (const emission of processor.process({ partition: 0, records: batch, nextOffset: offset })) {
      states += emission.states.length;
      diffs += emission.diffs.length;
    }
    const spent = process.cpuUsage(before);
    micros += spent.user + spent.system;
  };
  const rnd = random(7);
  const any = (i: number): SignalDraft => make(Math.floor(rnd() * users), i);
  for (let i = 0; i < users; i += BATCH) feed((k) => make(i + k, k));
  for (let i = 0; i < 200_000; i += BATCH) feed(any);
  states = diffs = micros = 0;
  for (let i = 0; i < records; i += BATCH) feed(any);
  const rate = (records / micros) * 1_000;
  const { devices, timers } = processor.sizes;
  const sizes = `${devices} devices, ${timers} timers`;
  const said = `${states} records, ${diffs} diffs`;
  console.log(`${name.padEnd(32)} ${rate.toFixed(0).padStart(6)} k signals/s a core; ${said}, ${sizes}`);
}

const seqs = new Uint32Array(users);
const spoken: readonly State[] = ['dnd', 'busy', 'online', 'away'];
const device = (user: number) => ({ user_id: `user-${user}`, device_id: 'd', session_id: 's', gateway_id: `g${user % 10}` });
const beat = (user: number): SignalDraft => ({
  kind: 'heartbeat',
  ...device(user),
  seq: (seqs[user] = (seqs[user] ?? 0) + 1),
  ttl_ms: 60_000,
});

run('HTTP heartbeats', beat);
seqs.fill(0);
run('HTTP heartbeats, 1 in 4 a change', (user, i) =>
  i % 4 === 0 ? { ...beat(user), state: spoken[i % 3] ?? 'busy' } : beat(user),
);
seqs.fill(0);
run('changes of state', (user, i) => ({ ...beat(user), state: spoken[i % 4] ?? 'busy' }));
let coming = 0;
run('hello and goodbye', (user) => {
  coming += 1;
  const connection = { connection_id: `c${user}` };
  return coming % 2 === 0
    ? { kind: 'hello', ...device(user), ...connection }
    : { kind: 'goodbye', ...device(user), session_id: null, ...connection };
});
