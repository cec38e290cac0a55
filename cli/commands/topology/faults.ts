/** What lint says of the topology, with the place of each fault in the sources. */
import { readFileSync } from 'node:fs';
import { type Fault, helpOf, lint, type SystemSpec } from '../../../topology/kit/index.ts';
import { isJoinedSpec } from '../../../topology/kit/joined-describe.ts';
import { locate, printFault } from '../../../topology/kit/lint/print.ts';
import { rules } from '../../../topology/kit/lint.ts';
import { lintJoined } from '../../../topology/kit/lint-joined.ts';

export interface LocatedFault extends Fault {
  /** file:line; null if it is not found. */
  readonly where: string | null;
  readonly help: string;
}

export function faultsIn(spec: SystemSpec): readonly LocatedFault[] {
  const sources = readSources(spec.name);
  const faults = isJoinedSpec(spec) ? lintJoined(spec) : lint(spec);
  return faults.map((fault) => ({ ...fault, where: locate(fault.at, sources), help: pageOf(fault.rule) }));
}

/** A rule that only joined topologies have stands on their page. */
const pageOf = (rule: string): string => (rules.some(({ id }) => id === rule) ? helpOf(rule) : `docs/fan-out.md#${rule}`);

export const isError = ({ level }: Fault): boolean => level === 'error';
export const printed = (fault: LocatedFault): string => `${printFault(fault, fault.where)}\n  ${fault.help}\n\n`;

/**
 * Whether lint finds errors: then they are printed, and the exit code is 1. A topology with errors does not start, so there is
 * nothing to be said of what it would do.
 */
export function refused(spec: SystemSpec, json: boolean | undefined): boolean {
  const faults = faultsIn(spec).filter(isError);
  if (faults.length === 0) return false;
  process.exitCode = 1;
  const name = `${spec.name}@${spec.version}`;
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ topology: name, faults }, null, 2)}\n`
      : `${faults.map(printed).join('')}${name} does not start: errors: ${faults.length}.\n`,
  );
  return true;
}

/** The author's files, in which places are looked up. */
function readSources(name: string) {
  const source = (path: string) => ({ path, text: readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8') });
  return {
    topology: source(`topology/${name}.ts`),
    topics: source('topology/topics.ts'),
    topicNames: source('schemas/topics.ts'),
  };
}
