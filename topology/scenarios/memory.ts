/**
 * What must not depend on who is in memory (processors/users.ts): these too are played with nobody there to whom nothing happens.
 * The language: ../kit/scenario.ts.
 */
import { group, type Scenario } from './scenario-group.ts';

export const memory: readonly Scenario[] = group('Memory', {
  'somebody falls due in the very second in which they were brought in': `
    0s    g1 lives
    0.3s  ada/phone heartbeat busy ttl=5s
    = 0.3s ada offline>busy v1 signal app
    5.1s  tick
    5.15s tick
    = 5.3s ada busy>offline v2 ttl inferred
    5.5s  tick
    5.6s  ada/phone heartbeat busy ttl=5s
    = 5.6s ada offline>busy v3 signal app
    6s    tick`,
  'a deadline comes before the one that was awaited': `
    0s    g1 lives
    0.1s  ada/phone hello
    = 0.1s ada offline>online v1 signal inferred
    0.3s  ada/phone heartbeat busy ttl=60s
    = 0.3s ada online>busy v2 signal app
    1.5s  tick
    5.3s  ada/phone goodbye
    5.5s  tick
    5.6s  tick
    = 6.3s ada busy>offline v3 goodbye inferred
    8s    tick`,
  'what was awaited before a restart comes after it': `
    0s    g1 lives
    0.3s  ada/phone heartbeat busy ttl=5s
    0.3s  bob/phone heartbeat busy ttl=60s
    = 0.3s ada offline>busy v1 signal app
    = 0.3s bob offline>busy v1 signal app
    0.4s  bob override dnd until=7s
    = 0.4s bob busy>dnd v2 override manual
    2s    restart
    = 5.3s ada busy>offline v2 ttl inferred
    = 7s bob dnd>busy v3 override_expired app
    8s    tick`,
  'a gateway is believed after a restart, and its users are counted': `
    0s    g1 lives
    0.1s  ada/phone hello c1 #1
    0.1s  bob/phone hello c2 #2
    = 0.1s ada offline>online v1 signal inferred
    = 0.1s bob offline>online v1 signal inferred
    2s    restart
    2.5s  g1 marker holds=ada/phone/c1,bob/phone/c2
    3.5s  g1 marker holds=ada/phone/c1
    ! restate g1
    4s    tick`,
});
