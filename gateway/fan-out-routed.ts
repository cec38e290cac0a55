/**
 * Routed mode: this gateway says which users it wants (presence.routes), and reads what the fan-out topology tells it
 * (presence.deliveries: its own partition alone, which it shares with other gateways by the hash of its id).
 *
 * **Model.** Changes of who is watched are gathered for `TICK_MS` and written together, one send at a time; a send that fails
 * is made again as it was (its records bear their numbers). Each second a partition with routes hears that this gateway lives.
 * What is told goes on to the fan-out in order; what answers a route makes its user known (routes.ts).
 *
 * A resume asks the topology what changed since the cursor's positions, whether or not this gateway watched these users: no
 * log is read for it, and whatever gateway gave the cursor, the answer is the same. Of users named in the cursor as withheld
 * the newest state is asked for, and compared with what was last sent by (epoch, version).
 *
 * **Limits.** Users of one record `ROUTE_USERS_MAX`; what waits is bounded by what connections may watch. Where the topology
 * does not answer, a snapshot comes from the cache after 2 s, marked stale, and a resume takes a snapshot after `ASKED_MS`.
 */
import { clock, sleep, type Timer } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import { counter, gauge } from '../base/metrics.ts';
import { partitionOf } from '../base/murmur2.ts';
import type { Follower, LogBatch, LogProducer, OutRecord } from '../ports/log.ts';
import type { RoutedDelivery, Told } from '../schemas/generated.ts';
import type { Presence } from '../schemas/presence.ts';
import { routedKey, topicNames } from '../schemas/topics.ts';
import type { Cursor } from './cursor.ts';
import type { FanOutOptions } from './fan-out-options.ts';
import { changedSince, type Feed, type FeedSink, KEEP_MS, type ResumeOptions, unknownSent } from './feed.ts';
import { newer, Recent, sees, type View } from './recent-diffs.ts';
import { type Answer, PartitionRoutes, type RoutedUser } from './routes.ts';
import type { Place } from './watchers.ts';

/** How long changes of routes are gathered. */
const TICK_MS = 25;
const RETRY_MS = 200;
/** How long a resume waits for the topology's answer. */
const ASKED_MS = 5_000;

const routesGauge = gauge('presence_gateway_routes', 'Users whom this gateway has asked to be told of (routed mode).');
const records = counter('presence_gateway_route_records_total', 'Route records written, marks of life included.');
const toldCount = counter('presence_gateway_told_total', 'Users told of to this gateway by the fan-out topology.', ['as']);
const reroutes = counter(
  'presence_gateway_reroutes_total',
  'Times that the fan-out topology asked for all routes of a partition.',
);
const undecodable = counter(
  'presence_gateway_deliveries_undecodable_total',
  'Deliveries that could not be read and were left out.',
);

/** Rejects with LOG_UNAVAILABLE. */
export async function createRoutedFeed(options: FanOutOptions, now: () => number, sink: FeedSink): Promise<Feed> {
  const { log, gatewayId = clock.randomUUID() } = options;
  const [partitions, producer, ends] = await Promise.all([
    log.partitions(topicNames.diffs),
    log.producer(),
    log.offsets(topicNames.deliveries),
  ]);
  const own = partitionOf(gatewayId, ends.length);
  const feed = new RoutedFeed({ ...options, gatewayId }, now, sink, { partitions, producer });
  // Its start is fixed before its first route: nothing that answers it can lie before.
  const next = new Map([[own, ends.find(({ partition }) => partition === own)?.end ?? 0]]);
  const onBatch = (batch: LogBatch) => feed.read(batch);
  feed.start(await log.follow({ topics: [topicNames.deliveries], from: { next }, onBatch }));
  return feed;
}

class RoutedFeed implements Feed {
  readonly withheld = new Set<string>();
  epoch = 0;
  readonly #options: FanOutOptions;
  readonly #gatewayId: string;
  readonly #key: Buffer;
  readonly #now: () => number;
  readonly #sink: FeedSink;
  readonly #producer: LogProducer;
  readonly #partitions: readonly PartitionRoutes[];
  #follower: Follower | null = null;
  #timer: Timer | null = null;
  #sending = false;
  #closed = false;

  constructor(
    options: FanOutOptions & { readonly gatewayId: string },
    now: () => number,
    sink: FeedSink,
    { partitions, producer }: { readonly partitions: number; readonly producer: LogProducer },
  ) {
    this.#options = options;
    this.#gatewayId = options.gatewayId;
    this.#key = Buffer.from(routedKey(options.gatewayId));
    this.#now = now;
    this.#sink = sink;
    this.#producer = producer;
    this.#partitions = Array.from({ length: partitions }, () => new PartitionRoutes(options.gatewayId));
  }

  start(follower: Follower): void {
    this.#follower = follower;
    this.#timer = clock.setInterval(() => void this.#write(), TICK_MS);
  }

  get ready(): Promise<void> {
    return (this.#follower as Follower).caughtUp;
  }

  positions(): number[] {
    return this.#partitions.map(({ position }) => position);
  }

  covers({ partition, offset }: Place): boolean {
    return offset < 0 || offset < (this.#partitions[partition]?.position ?? -1);
  }

  placeBelow(key: string, offset: number): Place {
    return { partition: partitionOf(key, this.#partitions.length), offset: offset - 1 };
  }

  watched(key: string, isWatched: boolean): void {
    this.#of(key).watched(key, isWatched);
  }

  known(keys: readonly string[]): Promise<void> | undefined {
    const unknown = keys.map((key) => this.#user(key)).filter((user) => user !== undefined && !user.known) as RoutedUser[];
    if (unknown.length === 0) return undefined;
    return new Promise((resolve) => {
      let left = unknown.length;
      const one = (): void => {
        left -= 1;
        if (left === 0) resolve();
      };
      for (const user of unknown) user.waiters.push(one);
    });
  }

  newest(key: string, view: View): Recent | undefined {
    return this.#user(key)?.newest[view];
  }

  isBehind(key: string): boolean {
    return this.#user(key)?.known !== true;
  }

  isAhead(key: string, view: View, cached: Presence): boolean {
    const user = this.#user(key);
    if (user === undefined || !user.known) return false;
    const newest = user.newest[view];
    return newest === undefined ? cached.version > 0 : newer(cached, newest.sent(view));
  }

  async resume(cursor: Cursor, keys: readonly string[], options: ResumeOptions): Promise<readonly string[] | null> {
    if (cursor.incomplete || cursor.positions.length !== this.#partitions.length) return null;
    if (this.#now() - cursor.at > KEEP_MS || isOther(cursor.epoch, this.epoch)) return null;
    const unsaid: string[] = [];
    const waiting = new Set<string>();
    let late = false;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(() => {
        late = true;
        resolve();
      }, ASKED_MS);
      const end = (): void => {
        if (waiting.size > 0) return;
        clock.clearTimeout(timer);
        resolve();
      };
      for (const key of keys) {
        const since = cursor.withheld.has(key) ? null : (cursor.positions[partitionOf(key, this.#partitions.length)] as number);
        if (since === -1) {
          unsaid.push(key);
          continue;
        }
        waiting.add(key);
        const answered = (answers: readonly Answer[], epoch: number): void => {
          if (late || !waiting.delete(key)) return;
          if (isOther(cursor.epoch, epoch) || !this.#tell(cursor, key, answers, options)) unsaid.push(key);
          end();
        };
        this.#of(key).ask({ key, since, answered });
      }
      end();
    });
    return [...unsaid, ...waiting];
  }

  everySecond(): void {
    routesGauge.set(this.#partitions.reduce((sum, { routed }) => sum + routed, 0));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clock.clearInterval(this.#timer);
    await this.#follower?.close();
    await this.#producer.close();
  }

  async read(batch: LogBatch): Promise<void> {
    const mine = batch.records.filter(({ key, value }) => value !== null && key !== null && this.#key.equals(key));
    if (mine.length === 0) return;
    const { codecs, logger } = this.#options;
    await codecs.prepare(mine.map(({ value }) => value));
    for (const { value, offset } of mine) {
      let delivery: RoutedDelivery;
      try {
        delivery = codecs.routedDelivery.decode(value as Buffer);
      } catch (error) {
        if (!hasCode(error, 'UNDECODABLE')) throw error;
        undecodable.inc();
        logger.warn({ err: error, partition: batch.partition, offset }, 'A delivery cannot be read: all routes are said anew.');
        // Which partition it was of cannot be known.
        for (const routes of this.#partitions) routes.reroute(clock.monotonic());
        continue;
      }
      await this.#hear(delivery);
    }
  }

  #hear({ kind, partition, told, answered, position, epoch }: RoutedDelivery): Promise<void> | undefined {
    const routes = this.#partitions[partition];
    if (routes === undefined) return undefined;
    if (kind === 'reroute') {
      reroutes.inc();
      routes.reroute(clock.monotonic());
      return undefined;
    }
    this.epoch = Math.max(this.epoch, epoch);
    const news: Recent[] = [];
    for (const one of told) {
      const recent = this.#learn(routes, partition, one);
      if (recent === null) continue;
      // What was told before it comes first.
      if (one.withheld || one.asked !== null) this.#sink.diffs(news.splice(0));
      if (one.withheld) this.#sink.wasSent(recent, one.diff.from);
      else if (one.asked === routes.restatedSince) this.#sink.wasSent(recent, one.from);
      if (!one.withheld) news.push(recent);
    }
    const telling = this.#sink.diffs(news);
    if (answered > 0) routes.answered(answered, epoch);
    if (position !== null) routes.position = Math.max(routes.position, position);
    this.#sink.moved();
    return telling;
  }

  /** Takes it for the newest; what watchers are to be told of it, or are not for now; null: nothing. */
  #learn(routes: PartitionRoutes, partition: number, { diff, position, stamp, asked, from, withheld }: Told): Recent | null {
    const key = diff.user_id;
    const user = routes.users.get(key);
    toldCount.inc({ as: asked !== null ? 'answer' : withheld ? 'withheld' : 'change' });
    if (user === undefined) return null;
    const recent = new Recent(diff, partition, position, stamp);
    if (asked !== null) routes.note(key, asked, { recent, from });
    for (const view of ['self', 'others'] as const) {
      const newest = user.newest[view];
      if (sees(diff.audience, view) && (newest === undefined || newer(recent.sent(view), newest.sent(view))))
        user.newest[view] = recent;
    }
    if (withheld || asked === null || asked === -1) this.#withhold(user, recent, withheld);
    // What comes out in the end leaps over what is withheld first: what came before that is known from here on.
    if (withheld) return asked === null ? recent : null;
    return asked === null || user.known ? recent : null;
  }

  #withhold(user: RoutedUser, recent: Recent, withheld: boolean): void {
    const { diff } = recent;
    for (const view of ['self', 'others'] as const) {
      const newest = user.newest[view];
      // A repeat of what came before says nothing of what waits now.
      if (!sees(diff.audience, view) || newest === undefined || newer(newest.sent(view), recent.sent(view))) continue;
      if (withheld) user.withheld.add(view);
      else user.withheld.delete(view);
    }
    if (user.withheld.size > 0) this.withheld.add(diff.user_id);
    else this.withheld.delete(diff.user_id);
  }

  #tell(cursor: Cursor, key: string, answers: readonly Answer[], { viewOf, tell }: ResumeOptions): boolean {
    const view = viewOf(key);
    const held = cursor.withheld.get(key);
    if (held !== undefined) {
      tell(changedSince(key, held, this.newest(key, view)));
      return true;
    }
    const answer = answers.find(({ recent }) => sees(recent.diff.audience, view));
    if (answer !== undefined && answer.from === null) return false;
    // Answers all lack a beginning or none does.
    if (answers.some(({ from }) => from === null)) return false;
    const last = answer === undefined ? null : (this.newest(key, view) ?? null);
    const below = cursor.positions[partitionOf(key, this.#partitions.length)] as number;
    tell({ key, sent: unknownSent(answer?.from ?? null, below), last });
    return true;
  }

  /** One send at a time, until the log has it. */
  async #write(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      const { codecs, logger } = this.#options;
      const now = clock.monotonic();
      const out: OutRecord[] = this.#partitions.flatMap((routes, partition) =>
        routes.take(now).map((route) => ({ key: this.#gatewayId, partition, value: codecs.route.encode(route) })),
      );
      while (out.length > 0 && !this.#closed) {
        try {
          await this.#producer.send([{ topic: topicNames.routes, records: out }]);
          records.inc(out.length);
          return;
        } catch (error) {
          if (this.#closed) return;
          logger.warn({ err: error, records: out.length }, 'Routes cannot be written now; they are tried again.');
          await sleep(RETRY_MS);
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  #of(key: string): PartitionRoutes {
    return this.#partitions[partitionOf(key, this.#partitions.length)] as PartitionRoutes;
  }

  #user(key: string): RoutedUser | undefined {
    return this.#of(key).users.get(key);
  }
}

/** Another lineage: offsets and versions of before say nothing. 0: not known. */
const isOther = (a: number, b: number): boolean => a !== b && a !== 0 && b !== 0;
