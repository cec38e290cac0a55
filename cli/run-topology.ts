/** The role `topology`: the presence topology, wired to the log. */
import type { Logger } from '../base/logger.ts';
import { presenceWiring } from '../replay/wiring.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import type { Settings } from './config.ts';
import { instanceName, type LogParts } from './parts.ts';

/** Its consumer group, and the stem of its transactional ids. */
export const TOPOLOGY_GROUP = 'presence.topology';

export function runPresence(settings: Settings, { log, codecs }: LogParts, logger: Logger): Promise<Runner> {
  return runTopology({
    log,
    wiring: presenceWiring(codecs),
    group: TOPOLOGY_GROUP,
    instanceId: instanceName(settings),
    logger,
  });
}
