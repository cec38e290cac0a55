/**
 * Many seeds, shared out to worker processes. What each left is a line of a file, where one is named: a campaign that is
 * stopped goes on where it was, as long as it is asked for the same worlds. It stops at the first seed that breaks.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Figures } from './figures.ts';
import type { Broken, InvariantName } from './invariants.ts';
import { addFigures, type FiguresJson } from './report.ts';
import type { StoryOptions } from './story.ts';

export interface Task {
  readonly options: StoryOptions;
}

/** What became of a seed. */
export interface Verdict {
  readonly seed: number;
  readonly broken: Broken | null;
  readonly hash: number;
  readonly events: number;
  readonly cpu_ms: number;
  readonly signals: number;
  readonly diffs: number;
  /** Signals dropped as repeats, by their ordinal. */
  readonly repeated: number;
  readonly figures: FiguresJson;
}

export interface CampaignOptions {
  readonly seeds: readonly number[];
  /** All but the seed. */
  readonly world: Omit<StoryOptions, 'seed'>;
  /** So many processes for this campaign alone; or processes that are there already. */
  readonly workers: number | Workers;
  /** May break, and stops nothing: where what it says is what is measured. */
  readonly excused?: InvariantName;
  /** Where verdicts are kept: made if it is not there. */
  readonly file?: string;
  readonly onVerdict?: (verdict: Verdict, done: number) => void;
}

export interface CampaignResult {
  readonly played: number;
  /** Of them, those that the file had already. */
  readonly known: number;
  readonly broken: Verdict | null;
  readonly figures: Figures;
  readonly totals: {
    readonly events: number;
    readonly cpu_ms: number;
    readonly signals: number;
    readonly diffs: number;
    readonly repeated: number;
  };
  /** Of all hashes, by seed: the same worlds give the same. */
  readonly digest: string;
}

/** Of a verdict's line: what an earlier version wrote is played again. */
const FORMAT = 2;

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const sum = new Sum(options.excused);
  const of = JSON.stringify({ ...options.world, format: FORMAT });
  for (const verdict of knownVerdicts(options.file, of, options.seeds)) sum.add(verdict);
  const known = sum.played;
  const left = options.seeds.filter((seed) => !sum.has(seed));
  const own = typeof options.workers === 'number' ? new Workers(options.workers) : null;
  const workers = own ?? (options.workers as Workers);
  /** One worker: takes seeds from those left until none is, or one is broken. */
  const work = async (worker: number): Promise<void> => {
    for (let seed = left.shift(); seed !== undefined && sum.broken === null; seed = left.shift()) {
      const verdict = await workers.play(worker, { options: { ...options.world, seed } });
      sum.add(verdict);
      if (options.file !== undefined) appendFileSync(options.file, `${JSON.stringify({ of, ...verdict })}\n`);
      options.onVerdict?.(verdict, sum.played);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(workers.size, left.length) }, (_, worker) => work(worker)));
  } finally {
    own?.close();
  }
  return sum.result(known);
}

/** Processes that play worlds, one each at a time. They stay where campaigns follow each other: compiling costs a world. */
export class Workers {
  readonly size: number;
  readonly #processes: ChildProcess[] = [];

  constructor(size: number) {
    this.size = size;
  }

  play(worker: number, task: Task): Promise<Verdict> {
    // What a world throws away is young: with more room for it, less is copied.
    const execArgv = ['--import', import.meta.resolve('tsx'), '--max-semi-space-size=32'];
    this.#processes[worker] ??= fork(fileURLToPath(new URL('worker.ts', import.meta.url)), { execArgv });
    return ask(this.#processes[worker], task);
  }

  close(): void {
    for (const process of this.#processes) process?.kill();
  }
}

function ask(worker: ChildProcess, task: Task): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`The worker of seed ${task.options.seed} ended (${code}).`));
    worker.once('exit', ended);
    worker.once('message', (verdict: Verdict) => {
      worker.off('exit', ended);
      resolve(verdict);
    });
    worker.send(task);
  });
}

function* knownVerdicts(file: string | undefined, of: string, seeds: readonly number[]): Iterable<Verdict> {
  if (file === undefined || !existsSync(file)) return;
  const wanted = new Set(seeds);
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (!line.endsWith('}')) continue; // a torn last line is played again
    const verdict = JSON.parse(line) as Verdict & { readonly of: string };
    if (verdict.of === of && wanted.has(verdict.seed) && verdict.broken === null) yield verdict;
  }
}

class Sum {
  readonly figures = new Figures();
  readonly #hashes = new Map<number, number>();
  readonly #totals = { events: 0, cpu_ms: 0, signals: 0, diffs: 0, repeated: 0 };
  readonly #excused: InvariantName | undefined;
  broken: Verdict | null = null;

  constructor(excused: InvariantName | undefined) {
    this.#excused = excused;
  }

  get played(): number {
    return this.#hashes.size;
  }

  has(seed: number): boolean {
    return this.#hashes.has(seed);
  }

  add(verdict: Verdict): void {
    if (this.has(verdict.seed)) return;
    this.#hashes.set(verdict.seed, verdict.hash);
    for (const name of ['events', 'cpu_ms', 'signals', 'diffs', 'repeated'] as const) this.#totals[name] += verdict[name];
    addFigures(this.figures, verdict.figures);
    if (verdict.broken !== null && verdict.broken.invariant !== this.#excused) this.broken ??= verdict;
  }

  result(known: number): CampaignResult {
    const bySeed = [...this.#hashes].sort((a, b) => a[0] - b[0]);
    const digest = createHash('sha256').update(JSON.stringify(bySeed)).digest('hex').slice(0, 16);
    const { figures, broken, played } = this;
    return { played, known, broken, figures, totals: this.#totals, digest };
  }
}
