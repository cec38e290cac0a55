/** The role `topology`: the presence topology, wired to the log. */
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { PresenceError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { presenceWiring } from '../replay/wiring.ts';
import { type Runner, runTopology } from '../runtime/runner.ts';
import type { Settings } from './config.ts';
import { instanceName, type LogParts } from './parts.ts';

/** Its consumer group, and the stem of its transactional ids. */
export const TOPOLOGY_GROUP = 'presence.topology';

export async function runPresence(settings: Settings, { log, codecs }: LogParts, logger: Logger): Promise<Runner> {
  const { stateDir, standbyReplicas, sessionTimeoutMs: session_ms, processingGuarantee: guarantee } = settings;
  if (stateDir !== undefined) await makeWritable(stateDir);
  return runTopology({
    log,
    wiring: presenceWiring(codecs),
    group: TOPOLOGY_GROUP,
    instanceId: instanceName(settings),
    logger,
    guarantee,
    standbyReplicas,
    session_ms,
    ...(stateDir === undefined ? {} : { stateDir }),
  });
}

/** Said at the start rather than with each snapshot. */
async function makeWritable(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new PresenceError('BAD_SETTING', `STATE_DIR ${folder} cannot be written to: ${(cause as Error).message}.`, {
      at: 'STATE_DIR',
      retriable: false,
      cause,
    });
  }
}
