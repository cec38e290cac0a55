/** A process that plays the stories it is sent, one after the other, and answers what came of each. Started by campaign.ts. */
import type { Task, Verdict } from './campaign.ts';
import { figuresToJson } from './report.ts';
import { tellStory } from './story.ts';
import { play } from './world.ts';

// A campaign that is killed leaves nobody behind.
process.on('disconnect', () => process.exit(0));
process.on('message', (task: Task) => {
  void playOne(task).then(
    (verdict) => process.send?.(verdict),
    (error: unknown) => {
      process.stderr.write(`Seed ${task.options.seed}: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});

async function playOne({ options }: Task): Promise<Verdict> {
  const before = process.cpuUsage();
  const { broken, figures, hash, events, replayed } = await play(tellStory(options));
  const { user, system } = process.cpuUsage(before);
  return {
    seed: options.seed,
    broken,
    hash,
    events,
    cpu_ms: Math.round((user + system) / 1_000),
    signals: replayed?.signals ?? 0,
    diffs: replayed?.diffs ?? 0,
    repeated: replayed?.ordinalsRepeated ?? 0,
    figures: figuresToJson(figures),
  };
}
