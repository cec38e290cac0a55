/**
 * Every rule of presence, broken once: a text in a source file, and what to put in its place. `npm run
 * mutations` makes each of these changes in a copy and runs the scenarios on it: at least one must fail, else the rule
 * has no scenario. What it found is kept in docs/mutations.md.
 */
export interface Mutation {
  /** The group in presence.scenarios.ts that must notice. */
  readonly rule: string;
  /** What is no longer so. */
  readonly breaks: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

type Row = readonly [breaks: string, find: string, replace: string];

const group = (rule: string, file: string, rows: readonly Row[]): readonly Mutation[] =>
  rows.map(([breaks, find, replace]) => ({ rule, file, breaks, find, replace }));

const presence = 'topology/presence.ts';
const dedupe = 'processors/dedupe.ts';
const precedence = 'processors/windowed-precedence.ts';
const timeout = 'processors/offline-timeout.ts';
const diff = 'processors/diff.ts';
const clock = 'processors/clock.ts';
const record = 'processors/record.ts';
const view = 'processors/view.ts';
const views = 'processors/views.ts';
const tail = 'processors/tail.ts';
const beats = 'processors/beats.ts';
const partition = 'topology/kit/partition.ts';

export const mutations: readonly Mutation[] = [
  ...group('Device', views, [
    [
      'all devices must live, not one',
      'for (const device of user.devices) if (device.counts &&',
      'if (user.devices.every((one) => one.counts)) for (const device of user.devices) if (',
    ],
  ]),
  ...group('Device', timeout, [
    ['offline is a state like any other', "if (happening.said === 'offline') {", "if (happening.said === ('never' as never)) {"],
    [
      'nobody is told when offline comes over HTTP',
      'if (!gateway.dead && connection_id !== speaker)',
      'if (!gateway.dead && speaker !== null && connection_id !== speaker)',
    ],
  ]),
  ...group('Device', precedence, [
    [
      'the state offline is kept as what the device says',
      "if (signal.state === 'offline') happening.said = 'offline';",
      "if (signal.state === 'offline') { happening.said = 'offline'; device.state = 'offline'; }",
    ],
  ]),
  ...group('States', presence, [
    ['online goes before busy', "states: ['dnd', 'busy', 'online',", "states: ['dnd', 'online', 'busy',"],
    ['busy goes before dnd', "states: ['dnd', 'busy',", "states: ['busy', 'dnd',"],
    ['away goes before online', "'online', 'away', 'offline']", "'away', 'online', 'offline']"],
  ]),
  ...group('Sources', presence, [
    ['inferred goes before app', "sources: ['manual', 'app', 'inferred']", "sources: ['manual', 'inferred', 'app']"],
  ]),
  ...group('Sources', precedence, [
    ['a state without a source is inferred', "signal.source ?? 'app'", "signal.source ?? 'inferred'"],
    ['a source without a state is not heard', '} else if (signal.source !== null) device.source = signal.source;', '}'],
  ]),
  ...group('Sources', views, [
    ['a device goes before an override', 'if (override !== null) {', 'if (override !== null && bestDevice(user) === null) {'],
  ]),
  ...group('Time', partition, [
    [
      'the gateway’s clock is the time',
      'happening.stamp = clock.stamp;',
      'happening.stamp = happening.signal?.received_at || clock.stamp;',
    ],
  ]),
  ...group('Time', clock, [
    ['a small step back is a leap', 'if (step < -this.options.leap)', 'if (step < 0)'],
    ['time never goes back', "if (step < -this.options.leap) return 'leap';", ''],
    ['a leap back counts on the lease clock', 'if (this.options === null) this.lease = stamp;', 'this.lease += 1_000;'],
  ]),
  ...group('Dedupe', dedupe, [
    ['an equal seq is accepted', 'seq !== null && seq <= device.seq', 'seq !== null && seq < device.seq'],
    ['seq is not looked at', 'if (seq !== null && seq <= device.seq) {', 'if (seq === -5) {'],
    ['seq 0 is none', 'if (seq !== null) device.seq = seq;', 'if (seq) device.seq = seq;'],
    ['a first seq is not kept', "if (signal.kind === 'heartbeat') device.seq = signal[this.options.by] ?? -1;", ''],
    [
      'a replaced session is heard',
      'if (!same && isReplaced(device, session, happening.lease)) return this.inVain(signal, device);',
      '',
    ],
    ['a replaced session is dropped for ever', 'return old.until_lease > lease;', 'return true;'],
    [
      'who speaks in vain is not told',
      'if (connection_id !== null && device_id !== null && connection_id !== device?.connection_id) {',
      'if (device_id === "") {',
    ],
    ['seq goes on in a new session', 'device.seq = seq ?? -1;', 'device.seq = Math.max(device.seq, seq ?? -1);'],
    ['ordinals are not looked at', 'if (repeated) {', 'if (repeated && marker) {'],
  ]),
  ...group('Dedupe', presence, [
    ['7 replaced sessions are remembered', 'sessions: 8,', 'sessions: 7,'],
    ['9 replaced sessions are remembered', 'sessions: 8,', 'sessions: 9,'],
    ['replaced sessions are remembered for 9 minutes', 'for: minutes(10)', 'for: minutes(9)'],
    ['replaced sessions are remembered for 11 minutes', 'for: minutes(10)', 'for: minutes(11)'],
  ]),
  ...group('Dedupe', precedence, [
    [
      'a heartbeat without a state says online',
      'if (signal.state !== null) {',
      "if (signal.state === null && signal.source === null) device.state = 'online';\n      if (signal.state !== null) {",
    ],
  ]),
  ...group('Ordinals', dedupe, [
    ['a gap is not counted', 'this.scope.missing += missing;', ''],
    [
      'a marker counts itself',
      'const missing = ordinal - gateway.ordinal - (marker ? 0 : 1);',
      'const missing = ordinal - gateway.ordinal - 1;',
    ],
    ['a repeat is not counted', 'this.scope.repeated += 1;', ''],
    ['an old marker is heard', 'marker ? ordinal < gateway.ordinal :', 'marker ? false :'],
  ]),
  ...group('Liveness', timeout, [
    [
      'a ttl begins at the first heartbeat only',
      'if (signal.connection_id === null) device.ttl_lease = happening.lease + (signal.ttl_ms ?? 0);',
      'if (signal.connection_id === null) device.ttl_lease ??= happening.lease + (signal.ttl_ms ?? 0);',
    ],
    ['a dead gateway does not bring its devices back', 'gateway.dead = false;', ''],
    [
      'a dead gateway’s devices live on',
      'gateway.dead = true;\n    gateway.due = happening.lease',
      'gateway.due = happening.lease',
    ],
    ['last_seen is not the dead gateway’s last record', 'device.user.seenLate(gateway.stamp);', ''],
    ['a second goodbye begins the grace anew', 'if (counted && device.grace_lease === null) {', 'if (counted) {'],
    [
      'there is no grace',
      'device.grace_lease = happening.lease + this.options.grace;',
      'device.grace_lease = happening.lease + 1;',
    ],
    [
      'a goodbye is not a sign of life',
      '      device.last_seen = happening.stamp;\n      device.user.seen(happening.stamp);\n    }\n    this.settle',
      '    }\n    this.settle',
    ],
    [
      'silence has a grace',
      "happening.cause = happening.publicCause = 'silence';\n  }",
      "device.grace_lease = happening.lease + 1_000;\n    happening.cause = happening.publicCause = 'silence';\n  }",
    ],
    [
      'silence does not say since when',
      'const lastBeat = happening.stamp - (signal.silent_ms ?? 0);',
      'const lastBeat = happening.stamp;',
    ],
    [
      'silence ends the ttl',
      '    device.release();\n    this.settle(device, happening.lease);\n    happening.cause',
      '    device.release();\n    device.ttl_lease = null;\n    this.settle(device, happening.lease);\n    happening.cause',
    ],
    [
      'a goodbye leaves the ttl',
      'this.release(device, speaker);\n    device.ttl_lease = null;',
      'this.release(device, speaker);',
    ],
    ['a goodbye leaves the hold', 'this.release(device, speaker);\n    device.ttl_lease = null;', 'device.ttl_lease = null;'],
    [
      'a new session leaves the ttl of the old one',
      '      this.release(device, signal.connection_id);\n      device.ttl_lease = null;\n    }',
      '      this.release(device, signal.connection_id);\n    }',
    ],
    [
      'coming back does not end the grace',
      'device.grace_lease = device.trace = device.forget_lease = null;',
      'device.forget_lease = null;',
    ],
    [
      'the end of a ttl has no cause of its own',
      "happening.cause = happening.publicCause = 'ttl';",
      "happening.cause = happening.publicCause = 'silence';",
    ],
    [
      'the death of a gateway is silence',
      "happening.cause = happening.publicCause = 'gateway_lost';",
      "happening.cause = happening.publicCause = 'silence';",
    ],
  ]),
  ...group('Liveness', record, [
    [
      'a ttl ends the hold',
      'return this.held || this.ttl_lease !== null || this.grace_lease !== null;',
      'return (this.held && this.armed === Number.POSITIVE_INFINITY) || this.ttl_lease !== null || this.grace_lease !== null;',
    ],
    ['a dead gateway still streams', 'if (device.held) streaming = true;', 'if (device.gateway !== null) streaming = true;'],
  ]),
  ...group('Liveness', precedence, [
    [
      'a new session within the grace begins anew',
      "(happening.session === 'later' && !device.counts)",
      "happening.session === 'later'",
    ],
    [
      'a new session keeps the state however late',
      "if (happening.session === 'first' || (happening.session === 'later' && !device.counts)) {",
      "if (happening.session === 'first') {",
    ],
    ['who says nothing is an app', "device.source = 'inferred';", "device.source = 'app';"],
  ]),
  ...group('Liveness', presence, [
    ['a gateway’s lease is 4 s', 'lease: seconds(3)', 'lease: seconds(4)'],
    ['the grace is 2 s', 'grace: seconds(1)', 'grace: seconds(2)'],
  ]),
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
      'if (this.gateway !== null) removeHolding(this.gateway.holdings, this.heldHash);',
      '',
    ],
    [
      'the hash is not of the connection',
      'holdingHash(this.user.user_id, this.device_id, connectionId)',
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
      "if (happening.kind === 'device_due' && happening.device !== null && happening.device.user.override !== null) happening.device.user.override = null;\n    if (happening.kind === 'override_due') this.end(happening, 'expired');",
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
      'if (user.self.now !== lived.selfState)',
      'if (user.self.now !== lived.selfState || user.self.changed)',
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
  ...group('Replay', tail, [
    ['a restore forgets the beats', 'device.seq = seq;', ''],
    ['a restore forgets the ttls', 'device.ttl_lease = clocks.lease + (signal.ttl_ms ?? 0);', ''],
  ]),
  ...group('Replay', beats, [
    ['the tail begins too late', 'if (!beat.written) return beat;', 'if (!beat.written) return this.head > 0 ? beat : null;'],
  ]),
  ...group('Replay', timeout, [['timers are not rebuilt', 'this.scope.leaseTimers.arm(device);\n    }\n    for', '}\n    for']]),
];
