/** `presence topology`: the topology as text, data or drawing, and its faults. Reads topology/presence.ts, runs nothing. */
import { type Command, Option } from 'commander';
import { hasCode } from '../../base/errors.ts';

export function addTopology(program: Command): void {
  const topology = program
    .command('topology')
    .description('Shows and checks the topology, without running it.')
    .addHelpText('after', '\nExamples:\n  presence topology describe --mermaid > presence.mmd\n  presence topology lint');

  topology
    .command('describe', { isDefault: true })
    .description('What it reads, its stages with stores and timers, what it writes, its topics and schemas.')
    .addOption(new Option('--json', 'as data: what presence.spec.json holds').conflicts(['mermaid', 'dot']))
    .addOption(new Option('--mermaid', 'as a drawing, for Markdown and mermaid.live').conflicts(['json', 'dot']))
    .addOption(new Option('--dot', 'as a drawing, for Graphviz').conflicts(['json', 'mermaid']))
    .addHelpText(
      'after',
      `
Examples:
  presence topology describe
  presence topology describe --json > presence.spec.json    what the repository keeps; git diff shows what an edit does
  presence topology describe --dot | dot -Tsvg > presence.svg`,
    )
    .action(async (options: { readonly json?: boolean; readonly mermaid?: boolean; readonly dot?: boolean }) => {
      const { describe } = await import('../../topology/kit/index.ts');
      const { presenceSpec } = await import('../system-spec.ts');
      const format = options.json ? 'json' : options.mermaid ? 'mermaid' : options.dot ? 'dot' : 'text';
      process.stdout.write(`${describe(presenceSpec(), format)}\n`);
    });

  topology
    .command('lint')
    .description('What the compiler cannot see: names used twice, times that do not go together. 1 if there is a fault.')
    .action(async () => {
      const { lint } = await import('../../topology/kit/index.ts');
      // A topology with a fault throws when it is declared, with all faults in its message.
      const loaded = await import('../../topology/presence.ts').catch((error: unknown) => {
        if (!hasCode(error, 'BAD_TOPOLOGY')) throw error;
        process.stdout.write(`${error.message}\n`);
        process.exitCode = 1;
        return null;
      });
      if (loaded === null) return;
      const { spec } = loaded.presence;
      const faults = lint(spec);
      for (const { level, at, rule, message } of faults) process.stdout.write(`${level} ${at} [${rule}] ${message}\n`);
      if (faults.some(({ level }) => level === 'error')) process.exitCode = 1;
      if (faults.length === 0)
        process.stdout.write(
          `${spec.name}@${spec.version}: no fault in ${spec.stages.length} stages and ${spec.sinks.length} sinks.\n`,
        );
    });
}
