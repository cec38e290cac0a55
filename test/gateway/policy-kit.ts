/** Says what the topology would have: a diff, and the state after it. */
import type { Diff, State } from '../../schemas/generated.ts';
import { topicNames } from '../../schemas/topics.ts';
import type { Rig } from './harness.ts';

export async function tellDiffs(rig: Rig, key: string, to: State, version: number): Promise<void> {
  const at = Date.now();
  const view = { state: to, version, since: at };
  const blob = await rig.seed(key, {});
  await rig.seed(key, {
    ...view,
    public: { ...view, source: 'app', last_seen: at, devices_live: 1, streaming: true, ghosts: null },
  });
  const diff: Diff = {
    user_id: key,
    audience: 'all',
    from: blob.state,
    to,
    at,
    epoch: 7,
    version,
    public_version: version,
    cause: 'signal',
    source: 'app',
    device_id: null,
    trace_id: null,
    received_at: at,
    log: 0,
    offset: 0,
  };
  const producer = await rig.log.producer();
  await producer.send([{ topic: topicNames.diffs, records: [{ key, value: rig.codecs.diff.encode(diff) }] }]);
  await producer.close();
}
