/** The fan-out topology, beside the presence topology in the role `topology`: a group of its own, never in its transactions. */
import type { Logger } from '../base/logger.ts';
import { type JoinedRunner, runJoined } from '../runtime/joined.ts';
import { fanOut } from '../topology/fan-out.ts';
import type { Settings } from './config.ts';
import type { LogParts } from './parts.ts';

/** Its consumer group, and the stem of its transactional ids. */
export const FAN_OUT_GROUP = 'presence.fan-out';

export const runFanOut = (settings: Settings, { log, codecs }: LogParts, logger: Logger): Promise<JoinedRunner> =>
  runJoined({
    ...{ log, codecs, joined: fanOut, group: FAN_OUT_GROUP },
    logger: logger.child({ part: 'fan-out' }),
    session_ms: settings.sessionTimeoutMs,
  });
