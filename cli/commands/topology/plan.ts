/** `presence topology plan`. */
import type { Command } from 'commander';
import type { Verdict } from '../../../topology/kit/plan.ts';
import { loadSpec, partitionsOption, type TopologyName, topologyOption } from './loaded.ts';

/** So that a pipeline can tell them apart. */
const exitCodes: Readonly<Record<Verdict, number>> = { compatible: 0, migration: 3, rebuild: 4 };

interface Flags {
  readonly against?: string;
  readonly json?: boolean;
  readonly partitions?: number;
  readonly topology: TopologyName;
}

export function addPlan(topology: Command): void {
  topology
    .command('plan')
    .description('What the topology here would do to what runs there: compatible, needs migration, or needs rebuild, and why.')
    .option(
      '--against <spec>',
      'a spec file, the URL of a running system, or <git ref>:<path> (default: HEAD:<topology>.spec.json)',
    )
    .option('--json', 'as data')
    .addOption(topologyOption())
    .addOption(partitionsOption())
    .addHelpText(
      'after',
      `
compatible       can be rolled out instance by instance; the state stays
needs migration  the state stays, but something must be altered, or done in an order
needs rebuild    the state must be replayed

Exit codes: 0 compatible, 3 needs migration, 4 needs rebuild, 1 failed (or lint finds errors here, which are told), 2 wrong
usage. docs/upgrading.md says what each means.

Examples:
  presence topology plan                                       what this working tree changes
  presence topology plan --against http://presence.internal    against what runs
  presence topology plan --against main:presence.spec.json --json
  presence topology plan --topology fan-out                    it keeps no state: only topics can need more than a start`,
    )
    .action(async ({ against, json, partitions, topology: name }: Flags) => {
      const spec = await loadSpec(partitions, name);
      const { refused } = await import('./faults.ts');
      if (refused(spec, json)) return;
      const [{ readAgainst, readJoined }, { plan }, { planJoined }, { isJoinedSpec }, { printPlan }, { incompatibility }] =
        await Promise.all([
          import('./against.ts'),
          import('../../../topology/kit/plan.ts'),
          import('../../../topology/kit/joined-plan.ts'),
          import('../../../topology/kit/joined-describe.ts'),
          import('../../../topology/kit/plan/print.ts'),
          import('../../../schemas/avsc.ts'),
        ]);
      const place = against ?? `HEAD:${name}.spec.json`;
      const found = isJoinedSpec(spec)
        ? planJoined(await readJoined(place), spec, incompatibility)
        : plan(await readAgainst(place), spec, incompatibility);
      process.stdout.write(`${json === true ? JSON.stringify(found, null, 2) : printPlan(found)}\n`);
      process.exitCode = exitCodes[found.verdict];
    });
}
