/** The state that bench:restore fills a topic with, and what changes it afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionOf } from '../base/murmur2.ts';
import type { Log, OutRecord } from '../ports/log.ts';
import type { TopologyTopics } from '../runtime/wiring.ts';
import type { Codecs } from '../schemas/codec.ts';
import type { Device, State, UserState } from '../schemas/generated.ts';
import { signal } from '../schemas/signal.ts';
import { partitionKey } from '../schemas/topics.ts';

export interface Filled {
  readonly users: number;
  readonly partitions: number;
}

const HOUR_MS = 3_600_000;
const states: readonly State[] = ['online', 'away', 'busy', 'dnd'];

export const topicsOf = (prefix: string): TopologyTopics => ({
  input: `${prefix}.signals`,
  state: `${prefix}.state`,
  output: `${prefix}.diffs`,
  controls: null,
  deadLetters: `${prefix}.dlq`,
});

function deviceOf(user: number, index: number, now: number): Device {
  const id = (user * 2 + index).toString(16).padStart(8, '0');
  const state = states[user % 4] ?? 'online';
  const held = {
    connection_id: null,
    gateway_id: null,
    hold_ordinal: 0,
    grace_lease: null,
    forget_lease: null,
    silence_lease: null,
    spoke_at: 0,
    trace: null,
  };
  return {
    ...held,
    device_id: `web-${id}`,
    session_id: `s-${id}-${user % 97}`,
    seq: user % 5_000,
    state,
    source: 'app',
    last_seen: now,
    ttl_lease: HOUR_MS + (user % 600_000),
    replaced: [],
  };
}

function stateOf(user: number, now: number): UserState {
  const devices = Array.from({ length: 1 + (user % 2) }, (_, index) => deviceOf(user, index, now));
  const { state, source } = devices[0] as Device;
  const view = { version: 3, state, source, since: now, last_seen: now, devices_live: devices.length, streaming: false };
  const rest = { epoch: 1, override: null, devices, public: { ...view, ghosts: null }, log: 0, offset: 0 };
  return { user_id: `user-${user}`, ...view, ...rest };
}

export async function fill(log: Log, codecs: Codecs, topics: TopologyTopics, { users, partitions }: Filled): Promise<number> {
  await log.ensureTopics([
    { name: topics.input, partitions, cleanup: 'delete' },
    { name: topics.state, partitions, cleanup: 'compact' },
    { name: topics.output, partitions, cleanup: 'delete' },
    { name: topics.deadLetters, partitions: 1, cleanup: 'delete' },
  ]);
  const producer = await log.producer();
  const now = Date.now();
  let bytes = 0;
  for (let user = 0; user < users; ) {
    const records: OutRecord[] = [];
    for (; records.length < 20_000 && user < users; user += 1) {
      const value = codecs.userState.encode(stateOf(user, now));
      bytes += value.length;
      records.push({ key: `user-${user}`, value, partition: partitionOf(`user-${user}`, partitions) });
    }
    await producer.send([{ topic: topics.state, records }]);
  }
  const tail = { tail_offset: 0, tail_stamp: now, tail_lease: 0, tail_settle: 0 };
  const rest = { epoch: 1, log: 0, offset: 0, stamp: now, lease: 0, settle: 0, ...tail, gateways: [], missing: 0, repeated: 0 };
  const own = Array.from({ length: partitions }, (_, partition) => ({
    key: partitionKey(partition),
    value: codecs.partitionState.encode({ partition, topology: 'presence@1', ...rest }),
    partition,
  }));
  await producer.send([{ topic: topics.state, records: own }]);
  await producer.close();
  return Math.round(bytes / users);
}

/** So many of the users, evenly taken, state another state by their first device; spread over `over_ms`, live. */
export async function change(
  log: Log,
  codecs: Codecs,
  topic: string,
  options: Filled & { readonly count: number; readonly over_ms: number; readonly run: number },
): Promise<void> {
  const { users, partitions, count, over_ms, run } = options;
  const producer = await log.producer();
  const began = performance.now();
  const rounds = Math.ceil(over_ms / 100);
  for (let round = 0; round < rounds; round += 1) {
    const records: OutRecord[] = [];
    for (let i = Math.floor((count * round) / rounds); i < Math.floor((count * (round + 1)) / rounds); i += 1) {
      const user = Math.floor((i * users) / count);
      const { device_id, session_id, seq } = deviceOf(user, 0, 0);
      const said = { device_id, session_id, seq: seq + run, state: states[(user + run) % 4] ?? 'online', ttl_ms: HOUR_MS };
      const value = signal({ kind: 'heartbeat', user_id: `user-${user}`, gateway_id: 'bench', ...said });
      const key = value.user_id;
      records.push({ key, value: codecs.signal.encode(value), partition: partitionOf(key, partitions) });
    }
    await producer.send([{ topic, records }]);
    await sleep(Math.max(0, began + (round + 1) * 100 - performance.now()));
  }
  await producer.close();
}
