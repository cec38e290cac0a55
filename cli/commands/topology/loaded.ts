/** The topologies of the working tree, as the author's commands read them. */
import { Option } from 'commander';
import { PresenceError } from '../../../base/errors.ts';
import type { SystemSpec, Topology } from '../../../topology/kit/index.ts';

/** Those that `--topology` takes: each has its file in topology/, and its spec beside package.json. */
export const topologyNames = ['presence', 'fan-out'] as const;
export type TopologyName = (typeof topologyNames)[number];

export const topologyOption = (): Option =>
  new Option('--topology <name>', 'which one').choices(topologyNames).default('presence' satisfies TopologyName);

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
export const loadTopology = (): Promise<Topology> =>
  evaluated('presence', async () => (await import('../../../topology/presence.ts')).presence);

async function evaluated<T>(name: TopologyName, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof PresenceError || !(error instanceof Error)) throw error;
    const { placeOf } = await import('./place.ts');
    const at = placeOf(error, `topology/${name}.ts`) ?? `topology/${name}.ts`;
    throw new PresenceError('BAD_TOPOLOGY', `${at}: ${error.message} (${error.name}).`, {
      at,
      retriable: false,
      help: 'npx tsc -p . says more.',
      cause: error,
    });
  }
}

/** Its spec, also where it breaks rules that keep it from running. */
export async function loadSpec(partitions?: number, name: TopologyName = 'presence'): Promise<SystemSpec> {
  const [{ BadTopology }, { joinedSystemOf, systemOf }] = await Promise.all([
    import('../../../topology/kit/index.ts'),
    import('../../system-spec.ts'),
  ]);
  if (name === 'fan-out') {
    const { fanOut } = await evaluated(name, () => import('../../../topology/fan-out.ts'));
    return joinedSystemOf(fanOut.spec, partitions);
  }
  try {
    return systemOf((await loadTopology()).spec, partitions);
  } catch (error) {
    if (error instanceof BadTopology) return systemOf(error.spec, partitions);
    throw error;
  }
}
