/**
 * Everything that somebody else can read of a partition's users, record by record: each diff in the order in which it was
 * emitted, as a frame shows it, with whether it has a trace id; and each user's presence as an answer shows it. Both by the
 * gateway's own code, as far as it decides what is seen (`Recent`, `presenceOf`).
 */
import { blobOf } from '../../connectors/blob.ts';
import { presenceOf } from '../../gateway/presence-of.ts';
import { Recent, sees } from '../../gateway/recent-diffs.ts';
import type { Diff, Signal } from '../../schemas/generated.ts';
import type { DiffView } from '../../schemas/presence.ts';
import { Driver } from '../../topology/kit/driver.ts';
import type { Topology } from '../../topology/kit/topology.ts';
import { type History, type Moment, TRACEPARENT, USER } from './history.ts';

const EVERYBODY = [USER, 'u0', 'u1', 'u2'];
const STRANGER = { userKey: 'mallory', admin: false };

/** One of the two worlds, and what was seen in it. */
class World {
  private readonly driver: Driver;
  readonly seen: string[] = [];

  constructor(topology: Pick<Topology, 'processor'>, partition: number) {
    this.driver = new Driver(topology, { partition });
  }

  /** Whether anything was emitted. */
  feed({ stamp, restart }: Moment, value: Signal): boolean {
    if (restart) this.driver.restart();
    const emissions = this.driver.feed(stamp, value, TRACEPARENT);
    for (const { diffs } of emissions) for (const { value: diff } of diffs) if (sees(diff.audience, 'others')) this.tell(diff);
    return emissions.length > 0;
  }

  /** As a reader asks right then, of everybody; the partition's progress is the same in both worlds. */
  read(offset: number, stamp: number, epoch: number): void {
    for (const key of EVERYBODY) {
      const state = this.driver.states.get(key);
      const blob = state === undefined ? null : blobOf(state, { partition: 0, offset, stamp });
      const progress = { partition: 0, epoch, offset, stamp, input_offset: 0 };
      this.seen.push(JSON.stringify(presenceOf(key, { blob, progress }, STRANGER, stamp)));
    }
  }

  private tell(diff: Diff): void {
    const { trace_id, ...view } = JSON.parse(new Recent(diff, 0, 0, 0).json('others', diff.from)) as DiffView;
    this.seen.push(JSON.stringify({ ...view, traced: trace_id !== null }));
  }
}

/** The first thing that is not the same in both worlds, or not at the same record, with what led there; null where nothing is. */
export function leak(topology: Pick<Topology, 'processor'>, history: History): string | null {
  const { moments, partition } = history;
  const hidden = new World(topology, partition);
  const gone = new World(topology, partition);
  let epoch = 0;
  for (let i = 0; i < moments.length; i += 1) {
    const moment = moments[i] as Moment;
    const emitted = [hidden.feed(moment, moment.hidden), gone.feed(moment, moment.gone)].some(Boolean);
    if (moment.hidden.kind === 'cut') epoch = Math.max(epoch, moment.hidden.epoch ?? 0);
    else if (!emitted) continue;
    hidden.read(i, moment.stamp, epoch);
    gone.read(i, moment.stamp, epoch);
    const [a, b] = [hidden.seen.splice(0), gone.seen.splice(0)];
    const at = a.findIndex((what, n) => what !== b[n]);
    if (at < 0 && a.length === b.length) continue;
    const n = at < 0 ? a.length : at;
    return `after record ${i}\nhidden: ${a[n] ?? 'nothing'}\ngone:   ${b[n] ?? 'nothing'}\n${records(history, i)}`;
  }
  return null;
}

/** The records up to there, both worlds side by side, without what is blank. */
function records({ moments, partition }: History, upTo: number): string {
  const short = (value: unknown): string =>
    JSON.stringify(value, (key, of) => (key !== '' && (of === null || of === 0 || of === '' || of === false) ? undefined : of));
  const lines = moments.slice(0, upTo + 1).map(({ stamp, hidden, gone, restart }, i) => {
    const [a, b] = [short(hidden), short(gone)];
    return `${i} ${stamp}${restart ? ' RESTART' : ''} ${a}${a === b ? '' : `\n      gone: ${b}`}`;
  });
  return `partition ${partition}\n${lines.join('\n')}`;
}
