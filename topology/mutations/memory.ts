/**
 * The rules of what is in memory, broken once (processors/users.ts): played with nobody in memory to whom nothing happens, every
 * scenario is one of theirs.
 */
import { group, type Mutation, type Row } from './mutation.ts';

const users = 'processors/users.ts';
const wheel = 'processors/wheel.ts';
const partition = 'topology/kit/partition.ts';
const timeout = 'processors/offline-timeout.ts';
const record = 'processors/record.ts';

const few = (file: string, rows: readonly Row[]): readonly Mutation[] =>
  group('Memory', file, rows).map((mutation) => ({ ...mutation, hotUsers: 0 }));

export const memory: readonly Mutation[] = [
  ...few(users, [
    ['who is not in memory is not found', 'return this.image === null ? null : this.recall(key, this.image);', 'return null;'],
    [
      'who was touched falls out before the cut',
      'if (user.touched || user.beat !== null) return;',
      'if (user.beat !== null) return;',
    ],
    ['a beat falls out before it is written', 'if (user.touched || user.beat !== null) return;', 'if (user.touched) return;'],
    [
      'who falls out falls due no more',
      'leaseWheel.arm(slot, outline.lease);\n      stampWheel.arm(slot, outline.stamp);\n    }\n    for',
      '}\n    for',
    ],
    [
      'who falls out falls due no more by the lease clock',
      'leaseWheel.arm(slot, outline.lease);\n      stampWheel.arm(slot, outline.stamp);\n    }\n    for',
      'stampWheel.arm(slot, outline.stamp);\n    }\n    for',
    ],
    [
      'an override of somebody who falls out never ends',
      'leaseWheel.arm(slot, outline.lease);\n      stampWheel.arm(slot, outline.stamp);\n    }\n    for',
      'leaseWheel.arm(slot, outline.lease);\n    }\n    for',
    ],
    [
      'who is about to fall due falls out',
      'if (leaseWheel.isPast(outline.lease) || stampWheel.isPast(outline.stamp)) return;',
      '',
    ],
    ['the deadline of an object that fell out is kept', 'timers.leaseTimers.remove(device);', ';'],
    ['a ghost of an object that fell out is kept', 'timers.leaseTimers.remove(ghost);', ';'],
    ['the override of an object that fell out is kept', 'timers.stampTimers.remove(user);', ''],
    ['what the record does not hold is not worked out', 'this.came += 1;\n    this.loaded(user);', 'this.came += 1;'],
    ['a restore arms nobody', 'leaseWheel.arm(slot, outline.lease);\n      stampWheel.arm(slot, outline.stamp);\n    });', '});'],
    ['a restore does not count who holds what', 'count(outline);\n      leaseWheel', 'leaseWheel'],
    ['who holds on to a gateway is not brought in', 'if (outline.gateways[i] !== gatewayId) continue;', 'continue;'],
  ]),
  ...few(wheel, [
    ['a bucket comes up a second late', 'bucketOf(now) >= this.earliest', 'bucketOf(now) > this.earliest'],
    [
      'an earlier deadline does not overtake',
      'if ((this.armed[slot] as number) <= bucket) return;',
      'if (this.armed[slot] !== NONE) return;',
    ],
    ['a bucket that has come up counts as ahead', 'return bucketOf(at) <= this.past;', 'return bucketOf(at) < this.past;'],
  ]),
  ...few(partition, [['nobody is brought in when time moves', 'scope.users.bringDue(clock.leaseAt(stamp), stamp);', '']]),
  ...few(timeout, [['a gateway’s users are not brought in', 'this.scope.users.bringHeldBy(gateway.gateway_id);', '']]),
  ...few(record, [
    [
      'the outline leaves out ghosts',
      'for (const ghost of this.ghosts ?? []) into.lease = Math.min(into.lease, ghost.grace_lease);',
      '',
    ],
    ['the outline leaves out the override', 'into.stamp = this.deadline();', ''],
  ]),
];
