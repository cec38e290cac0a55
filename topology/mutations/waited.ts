/** Rules of what waited in its gateway, and of silence after a hole, broken. */
import { dedupe, group, type Mutation, record, tail, timeout } from './mutation.ts';

const late = 'processors/late.ts';

export const waited: readonly Mutation[] = [
  ...group('Waited', late, [
    ['what waited is as new as any', 'stamp - held_ms + WAITED_MS < spoke_at', 'false'],
    ['every bit of waiting counts', 'stamp - held_ms + WAITED_MS < spoke_at', 'stamp - held_ms < spoke_at'],
    ['a fresh word has its moment after a hole', 'if (settle === 0 || held_ms > WAITED_MS)', ''],
    ['nothing has its moment after a hole', 'if (settle === 0 || held_ms > WAITED_MS)', 'if (settle === 0)'],
    ['what was said is of when it was written', 'device.spoke_at = stamp - held_ms;', 'device.spoke_at = stamp;'],
    ['before a leap back is after it', 'spoke_at <= stamp && ', ''],
  ]),
  ...group('Waited', dedupe, [
    ['a late session is not remembered', 'if (!same) this.tooLate(happening, user, device, session);', ''],
    ['a late session’s record is not written', "happening.user = user;\n    this.handOn(happening, 'repeat');", 'void user;'],
    [
      'a late hello takes the hold',
      'if (!same || (signal.connection_id ?? device.connection_id) !== device.connection_id)',
      'if (!same)',
    ],
    [
      'a connection can be late for itself',
      'if (!same || (signal.connection_id ?? device.connection_id) !== device.connection_id)',
      '',
    ],
  ]),
  ...group('Waited', tail, [['a restore forgets when a device spoke', 'spoke(clocks, signal, device);', '']]),
  ...group('Waited', timeout, [
    [
      'a silence that waited tells of a beat of just now',
      'happening.stamp - signal.held_ms - (signal.silent_ms ?? 0)',
      'happening.stamp - (signal.silent_ms ?? 0)',
    ],
  ]),
  ...group('Silence after a hole', timeout, [
    ['it counts at once', 'device.silence_lease = happening.lease + 1;', ''],
    [
      'it counts a second later',
      'device.silence_lease = happening.lease + 1;',
      'device.silence_lease = happening.lease + 1_000;',
    ],
    [
      'a hello does not end the wait',
      'device.silence_lease = device.trace = device.forget_lease = null;',
      'device.trace = device.forget_lease = null;',
    ],
    ['a goodbye does not end the wait', 'device.ttl_lease = device.silence_lease = null;', 'device.ttl_lease = null;'],
  ]),
  ...group('Silence after a hole', record, [
    ['the wait does not count', 'this.grace_lease !== null || this.silence_lease !== null', 'this.grace_lease !== null'],
    ['the wait has no end', 'if (silence_lease !== null && silence_lease < due) due = silence_lease;', ''],
    ['a restore forgets the wait', 'device.silence_lease = record.silence_lease;', ''],
  ]),
];
