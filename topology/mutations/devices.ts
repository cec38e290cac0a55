/** Rules of devices and of who is heard, broken. */
import { clock, dedupe, group, type Mutation, partition, precedence, presence, record, timeout, views } from './mutation.ts';

export const devices: readonly Mutation[] = [
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
    ['silence does not say since when', 'happening.stamp - signal.held_ms - (signal.silent_ms ?? 0);', 'happening.stamp;'],
    ['silence ends the ttl', '    if (happening.settle > 0) {', '    device.ttl_lease = null;\n    if (happening.settle > 0) {'],
    ['a goodbye leaves the ttl', 'device.ttl_lease = device.silence_lease = null;', 'device.silence_lease = null;'],
    ['a goodbye leaves the hold', 'this.release(device, speaker);\n    device.ttl_lease', 'device.ttl_lease'],
    [
      'a new session leaves the ttl of the old one',
      '      this.release(device, signal.connection_id);\n      device.ttl_lease = null;\n    }',
      '      this.release(device, signal.connection_id);\n    }',
    ],
    [
      'coming back does not end the grace',
      'device.grace_lease = device.silence_lease = device.trace = device.forget_lease = null;',
      'device.forget_lease = NEVER;',
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
      'return this.held || this.ttl_lease !== null || this.leaving;',
      'return (this.held && this.armed === NEVER) || this.ttl_lease !== null || this.grace_lease !== null;',
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
];
