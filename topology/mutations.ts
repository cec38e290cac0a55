/** Every rule of presence, broken once (see mutations/mutation.ts): run by `npm run mutations`. */
import { devices } from './mutations/devices.ts';
import { memory } from './mutations/memory.ts';
import {
  beats,
  clock,
  dedupe,
  diff,
  group,
  type Mutation,
  partition,
  precedence,
  presence,
  record,
  tail,
  timeout,
  view,
  views,
} from './mutations/mutation.ts';
import { waited } from './mutations/waited.ts';

export const mutations: readonly Mutation[] = [
  ...devices,
  ...group('Holders', dedupe, [
    [
      'silence and goodbye count from any connection',
      'if (device === null || device.connection_id === null || device.connection_id !== signal.connection_id) return false;',
      'if (device === null) return false;',
    ],
    [
      'a heartbeat of another connection counts',
      "if (stranger && (signal.kind === 'hello' ? signal.restated : same))",
      "if (stranger && signal.kind === 'hello' && signal.restated)",
    ],
    [
      'a restated hello takes a device from a living holder',
      "if (stranger && (signal.kind === 'hello' ? signal.restated : same))",
      "if (stranger && signal.kind !== 'hello' && same)",
    ],
    [
      'a restated hello does not take a device from a dead gateway',
      'device.held && device.connection_id !== signal.connection_id',
      'device.gateway !== null && device.connection_id !== signal.connection_id',
    ],
  ]),
  ...group('Holders', timeout, [
    ['the old holder is not told', 'this.scope.tellLost(gateway.gateway_id, user.user_id, device_id, connection_id);', ';'],
  ]),
  ...group('Markers', timeout, [
    [
      'a wrong number is not noticed',
      'signal.devices === gateway.holdings.devices && signal.devices_hash === gateway.holdings.hash',
      'signal.devices_hash === gateway.holdings.hash || signal.devices === 0',
    ],
    ['a gateway is asked each time', 'if (asked !== null && stamp >= asked && stamp < asked + this.options.restate) return;', ''],
    ['what was not restated is kept', 'if (device.hold_ordinal >= from) return false;', 'return false;'],
    ['what was restated is void too', 'if (device.hold_ordinal >= from) return false;', ''],
  ]),
  ...group('Markers', record, [
    [
      'a release is not taken off the number',
      'if (this.gateway !== null) removeHolding(this.gateway.holdings, this.hash());',
      '',
    ],
    [
      'the hash is not of the connection',
      "holdingHash(this.user.user_id, this.device_id, this.connection_id ?? '')",
      "holdingHash(this.user.user_id, this.device_id, '')",
    ],
  ]),
  ...group('Forgetting', presence, [
    ['devices are forgotten after 9 minutes', 'forget: minutes(10)', 'forget: minutes(9)'],
    ['devices are forgotten after 11 minutes', 'forget: minutes(10)', 'forget: minutes(11)'],
  ]),
  ...group('Forgetting', timeout, [
    [
      'a user’s versions are forgotten with the device',
      'this.scope.devices -= 1;\n      return;',
      'this.scope.devices -= 1;\n      device.user.self.version = 0;\n      return;',
    ],
    [
      'dead gateways are kept',
      'if (gateway.holdings.devices === 0) scope.gateways.delete(gateway.gateway_id);\n      else',
      'if (gateway.holdings.devices >= 0)',
    ],
  ]),
  ...group('Precedence', views, [
    [
      'offline has the source app',
      "happening.selfSource = seen?.source ?? 'inferred';",
      "happening.selfSource = seen?.source ?? 'app';",
    ],
    ['the first device speaks', 'device.counts && (best === null || device.rank > best.rank)', 'device.counts && best === null'],
  ]),
  ...group('Override', precedence, [
    [
      'an override ends with the last device',
      "if (happening.kind === 'override_due') this.end(happening, 'expired');",
      [
        "if (happening.kind === 'device_due') (happening.device as Device).user.override = null;",
        "if (happening.kind === 'override_due') this.end(happening, 'expired');",
      ].join('\n'),
    ],
    ['an override has no end', 'this.scope.stampTimers.arm(user);\n  }\n}', '}\n}'],
    [
      'ttl_s counts from the gateway’s clock',
      'happening.stamp + Math.round(signal.ttl_s * 1_000)',
      'signal.received_at + Math.round(signal.ttl_s * 1_000)',
    ],
    [
      'a late clearing ends a newer override',
      '(signal.override_id !== null && signal.override_id !== user.override.override_id)',
      'false',
    ],
    ['an override that is over holds', 'if (until !== null && until <= happening.stamp) {', 'if (until === -1) {'],
    [
      'clearing does nothing',
      "this.end(happening, 'cleared');\n        return true;\n      default:",
      'return false;\n      default:',
    ],
  ]),
  ...group('Override', timeout, [
    [
      'an expiry is a clearing',
      "happening.override === 'expired' ? 'override_expired' : 'override_cleared'",
      "'override_cleared'",
    ],
  ]),
  ...group('Invisible', views, [
    ['others see invisible', 'if (ghosts !== null) {', 'if (ghosts !== null && user.override === null) {'],
  ]),
  ...group('Invisible', timeout, [
    ['others see offline at once', 'ghosts.push(ghost);', ''],
    ['the ghosts’ grace is never over', 'this.scope.leaseTimers.arm(ghost);\n      if (!leaving)', 'if (!leaving)'],
    ['others see no sign of the goodbye', 'if (!leaving) user.publicLastSeen = happening.stamp;', ''],
    [
      'a device in its own grace gets a longer one',
      'grace_lease: leaving ? (device.grace_lease ?? end) : end',
      'grace_lease: end',
    ],
    ['the end of invisible is not a sign of life', 'if (best !== null) user.publicLastSeen = happening.stamp;', ''],
    [
      'the end of invisible is a sign of life of nobody',
      'if (best !== null) user.publicLastSeen = happening.stamp;',
      'user.publicLastSeen = happening.stamp;',
    ],
    ['others see why invisible ended', "happening.publicCause = best === null ? 'goodbye' : 'signal';", ''],
    ['others see an override begin', "happening.publicCause = happening.replaces ? 'override_cleared' : 'goodbye';", ''],
  ]),
  ...group('Invisible', record, [
    [
      'others see when an invisible user was last seen',
      'if (this.ghosts === null) this.publicLastSeen = stamp;',
      'this.publicLastSeen = stamp;',
    ],
    [
      'others see how many devices an invisible user has',
      'devices_live: ghosts === null ? live : ghosts.length',
      'devices_live: live',
    ],
    ['others see that an invisible user streams', 'streaming: ghosts === null && streaming', 'streaming'],
  ]),
  ...group('Invisible', diff, [
    ['there is one version for all', 'public_version: user.others.version', 'public_version: user.self.version'],
  ]),
  ...group('Window', presence, [['the window is 400 ms', 'window: ms(200)', 'window: ms(400)']]),
  ...group('Window', view, [
    [
      'the first change decides',
      'this.nowSource = source;\n    this.now',
      'this.nowSource = source;\n    if (this.changed) {\n      this.now = state;\n      return;\n    }\n    this.now',
    ],
  ]),
  ...group('Window', diff, [
    [
      'the last signal decides, changed or not',
      'if (self.now !== lived.selfState) {',
      'if (self.now !== lived.selfState || self.changed) {',
    ],
    ['diffs come in order of arrival', 'const touched = scope.touched.sort(byKey);', 'const touched = scope.touched;'],
  ]),
  ...group('Window', partition, [
    ['a deadline does not end the window before it', 'this.travel(timerAt);', 'clock.to(timerAt);'],
    [
      'a deadline fires after the record that bears its stamp',
      'if (timerAt > stamp && beatAt > stamp) return;',
      'if (timerAt >= stamp && beatAt >= stamp) return;',
    ],
    ['time does not stop at a deadline', 'this.travel(timerAt);', 'this.travel(stamp);'],
    [
      'windows have no fixed place',
      'this.cellEnd = (Math.floor((this.clock.stamp - shift) / window) + 1) * window + shift;',
      'this.cellEnd = this.clock.stamp + window;',
    ],
  ]),
  ...group('Diff', view, [
    [
      'a change of source is a diff',
      'return this.now !== this.state;',
      'return this.now !== this.state || this.nowSource !== this.source;',
    ],
    ['versions rise by two', 'this.version += 1;', 'this.version += 2;'],
  ]),
  ...group('Diff', diff, [
    ['an older epoch begins anew', 'signal.epoch > scope.epoch', 'signal.epoch !== scope.epoch'],
    ['a record does not bear the new epoch', 'user.epoch = scope.epoch;', 'user.epoch ||= scope.epoch;'],
    ['beats are written at once', 'else if (lived.onlyBeat) scope.beats.add(user, lived.offset, lived);', ''],
  ]),
  ...group('Diff', presence, [['beats are written after 60 s', 'flush: seconds(30)', 'flush: seconds(60)']]),
  ...group('Backlog and holes', clock, [
    ['a hole counts', "this.settle = step + this.options.settle;\n    return 'hole';", "return 'step';"],
    ['nothing settles after a hole', 'this.settle = step + this.options.settle;', 'this.settle = step;'],
    ['settling never ends', 'this.settle -= left;', ''],
  ]),
  ...group('Backlog and holes', presence, [
    ['a step of 1.5 s is a hole', 'hole: ms(1_500)', 'hole: ms(1_400)'],
    ['after a hole 3 s count for nothing', 'settle: seconds(2)', 'settle: seconds(3)'],
  ]),
  ...group('Backlog and holes', partition, [
    [
      'overrides run on the lease clock',
      'return timer instanceof User ? timer.deadline() :',
      'return timer instanceof User && this.clock.settle === 0 ? timer.deadline() :',
    ],
  ]),
  ...group('Replay', dedupe, [
    ['a repeat leaves no trace', "if (happening.user !== null) this.handOn(happening, 'repeat');", ''],
  ]),
  ...group('Replay', tail, [
    ['a restore forgets the beats', 'device.seq = seq;', ''],
    ['a restore forgets the ttls', 'device.ttl_lease = clocks.lease + (signal.ttl_ms ?? 0);', ''],
  ]),
  ...group('Replay', beats, [
    [
      'the tail begins too late',
      'if (beat.user !== null) return beat;',
      'if (beat.user !== null) return this.head > 0 ? beat : null;',
    ],
  ]),
  ...group('Replay', timeout, [['timers are not rebuilt', 'this.scope.leaseTimers.arm(device);\n    }\n    for', '}\n    for']]),
  ...waited,
  ...memory,
];
