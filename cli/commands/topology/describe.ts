/** `presence topology describe`. */
import { type Command, Option } from 'commander';
import { loadSpec, partitionsOption, type TopologyName, topologyOption } from './loaded.ts';

interface Flags {
  readonly json?: boolean;
  readonly mermaid?: boolean;
  readonly dot?: boolean;
  readonly partitions?: number;
  readonly topology: TopologyName;
}

export function addDescribe(topology: Command): void {
  topology
    .command('describe', { isDefault: true })
    .description('What it reads, its stages with stores and timers, what it writes, its topics and schemas.')
    .addOption(new Option('--json', 'as data: what presence.spec.json and fan-out.spec.json hold').conflicts(['mermaid', 'dot']))
    .addOption(new Option('--mermaid', 'as a drawing, for Markdown and mermaid.live').conflicts(['json', 'dot']))
    .addOption(new Option('--dot', 'as a drawing, for Graphviz').conflicts(['json', 'mermaid']))
    .addOption(topologyOption())
    .addOption(partitionsOption())
    // It is the default: a word that is no command comes here.
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
Examples:
  presence topology describe
  presence topology describe --json > presence.spec.json    what the repository keeps; git diff shows what an edit does
  presence topology describe --topology fan-out --json > fan-out.spec.json
  presence topology describe --dot | dot -Tsvg > presence.svg`,
    )
    .action(async ({ json, mermaid, dot, partitions, topology: name }: Flags, command: Command) => {
      const [word] = command.args;
      if (word !== undefined) {
        const names = topology.commands.map((one) => one.name()).join(', ');
        topology.error(`error: unknown command '${word}'. presence topology has ${names}.`, { exitCode: 2 });
      }
      const [{ describe }, { describeJoined, isJoinedSpec }] = await Promise.all([
        import('../../../topology/kit/index.ts'),
        import('../../../topology/kit/joined-describe.ts'),
      ]);
      const spec = await loadSpec(partitions, name);
      const format = json ? 'json' : mermaid ? 'mermaid' : dot ? 'dot' : 'text';
      process.stdout.write(`${isJoinedSpec(spec) ? describeJoined(spec, format) : describe(spec, format)}\n`);
    });
}
