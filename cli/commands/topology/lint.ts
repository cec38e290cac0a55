/** `presence topology lint`. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadSpec, partitionsOption } from './loaded.ts';

export function addLint(topology: Command): void {
  topology
    .command('lint')
    .description('What the compiler cannot see: names used twice, times that do not go together. 1 if there is an error.')
    .option('--json', 'as data')
    .addOption(partitionsOption())
    .addHelpText(
      'after',
      `
Each rule has a page: docs/lint.md. A warning does not change the exit code.

Examples:
  presence topology lint
  presence topology lint --json | jq '.faults[] | select(.level == "error")'`,
    )
    .action(async ({ json, partitions }: { readonly json?: boolean; readonly partitions?: number }) => {
      const { helpOf, lint } = await import('../../../topology/kit/index.ts');
      const { locate, printFault } = await import('../../../topology/kit/lint/print.ts');
      const spec = await loadSpec(partitions);
      const sources = readSources();
      const faults = lint(spec).map((fault) => ({ ...fault, where: locate(fault.at, sources), help: helpOf(fault.rule) }));
      if (faults.some(({ level }) => level === 'error')) process.exitCode = 1;
      const name = `${spec.name}@${spec.version}`;
      if (json === true) {
        process.stdout.write(`${JSON.stringify({ topology: name, faults }, null, 2)}\n`);
        return;
      }
      for (const fault of faults) process.stdout.write(`${printFault(fault, fault.where)}\n  ${fault.help}\n\n`);
      const count = (level: string): number => faults.filter((fault) => fault.level === level).length;
      const found =
        faults.length === 0
          ? `no fault in ${spec.stages.length} stages, ${spec.sinks.length} sinks and ${spec.topics.length} topics`
          : `errors: ${count('error')}, warnings: ${count('warning')}`;
      process.stdout.write(`${name}: ${found}.\n`);
    });
}

/** The author's files, in which places are looked up. */
function readSources() {
  const source = (path: string) => ({ path, text: readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8') });
  return {
    topology: source('topology/presence.ts'),
    topics: source('topology/topics.ts'),
    topicNames: source('schemas/topics.ts'),
  };
}
