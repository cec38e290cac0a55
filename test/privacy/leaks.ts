/**
 * Ways in which an invisible user could show, each put into a copy once: the property (invisible.test.ts) must find it
 * (`npm run mutations:privacy`).
 */
import type { Break } from '../../scripts/broken-copy.ts';

export interface Leak extends Break {
  /** What others could tell. */
  readonly shows: string;
}

const timeout = 'processors/offline-timeout.ts';
const record = 'processors/record.ts';
const diff = 'processors/diff.ts';
const views = 'processors/views.ts';
const blob = 'connectors/blob.ts';
const seen = 'gateway/presence-of.ts';
const recent = 'gateway/recent-diffs.ts';

export const leaks: readonly Leak[] = [
  {
    shows: 'source: an override began',
    file: seen,
    find: 'source: seen.source,',
    replace: 'source: blob.source,',
  },
  {
    shows: 'source of a diff: manual while nobody said so',
    file: diff,
    find: 'source: view.nowSource,',
    replace: 'source: user.self.nowSource,',
  },
  {
    shows: 'cause: an override and no goodbye',
    file: timeout,
    find: "happening.publicCause = happening.replaces ? 'override_cleared' : 'goodbye';",
    replace: '',
  },
  {
    shows: 'cause: why it ended',
    file: timeout,
    find: "happening.publicCause = best === null ? 'goodbye' : 'signal';",
    replace: '',
  },
  {
    shows: 'cause: that no override was cleared',
    file: timeout,
    find: "happening.replaces ? 'override_cleared' : 'goodbye';",
    replace: "'goodbye';",
  },
  {
    shows: 'version: it counts what is done behind the veil',
    file: diff,
    find: 'public_version: user.others.version,',
    replace: 'public_version: user.self.version,',
  },
  { shows: 'version of a read', file: seen, find: 'version: seen.version,', replace: 'version: blob.version,' },
  { shows: 'since: when the truth began', file: seen, find: 'since: seen.since,', replace: 'since: blob.since,' },
  {
    shows: 'last_seen rises behind the veil',
    file: record,
    find: 'if (this.ghosts === null) this.publicLastSeen = stamp;',
    replace: 'this.publicLastSeen = stamp;',
  },
  {
    shows: 'last_seen rises with a silence told late',
    file: record,
    find: 'if (this.ghosts === null && at > this.publicLastSeen)',
    replace: 'if (at > this.publicLastSeen)',
  },
  {
    shows: 'last_seen is not of the goodbye',
    file: timeout,
    find: 'if (!leaving) user.publicLastSeen = happening.stamp;',
    replace: '',
  },
  {
    shows: 'last_seen is as of the last beat, not of coming back',
    file: timeout,
    find: 'if (best !== null) user.publicLastSeen = happening.stamp;',
    replace: '',
  },
  {
    shows: 'last_seen is as fresh as of one who streams',
    file: blob,
    find: 'public_streaming: state.public.streaming,',
    replace: 'public_streaming: state.streaming,',
  },
  {
    shows: 'devices: how many live behind the veil',
    file: record,
    find: 'devices_live: ghosts === null ? live : ghosts.length,',
    replace: 'devices_live: live,',
  },
  {
    shows: 'devices of a read',
    file: seen,
    find: 'devices: seen.devices,',
    replace: 'devices: blob.devices,',
  },
  {
    shows: 'epoch: a record is written anew after a failover',
    file: seen,
    find: 'own ? seen.epoch : epochForOthers(seen, progress)',
    replace: 'seen.epoch',
  },
  {
    shows: 'epoch of one who was never seen',
    file: seen,
    find: 'seen.version === 0 ? 0 : own',
    replace: 'own',
  },
  {
    shows: 'trace: an end by itself has none',
    file: recent,
    find: "view === 'self' ? trace_id : traceForOthers(user_id, { epoch, version, cause, trace_id })",
    replace: 'trace_id',
  },
  {
    shows: 'delay: offline at once, without the grace',
    file: timeout,
    find: 'ghosts.push(ghost);',
    replace: '',
  },
  {
    shows: 'delay: a device that had left already gets a longer grace',
    file: timeout,
    find: 'grace_lease: leaving ? (device.grace_lease ?? end) : end',
    replace: 'grace_lease: end',
  },
  {
    shows: 'delay: the grace ends when a device says something behind the veil',
    file: timeout,
    find: 'device.grace_lease = device.silence_lease = device.trace = device.forget_lease = null;',
    replace: [
      'device.grace_lease = device.silence_lease = device.trace = device.forget_lease = null;',
      'for (const ghost of device.user.ghosts?.splice(0) ?? []) this.scope.leaseTimers.remove(ghost);',
    ].join('\n    '),
  },
  {
    shows: 'a diff: the truth of a state',
    file: views,
    find: '    happening.publicState = seen?.state ?? ',
    replace: '    happening.publicState = bestDevice(user)?.state ?? ',
  },
  {
    shows: 'a diff that is for the user alone',
    file: recent,
    find: "audience === 'all' || audience === view",
    replace: "audience === 'all' || audience === view || audience === 'self'",
  },
  {
    shows: 'order: who is hidden comes last in a batch',
    file: diff,
    find: 'const byKey = (a: User, b: User): number => (',
    replace: 'const byKey = (a: User, b: User): number => a.ghosts !== null && b.ghosts === null ? 1 : (',
  },
  {
    shows: 'a restart forgets the veil',
    file: record,
    find: 'record.public.ghosts?.map((ghost) => new Ghost(user, ghost)) ?? null',
    replace: 'null',
  },
];
