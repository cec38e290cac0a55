/** The topology of the working tree, as the author's commands read it. */
import { Option } from 'commander';
import { PresenceError } from '../../../base/errors.ts';
import type { SystemSpec, Topology } from '../../../topology/kit/index.ts';

/** What the topics of a deployment have: `presence up` takes it too. */
export const partitionsOption = (): Option =>
  new Option('--partitions <number>', 'partitions of the topics, where they are not the default')
    .env('PARTITIONS')
    .argParser((text) => {
      const partitions = Number(text);
      if (Number.isInteger(partitions) && partitions >= 1) return partitions;
      throw new PresenceError('BAD_SETTING', `--partitions must be a whole number from 1 ("${text}")`, {
        at: 'PARTITIONS',
        retriable: false,
      });
    });

/** Throws BadTopology where it breaks rules; BAD_TOPOLOGY with its place, where evaluating it throws something else. */
export async function loadTopology(): Promise<Topology> {
  try {
    return (await import('../../../topology/presence.ts')).presence;
  } catch (error) {
    if (error instanceof PresenceError || !(error instanceof Error)) throw error;
    const { placeOf } = await import('./place.ts');
    const at = placeOf(error) ?? 'topology/presence.ts';
    throw new PresenceError('BAD_TOPOLOGY', `${at}: ${error.message} (${error.name}).`, {
      at,
      retriable: false,
      help: 'npx tsc -p . says more.',
      cause: error,
    });
  }
}

/** Its spec, also where it breaks rules that keep it from running. */
export async function loadSpec(partitions?: number): Promise<SystemSpec> {
  const { BadTopology } = await import('../../../topology/kit/index.ts');
  const { systemOf } = await import('../../system-spec.ts');
  try {
    return systemOf((await loadTopology()).spec, partitions);
  } catch (error) {
    if (error instanceof BadTopology) return systemOf(error.spec, partitions);
    throw error;
  }
}
