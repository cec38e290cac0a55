/** What the rules measure a topology by, ms where not said otherwise. contract.md's, or of the parts that meet the topology. */
import { topicNames } from '../../../schemas/topics.ts';

/** Gateways and owners write a marker so often, into every partition. */
export const MARKER_MS = 1_000;
/** Online to others' screens, and a silent client to offline, at the latest. */
export const ONLINE_WITHIN_MS = 2_000;
export const OFFLINE_WITHIN_MS = 5_000;
/** A clean close to offline. */
export const GOODBYE_WITHIN_MS = 1_500;
/** What the way takes outside the topology: gateway, log, commit, fan-out. */
export const WAY_MS = 500;
/** A reader may come back with its cursor for so long; gateways keep a minute and 10 s more. */
export const RESUME_WITHIN_MS = 370_000;
/** A record that is larger is refused by a broker as it comes (message.max.bytes). */
export const RECORD_BYTES_MAX = 1_048_588;
/** Ids may have 128 characters. Of a device: five ids, a trace, numbers; of a replaced session: its id and a number. */
export const DEVICE_BYTES_MAX = 5 * 130 + 56 + 60;
export const SESSION_BYTES_MAX = 130 + 8;
/** Others may see it as a ghost besides. */
export const GHOST_BYTES_MAX = 130 + 56 + 12;
/** The parts of a user's record that stages may own (processors/record.ts). */
export const PARTS = ['sessions', 'claims', 'life', 'emitted'] as const;
/** What connectors write, by the kind of sink, and from what (connectors/sinks/index.ts): names that no declaration changes. */
export const CONNECTED = {
  cockroachdb: {
    by: 'cockroachSink',
    reads: [topicNames.state, topicNames.diffs],
    targets: ['presence', 'presence_users', 'presence_history'],
  },
  redis: { by: 'redisSink', reads: [topicNames.state], targets: ['presence:state:{n}', 'presence:last_seen:{n}'] },
} as const;
/** Built-in stages, in the order in which each needs the one before. */
export const KINDS = ['dedupe', 'windowedPrecedence', 'offlineTimeout', 'diff'] as const;
/** The most trusted source first, the least available state last (contract.md, "Rules of presence"). */
export const SOURCES = ['manual', 'app', 'inferred'] as const;
export const STATES = ['dnd', 'busy', 'online', 'away', 'offline'] as const;
