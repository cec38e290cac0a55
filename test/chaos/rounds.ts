/**
 * Rounds of chaos: legs of some rounds each, every leg on a broker of its own and replayed from its input at its end. What has
 * been done is kept in a folder, a JSON line a round (`rounds.jsonl`) and a leg (`legs.jsonl`), and left out when the same run
 * is started again: a leg that was broken off is done anew. The folder of a leg with a fault stays, the broker's data with it.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessingGuarantee } from '../../runtime/at-least-once.ts';
import { need } from '../load/cluster.ts';
import { schemaRegistry } from '../stack/index.ts';
import { Leg, type RoundResult } from './leg.ts';
import { instanceCounts, planRound } from './plan.ts';
import { faultsOfState, type ReplayOfLeg, replayLeg } from './replays.ts';
import { distribution } from './takeover.ts';

export interface RoundsOptions {
  readonly seed: number;
  /** Which rounds, by number. */
  readonly from: number;
  readonly to: number;
  /** Rounds of one leg. */
  readonly leg: number;
  readonly users: number;
  readonly rate: number;
  readonly guarantee: ProcessingGuarantee;
  /** Where results are kept. */
  readonly state: string;
  /** Default: one of its own. */
  readonly registryUrl?: string;
  readonly say: (line: string) => void;
}

export interface LegResult {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** With standbys and snapshots, or without. Legs take turns. */
  readonly warm: boolean;
  /** Beside those of its rounds. */
  readonly faults: readonly string[];
  readonly replays: readonly ReplayOfLeg[];
  readonly rounds: readonly RoundResult[];
}

/** Runs what is missing; everything that the folder then knows of these rounds. */
export async function runRounds(options: RoundsOptions): Promise<readonly LegResult[]> {
  mkdirSync(options.state, { recursive: true });
  const file = join(options.state, 'legs.jsonl');
  const known = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LegResult)
    : [];
  const legs = known.filter(({ seed, from }) => seed === options.seed && from >= options.from && from < options.to);
  const done = new Set(legs.flatMap(({ rounds }) => rounds.map(({ plan }) => plan.round)));
  const missing = Array.from({ length: options.to - options.from }, (_, n) => options.from + n).filter(
    (round) => !done.has(round),
  );
  if (missing.length === 0) return legs;
  const registry = options.registryUrl === undefined ? await need(schemaRegistry()) : null;
  const registryUrl = options.registryUrl ?? (registry?.url as string);
  try {
    while (missing.length > 0) {
      const leg = await runLeg(options, missing.slice(0, options.leg), registryUrl);
      missing.splice(0, leg.rounds.length);
      appendFileSync(file, `${JSON.stringify(leg)}\n`);
      legs.push(leg);
    }
  } finally {
    await registry?.kill();
  }
  return legs;
}

/** Ends at the first round with a fault: what comes after it would repeat it. */
async function runLeg(options: RoundsOptions, numbers: readonly number[], registryUrl: string): Promise<LegResult> {
  const { seed, users, rate, guarantee, state, say } = options;
  const from = numbers[0] as number;
  const folder = join(state, `leg-${seed}-${from}`);
  rmSync(folder, { recursive: true, force: true });
  const warm = Math.floor(from / options.leg) % 2 === 0;
  say(`A leg from round ${from} on, ${warm ? 'with' : 'without'} standbys and snapshots.`);
  const leg = await Leg.start({ registryUrl, seed: seed * 1_009 + from, users, rate, guarantee, warm, folder, say });
  const rounds: RoundResult[] = [];
  const faults: string[] = [];
  const replays: ReplayOfLeg[] = [];
  try {
    for (const number of numbers) {
      const result = await leg.round(planRound(seed, number));
      rounds.push(result);
      appendFileSync(join(state, 'rounds.jsonl'), `${JSON.stringify({ seed, ...result })}\n`);
      say(`  ${result.seconds} s, ${result.signals} signals, ${result.diffs} diffs, ${result.faults.length} faults`);
      for (const fault of result.faults) say(`  FAULT ${fault}`);
      if (result.faults.length > 0) break;
    }
    if (rounds.every((round) => round.faults.length === 0)) {
      faults.push(...(await leg.end()), ...(await faultsOfState(leg.log, leg.codecs, guarantee)));
      for (const instances of instanceCounts) {
        const { log, codecs, brokers } = leg;
        const replay = await replayLeg({ log, codecs, brokers, guarantee, instances });
        say(`replayed with ${instances}: ${replay.diffs} diffs in ${replay.seconds} s, ${replay.faults.length} faults`);
        replays.push(replay);
        faults.push(...replay.faults);
      }
    }
  } catch (error) {
    faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await leg.kill();
  }
  for (const fault of faults) say(`  FAULT ${fault}`);
  if (faults.length === 0 && rounds.every((round) => round.faults.length === 0)) rmSync(folder, { recursive: true, force: true });
  return { seed, from, to: from + rounds.length, warm, faults, replays, rounds };
}

/** All in figures. */
export function summarize(legs: readonly LegResult[]) {
  const rounds = legs.flatMap((leg) => leg.rounds);
  const sum = (of: (round: RoundResult) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  const inflicted: Record<string, number> = {};
  const instances: Record<string, number> = {};
  const takeovers = new Map<string, number[]>();
  for (const { plan } of rounds) {
    instances[plan.instances] = (instances[plan.instances] ?? 0) + 1;
    for (const { kind } of plan.faults) inflicted[kind] = (inflicted[kind] ?? 0) + 1;
  }
  for (const leg of legs) {
    for (const { kind, ms } of leg.rounds.flatMap((round) => round.takeovers)) {
      const name = `${kind}, ${leg.warm ? 'warm' : 'cold'}`;
      takeovers.set(name, [...(takeovers.get(name) ?? []), ms]);
    }
  }
  return {
    rounds: rounds.length,
    legs: legs.length,
    faults: sum((round) => round.faults.length) + legs.reduce((total, leg) => total + leg.faults.length, 0),
    signals: sum((round) => round.signals),
    diffs: sum((round) => round.diffs),
    repeats: sum((round) => round.repeats),
    inflicted,
    instances,
    replays: legs.flatMap((leg) => leg.replays).length,
    replayed_diffs: legs.flatMap((leg) => leg.replays).reduce((total, { diffs }) => total + diffs, 0),
    seconds: Math.round(sum((round) => round.seconds)),
    takeover_ms: Object.fromEntries([...takeovers].sort().map(([kind, samples]) => [kind, distribution(samples)])),
  };
}
