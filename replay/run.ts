/**
 * Runs the presence topology over a topic of signals from where its group stands (at first: from the beginning) to the end
 * that the topic has at the start, into state and diffs of names of the caller's choice.
 *
 * **What makes it a replay.** It says nothing into its input (no ticks) and tells no gateway anything (no controls). Time is in
 * the records: what waits for a later stamp at the end (the last cut, timers) is not said. In all else it is the same runtime: a
 * consumer group, one commit a cut or more, restore; so it may be killed and started again, and several processes with the
 * same group share the partitions.
 *
 * **Clock.** A topic that its broker stamps (LogAppendTime) began as presence.signals, or is one: holes and leaps of time are
 * judged (processors/clock.ts). Where writers stamp (CreateTime) both clocks are the highest stamp so far. A mirror or an
 * archive of presence.signals is stamped by its writer with the first broker's stamps: say `clock: 'on'` for it.
 *
 * **The end** is the same for all members: a partition is done when the group's position has reached its end. Who is done with
 * its own stays until all are, so that nobody has to restore what is finished already.
 *
 * **Delivery and replay.** As the guarantee says; the same input gives the same diffs, byte for byte.
 */
import { clock as machine } from '../base/clock.ts';
import { hasCode, PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Log, ReadOn } from '../ports/log.ts';
import type { ProcessingGuarantee } from '../runtime/at-least-once.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import { pause } from '../runtime/waiting.ts';
import type { RuntimeLimits } from '../runtime/wiring.ts';
import type { Codecs } from '../schemas/codec.ts';
import { topicNames } from '../schemas/topics.ts';
import { presence } from '../topology/presence.ts';
import { type Tally, tallying } from './tally.ts';
import { presenceWiring } from './wiring.ts';

export interface ReplayOptions {
  readonly log: Log;
  readonly codecs: Codecs;
  /** The input. */
  readonly topic: string;
  /** The consumer group, and the stem of transactional ids. */
  readonly group: string;
  /** Made if they are not there, with the input's number of partitions. */
  readonly into: {
    readonly state: string;
    readonly diffs: string;
    /** Default presence.dlq. */
    readonly deadLetters?: string;
  };
  /** Default exactly_once. */
  readonly guarantee?: ProcessingGuarantee;
  /** Whether holes and leaps of time are judged. Default: where the broker stamps. */
  readonly clock?: 'on' | 'off';
  readonly logger: Logger;
  /** Names this process in logs. Default: the group's name. */
  readonly instanceId?: string;
  readonly limits?: Partial<RuntimeLimits>;
  /** Gives up; what was committed stays. */
  readonly signal?: AbortSignal;
  /** Called about once a second. */
  readonly onProgress?: (progress: ReplayProgress) => void;
}

export interface ReplayProgress {
  readonly records: number;
  /** Input records not yet processed by the partitions of this process. */
  readonly lag: number;
  readonly diffs: number;
}

export interface ReplayResult {
  /** Of this process. Input records, those that cannot be read among them. */
  readonly records: number;
  /** Diffs and user records written. */
  readonly diffs: number;
  readonly states: number;
  readonly commits: number;
  /** From the start to the last commit of this process, waiting for others left out. */
  readonly seconds: number;
  /** false: given up by `signal`. */
  readonly complete: boolean;
}

const POLL_MS = 20;
const PROGRESS_MS = 1_000;
/** How often the group's positions are asked for while others are not done. */
const OTHERS_MS = 250;
/** A position that stands below the end for so long is asked about: perhaps nothing readable is left. */
const STANDS_MS = 500;

/**
 * Resolves when all partitions are done (or given up). Rejects with the code of what parks a partition (NO_BASE, LOG_MISMATCH,
 * UNDECODABLE state, INTERNAL for poisoned records above the limit), with LOG_MISMATCH for topics that do not fit, with
 * LOG_UNAVAILABLE where the log cannot be reached at the start; once begun, it waits for the log as long as that takes.
 */
export async function runReplay(options: ReplayOptions): Promise<ReplayResult> {
  const { topic, group, into, logger, limits = {} } = options;
  const deadLetters = into.deadLetters ?? topicNames.deadLetters;
  const partitions = await options.log.partitions(topic);
  await options.log.ensureTopics([
    { name: into.state, partitions, cleanup: 'compact' },
    { name: into.diffs, partitions, cleanup: 'delete' },
  ]);
  await ensureDeadLetters(options.log, deadLetters);
  const judged = options.clock === undefined ? (await options.log.stamps(topic)) === 'broker' : options.clock === 'on';
  const topics = { input: topic, state: into.state, output: into.diffs, controls: null, deadLetters };
  const { log, tally } = tallying(options.log);
  const ends = (await log.offsets(topic)).map(({ end }) => end);
  const began = machine.monotonic();
  const runner = await runTopology({
    log,
    wiring: presenceWiring(options.codecs, { topics, topology: judged ? presence : presence.timedBy(null) }),
    group,
    instanceId: options.instanceId ?? group,
    logger,
    limits,
    ticks: false,
    guarantee: options.guarantee ?? 'exactly_once',
  });
  let done: number | null;
  try {
    done = await new Ending({ ...options, runner, ends, tally }).reached();
  } finally {
    await runner.close();
  }
  return {
    records: tally.records,
    diffs: tally.written.get(into.diffs) ?? 0,
    // Each commit has one partition record.
    states: (tally.written.get(into.state) ?? 0) - tally.commits,
    commits: tally.commits,
    seconds: ((done ?? machine.monotonic()) - began) / 1_000,
    complete: done !== null,
  };
}

/** Any number of partitions will do. */
async function ensureDeadLetters(log: Log, name: string): Promise<void> {
  const partitions = await log.partitions(name).catch(() => 1);
  await log.ensureTopics([{ name, partitions, cleanup: 'delete' }]);
}

interface EndingOptions extends ReplayOptions {
  readonly runner: Runner;
  /** By partition. */
  readonly ends: readonly number[];
  readonly tally: Tally;
}

class Ending {
  readonly #options: EndingOptions;
  /** Where a partition stands, since when, and whether nothing readable is left before its end. */
  readonly #standing = new Map<number, { position: number; since: number; asked: boolean; over: boolean }>();
  /** The partitions that were settled last; null: none yet, not even none at all. */
  #settled: string | null = null;
  #settledAt = 0;
  #othersAskedAt = 0;
  #shownAt = machine.monotonic();

  constructor(options: EndingOptions) {
    this.#options = options;
  }

  /** When this process's part was committed, on the monotonic clock; null if it was given up. */
  async reached(): Promise<number | null> {
    const { signal } = this.#options;
    for (; signal?.aborted !== true; await pause(POLL_MS, signal)) {
      this.#show();
      if (await this.#done()) return this.#settledAt;
    }
    return null;
  }

  /** false also while the log cannot be reached: the runners go on when it is back, and then it is asked again. */
  async #done(): Promise<boolean> {
    try {
      return (await this.#ownDone()) && (await this.#settle()) && (await this.#othersDone());
    } catch (error) {
      if (!hasCode(error, 'LOG_UNAVAILABLE') || !error.retriable) throw error;
      this.#options.logger.debug({ err: error }, 'Whether the replay is done cannot be asked now.');
      return false;
    }
  }

  async #othersDone(): Promise<boolean> {
    const { runner, group, topic, ends, log } = this.#options;
    if (runner.partitions.length === ends.length) return true;
    if (machine.monotonic() - this.#othersAskedAt < OTHERS_MS) return false;
    this.#othersAskedAt = machine.monotonic();
    const committed = await log.committed(group, topic);
    return ends.every((end, partition) => end === 0 || (committed[partition] ?? 0) >= end);
  }

  async #ownDone(): Promise<boolean> {
    const { runner, ends } = this.#options;
    let done = true;
    for (const { partition, state, position, problem, code } of runner.partitions) {
      if (state === 'parked')
        throw new PresenceError(code ?? 'INTERNAL', problem ?? 'A partition is parked.', {
          at: `partition ${partition}`,
          retriable: false,
        });
      const runs = state === 'running' || state === 'committing' || state === 'unknown_commit';
      if (!runs || !(await this.#isOver(partition, position, ends[partition] ?? 0))) done = false;
    }
    return done;
  }

  /** At the end, or before it with nothing but markers and aborted records between, which are never handed over. */
  async #isOver(partition: number, position: number, end: number): Promise<boolean> {
    if (position >= end) return true;
    const now = machine.monotonic();
    let stands = this.#standing.get(partition);
    if (stands === undefined || stands.position !== position) {
      stands = { position, since: now, asked: false, over: false };
      this.#standing.set(partition, stands);
    }
    if (stands.asked || now - stands.since < STANDS_MS) return stands.over;
    let readable = false;
    const { log, topic } = this.#options;
    const onBatch = (): ReadOn => {
      readable = true;
      // What is there is the runner's to read; of a partition that only stands still it may be nearly all.
      return 'enough';
    };
    await log.read({ topic, partition, from: position, to: end, onBatch });
    stands.asked = true;
    stands.over = !readable;
    return stands.over;
  }

  /** Once for each set of partitions that this process has. */
  async #settle(): Promise<boolean> {
    const { runner, ends, logger } = this.#options;
    const own = runner.partitions.map(({ partition }) => partition).join();
    if (own === this.#settled) return true;
    try {
      await runner.settle(ends);
    } catch (error) {
      logger.debug({ err: error }, 'The positions could not be committed yet.');
      return false;
    }
    this.#settled = own;
    this.#settledAt = machine.monotonic();
    return true;
  }

  #show(): void {
    const { onProgress, runner, ends, tally, into } = this.#options;
    const now = machine.monotonic();
    if (onProgress === undefined || now - this.#shownAt < PROGRESS_MS) return;
    this.#shownAt = now;
    const lag = runner.partitions.reduce(
      (sum, { partition, position }) => sum + Math.max(0, (ends[partition] ?? 0) - position),
      0,
    );
    onProgress({ records: tally.records, lag, diffs: tally.written.get(into.diffs) ?? 0 });
  }
}
