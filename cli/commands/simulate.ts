/** `presence simulate`: worlds of simulated clients in virtual time, from seeds or from a story's file. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { CampaignOptions, Verdict } from '../../simulation/campaign.ts';
import type { Broken } from '../../simulation/invariants.ts';
import type { Story, StoryOptions } from '../../simulation/story.ts';
import { badSettings } from '../config.ts';

interface Flags {
  readonly seed?: string;
  readonly seeds?: string;
  readonly fresh?: string;
  readonly story?: string;
  readonly minutes: string;
  readonly clients: string;
  readonly loss?: string;
  readonly faults: string;
  readonly heartbeatMs: string;
  readonly ttlMs: string;
  readonly workers: string;
  readonly into?: string;
  readonly save?: string;
  readonly shrink: boolean;
  readonly json?: boolean;
}

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('Plays worlds of simulated clients against the real gateway parts, runtime and topology, in virtual time.')
    .option('--seed <number>', 'one world; default 1')
    .option('--seeds <from..to>', 'many worlds')
    .option('--fresh <count>', 'so many worlds more, of seeds never seen before (they are printed)')
    .option('--story <file>', 'one story, as --save wrote it')
    .option('--minutes <number>', 'of virtual time', '10')
    .option('--clients <number>', 'streams, tabs and background tasks, on 0.7 times as many users', '50')
    .option('--loss <share>', 'of the segments, each way; default: each client its own, 0 to 0.1')
    .option('--faults <which>', 'all, clients (the servers are well), none', 'all')
    .option('--heartbeat-ms <number>', 'how often the server pings', '1000')
    .option('--ttl-ms <number>', 'after so long without a beat a device is silent', '3000')
    .option('--workers <number>', 'processes', '1')
    .option('--into <file>', 'keeps what each seed left; a campaign that was stopped goes on from it')
    .option('--save <file>', 'where the shortest broken story goes')
    .option('--no-shrink', 'says how a seed breaks, without looking for the shortest story')
    .option('--json', 'the figures as data')
    .addHelpText(
      'after',
      `
It stops at the first seed in which an invariant breaks, and prints the shortest story that it can find.
What is simulated, what is measured, and what came of it: docs/simulation.md. Exit code 1: an invariant broke.

Examples:
  presence simulate --seed 7
  presence simulate --seeds 1..10000 --workers 2 --into campaign.jsonl
  presence simulate --seeds 1..20 --clients 5000 --minutes 60 --workers 2
  presence simulate --seeds 1..200 --faults clients --loss 0.05 --ttl-ms 4000`,
    )
    .action(async (flags: Flags) => {
      const broken = flags.story === undefined ? await playSeeds(flags) : await playStory(flags.story);
      if (broken) process.exitCode = 1;
    });
}

function number(name: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least || value > most)
    throw badSettings([`--${name} must be a number from ${least} to ${most} ("${text}")`]);
  return value;
}

function seedsOf(flags: Flags): number[] {
  const seeds: number[] = [];
  if (flags.seeds !== undefined) {
    const [from, to] = (/^(\d+)\.\.(\d+)$/.exec(flags.seeds) ?? []).slice(1).map(Number);
    if (from === undefined || to === undefined || to < from) throw badSettings([`--seeds must be A..B ("${flags.seeds}")`]);
    for (let seed = from; seed <= to; seed++) seeds.push(seed);
  }
  if (flags.seed !== undefined) seeds.push(number('seed', flags.seed, 0));
  for (let count = number('fresh', flags.fresh ?? '0', 0, 10_000); count > 0; count--)
    seeds.push(Math.floor(Math.random() * 2 ** 31));
  return seeds.length === 0 ? [1] : seeds;
}

function worldOf(flags: Flags): CampaignOptions['world'] {
  if (!['all', 'clients', 'none'].includes(flags.faults))
    throw badSettings([`--faults: all, clients or none ("${flags.faults}")`]);
  return {
    minutes: number('minutes', flags.minutes, 2, 10_000),
    clients: number('clients', flags.clients, 1, 100_000),
    faults: flags.faults as NonNullable<StoryOptions['faults']>,
    heartbeat_ms: number('heartbeat-ms', flags.heartbeatMs, 100, 60_000),
    ttl_ms: number('ttl-ms', flags.ttlMs, 500, 120_000),
    ...(flags.loss === undefined ? {} : { loss: number('loss', flags.loss, 0, 0.9) }),
  };
}

/** Whether one broke. */
async function playSeeds(flags: Flags): Promise<boolean> {
  const seeds = seedsOf(flags);
  const world = worldOf(flags);
  const { campaign } = await import('../../simulation/campaign.ts');
  const { default: progress } = await import('cli-progress');
  const { figuresToJson, reportOf } = await import('../../simulation/report.ts');
  if (flags.fresh !== undefined) process.stderr.write(`Fresh seeds: ${seeds.slice(-Number(flags.fresh)).join(' ')}\n`);
  const format = '{bar} {value} of {total} worlds, {cpu} ms of CPU each, {eta_formatted} left';
  const bar = new progress.SingleBar({ format, clearOnComplete: true, stream: process.stderr, noTTYOutput: false });
  bar.start(seeds.length, 0, { cpu: '-' });
  let cpu_ms = 0;
  let played = 0;
  const onVerdict = (verdict: Verdict, done: number): void => {
    cpu_ms += verdict.cpu_ms;
    played += 1;
    bar.update(done, { cpu: Math.round(cpu_ms / played) });
  };
  const workers = number('workers', flags.workers, 1, 64);
  const result = await campaign({ seeds, world, workers, onVerdict, ...(flags.into === undefined ? {} : { file: flags.into }) });
  bar.stop();
  const { totals, digest, broken } = result;
  const each = Math.round(totals.cpu_ms / result.played);
  const counted = `${totals.events} events, ${totals.signals} signals, ${totals.diffs} diffs, ${totals.repeated} repeats dropped`;
  if (flags.json === true) {
    const data = { world, played: result.played, totals, digest, broken, figures: figuresToJson(result.figures) };
    process.stdout.write(`${JSON.stringify(data)}\n`);
  } else {
    process.stdout.write(
      `${result.played} worlds, ${each} ms of CPU each (${counted}; digest ${digest})\n\n${reportOf(result.figures)}\n`,
    );
  }
  if (broken?.broken == null) return false;
  const { tellStory } = await import('../../simulation/story.ts');
  await tellBroken(tellStory({ ...world, seed: broken.seed }), broken.broken, flags);
  return true;
}

async function tellBroken(whole: Story, broken: Broken, flags: Flags): Promise<void> {
  const { storyInWords } = await import('../../simulation/tell.ts');
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  say(`\nSeed ${whole.seed} breaks ${broken.invariant} at ${Math.round(broken.at)} ms: ${broken.detail}`);
  let [story, end] = [whole, broken];
  if (flags.shrink) {
    const { shrink } = await import('../../simulation/shrink.ts');
    const shrunk = await shrink(whole, broken);
    [story, end] = [shrunk.story, shrunk.broken];
    say(`The shortest story found in ${shrunk.tries} tries:\n`);
    say(storyInWords(story, end));
  }
  const file = flags.save ?? `broken-${whole.seed}.story.json`;
  writeFileSync(file, `${JSON.stringify(story, null, 1)}\n`);
  say(`\nAgain: presence simulate --story ${file}`);
}

async function playStory(file: string): Promise<boolean> {
  const { readStory } = await import('./story-file.ts');
  const story = readStory(file);
  const { play } = await import('../../simulation/world.ts');
  const { reportOf } = await import('../../simulation/report.ts');
  const { storyInWords } = await import('../../simulation/tell.ts');
  const { broken, figures, hash, events } = await play(story);
  process.stdout.write(`${events} events, hash ${hash}\n${broken === null ? reportOf(figures) : storyInWords(story, broken)}\n`);
  return broken !== null;
}
