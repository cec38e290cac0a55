/** Broadcast mode: every gateway reads all diffs, and holds those of the last minutes. */
import { clock, sleep } from '../base/clock.ts';
import { partitionOf } from '../base/murmur2.ts';
import type { Follower } from '../ports/log.ts';
import type { Presence } from '../schemas/presence.ts';
import { topicNames } from '../schemas/topics.ts';
import type { Cursor } from './cursor.ts';
import { followDiffs } from './fan-out-diffs.ts';
import type { FanOutOptions } from './fan-out-options.ts';
import { changedSince, type Feed, type FeedSink, KEEP_MS, type ResumeOptions, unknownSent } from './feed.ts';
import { newer, type Recent, RecentDiffs, type View } from './recent-diffs.ts';
import type { Place } from './watchers.ts';

/** How long a resume waits for diffs that another gateway has told already. */
const CATCH_UP_MS = 1_000;

/** Rejects with LOG_UNAVAILABLE. */
export async function createBroadcastFeed(options: FanOutOptions, now: () => number, sink: FeedSink): Promise<Feed> {
  const { log, codecs, logger, recentDiffsMax: max } = options;
  const partitions = await log.partitions(topicNames.diffs);
  const recents = new RecentDiffs({ partitions, keep_ms: KEEP_MS, now, ...(max === undefined ? {} : { max }) });
  const onDiffs = (items: readonly Recent[]) => sink.diffs(items);
  const follower = await followDiffs({ log, codecs, logger, recents, since: now() - KEEP_MS, onDiffs });
  return new BroadcastFeed(recents, follower, now);
}

class BroadcastFeed implements Feed {
  readonly withheld: ReadonlySet<string> = new Set();
  readonly #recents: RecentDiffs;
  readonly #follower: Follower;
  readonly #now: () => number;

  constructor(recents: RecentDiffs, follower: Follower, now: () => number) {
    this.#recents = recents;
    this.#follower = follower;
    this.#now = now;
  }

  get ready(): Promise<void> {
    return this.#follower.caughtUp;
  }

  get epoch(): number {
    return this.#recents.epoch;
  }

  positions(): number[] {
    return this.#recents.positions();
  }

  covers({ partition, offset }: Place): boolean {
    return offset < this.#recents.positionOf(partition);
  }

  placeBelow(key: string, offset: number): Place {
    return { partition: this.#partitionOf(key), offset: offset - 1 };
  }

  watched(): void {}

  known(): undefined {}

  newest(key: string, view: View): Recent | undefined {
    return this.#recents.newest(key, view);
  }

  isBehind(key: string, view: View, cached: Presence | null): boolean {
    if (cached === null || this.#recents.newest(key, view) !== undefined) return false;
    const fresh = cached.fresh_at === null ? Number.NEGATIVE_INFINITY : Date.parse(cached.fresh_at);
    return fresh < this.#recents.heldSince(this.#partitionOf(key));
  }

  /** The state began within the time of which all diffs read are held, and its diff is not among them: not read yet. */
  isAhead(key: string, view: View, cached: Presence): boolean {
    if (cached.since === null) return false;
    if (Date.parse(cached.since) < this.#recents.windowSince(this.#partitionOf(key))) return false;
    const newest = this.#recents.newest(key, view);
    return newest === undefined || newer(cached, newest.sent(view));
  }

  async resume(cursor: Cursor, keys: readonly string[], { viewOf, tell }: ResumeOptions): Promise<readonly string[] | null> {
    await this.#catchUp(cursor.positions);
    if (!this.#resumable(cursor)) return null;
    for (const key of keys) {
      const view = viewOf(key);
      const held = cursor.withheld.get(key);
      if (held !== undefined) {
        tell(changedSince(key, held, this.#recents.newest(key, view)));
        continue;
      }
      const position = cursor.positions[this.#partitionOf(key)] as number;
      const changes = this.#recents.since(key, view, position);
      tell({ key, sent: unknownSent(changes?.first.diff.from ?? null, position), last: changes?.last ?? null });
    }
    return [];
  }

  everySecond(): void {
    this.#recents.expire();
  }

  close(): Promise<void> {
    return this.#follower.close();
  }

  #partitionOf(key: string): number {
    return partitionOf(key, this.#recents.partitions);
  }

  #resumable(cursor: Cursor): boolean {
    const { epoch } = this.#recents;
    if (cursor.incomplete || cursor.positions.length !== this.#recents.partitions) return false;
    if (this.#now() - cursor.at > KEEP_MS) return false;
    // Another lineage: offsets and versions of before say nothing. 0: no diff was seen.
    if (cursor.epoch !== epoch && cursor.epoch !== 0 && epoch !== 0) return false;
    return this.#recents.covers(cursor.positions);
  }

  async #catchUp(positions: readonly number[]): Promise<void> {
    const until = clock.monotonic() + CATCH_UP_MS;
    while (!this.#recents.reached(positions) && clock.monotonic() < until) await sleep(10);
  }
}
