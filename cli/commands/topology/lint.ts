/** `presence topology lint`. */
import type { Command } from 'commander';
import { loadSpec, partitionsOption, type TopologyName, topologyOption } from './loaded.ts';

interface Flags {
  readonly json?: boolean;
  readonly partitions?: number;
  readonly topology: TopologyName;
}

export function addLint(topology: Command): void {
  topology
    .command('lint')
    .description('What the compiler cannot see: names used twice, times that do not go together. 1 if there is an error.')
    .option('--json', 'as data')
    .addOption(topologyOption())
    .addOption(partitionsOption())
    .addHelpText(
      'after',
      `
Each rule has a page: docs/lint.md, docs/fan-out.md. A warning does not change the exit code. Types are checked by the
compiler, beside lint: npx tsc -p .

Examples:
  presence topology lint
  presence topology lint --topology fan-out
  presence topology lint --json | jq '.faults[] | select(.level == "error")'`,
    )
    .action(async ({ json, partitions, topology: which }: Flags) => {
      const { faultsIn, isError, printed } = await import('./faults.ts');
      const spec = await loadSpec(partitions, which);
      const faults = faultsIn(spec);
      if (faults.some(isError)) process.exitCode = 1;
      const name = `${spec.name}@${spec.version}`;
      if (json === true) {
        process.stdout.write(`${JSON.stringify({ topology: name, faults }, null, 2)}\n`);
        return;
      }
      for (const fault of faults) process.stdout.write(printed(fault));
      const count = (level: string): number => faults.filter((fault) => fault.level === level).length;
      const found =
        faults.length === 0
          ? `no fault in ${spec.stages.length} stages, ${spec.sinks.length} sinks and ${spec.topics.length} topics`
          : `errors: ${count('error')}, warnings: ${count('warning')}`;
      process.stdout.write(`${name}: ${found}.\n`);
    });
}
