/** Who is heard: repeats, sessions, ordinals, holders, markers. The language: ../kit/scenario.ts. */
import { group, type Scenario } from './scenario-group.ts';

export const hearing: readonly Scenario[] = [
  ...group('Dedupe', {
    'in one session what is not above the last accepted seq is dropped': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1.1s  ada/phone heartbeat busy seq=5
      = 1.1s ada online>busy v2 signal app
      2.1s  ada/phone heartbeat away seq=5
      2.3s  ada/phone heartbeat dnd seq=4
      3s    tick
      : ada state=busy phone.seq=5 version=2
      3.1s  ada/phone heartbeat away seq=6
      = 3.1s ada busy>away v3 signal app
      4s    tick`,
    'seq 0 is the first there can be': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone heartbeat busy seq=0
      = 1s ada online>busy v2 signal app
      2s    ada/phone heartbeat away seq=0
      3s    tick
      : ada phone.seq=0 state=busy
      4s    bob/phone heartbeat busy seq=0 ttl=60s
      = 4s bob offline>busy v1 signal app
      5s    bob/phone heartbeat away seq=0 ttl=60s
      6s    tick
      : bob phone.seq=0 state=busy`,
    'a heartbeat without a state keeps what the session last said': `
      0s    g1 lives
      0.1s  ada/phone hello dnd
      = 0.1s ada offline>dnd v1 signal app
      2s    ada/phone heartbeat
      3s    ada/phone hello
      4s    tick
      : ada state=dnd phone.says=app:dnd version=1`,
    'a later session replaces the earlier one, whose signals are dropped from then on': `
      0s    g1 lives
      0.1s  ada/phone hello s1 c1
      = 0.1s ada offline>online v1 signal inferred
      1.1s  ada/phone heartbeat seq=7 c1
      2.1s  ada/phone hello s2 c2
      ! lost g1 ada/phone c1
      3.1s  ada/phone heartbeat busy s1 seq=9 c1
      ! lost g1 ada/phone c1
      4.1s  ada/phone hello dnd s1 c3
      ! lost g1 ada/phone c3
      5s    tick
      : ada state=online phone.holder=c2 phone.seq=-1
      6s    ada/phone heartbeat away s2 seq=0 c2
      = 6s ada online>away v2 signal app
      7s    tick`,
    'a replaced session is forgotten after 10 minutes': `
      0s     ada/phone heartbeat online s1 ttl=3600s
      = 0s ada offline>online v1 signal app
      0.2s   tick
      1s     ada/phone heartbeat online s2 ttl=3600s
      600.9s ada/phone heartbeat busy s1 seq=50 ttl=3600s
      601.2s ada/phone heartbeat away s1 seq=51 ttl=3600s
      = 601.2s ada online>away v2 signal app
      602s   tick`,
    'the last 8 replaced sessions are remembered': `
      0s    ada/phone heartbeat online s0 ttl=3600s
      = 0s ada offline>online v1 signal app
      0.2s  tick
      1.0s  ada/phone heartbeat online s1 ttl=3600s
      1.1s  ada/phone heartbeat online s2 ttl=3600s
      1.2s  ada/phone heartbeat online s3 ttl=3600s
      1.3s  ada/phone heartbeat online s4 ttl=3600s
      1.4s  ada/phone heartbeat online s5 ttl=3600s
      1.5s  ada/phone heartbeat online s6 ttl=3600s
      1.6s  ada/phone heartbeat online s7 ttl=3600s
      1.7s  ada/phone heartbeat online s8 ttl=3600s
      2s    ada/phone heartbeat busy s0 seq=70 ttl=3600s
      3s    tick
      : ada state=online
      4s    ada/phone heartbeat online s9 ttl=3600s
      5s    ada/phone heartbeat busy s0 seq=80 ttl=3600s
      = 5s ada online>busy v2 signal app
      6s    tick`,
    'a resent record changes nothing, whatever it is': `
      0s    g1 lives
      0.1s  ada/phone hello c1
      = 0.1s ada offline>online v1 signal inferred
      1.1s  ada/phone goodbye c1
      1.2s  ada/phone hello busy c2
      = 1.2s ada online>busy v2 signal app
      1.3s  ada/phone hello away c1 #1
      1.4s  ada/phone goodbye c2 #2
      4s    tick
      : ada state=busy phone.holder=c2 version=2
      : partition repeated=2 missing=0`,
  }),

  ...group('Ordinals', {
    'a missing number is a loss, a repeated one is counted, a marker tells of the last': `
      0s    g1 marker #0
      0.1s  ada/phone hello #1
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone heartbeat busy #4
      = 1s ada online>busy v2 signal app
      2s    tick
      : partition missing=2 repeated=0
      2.1s  g1 marker #6
      2.2s  g1 marker #6
      2.3s  g1 marker #5
      2.4s  tick
      : partition missing=4 repeated=1
      2.5s  ada/phone heartbeat away #7
      = 2.5s ada busy>away v3 signal app
      2.8s  tick
      : partition missing=4 repeated=1`,
  }),

  ...group('Holders', {
    'only the connection that last said hello holds the device': `
      0s    g1 lives
      0s    g2 lives
      0.1s  ada/phone hello c1 g1
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone hello c2 g2
      ! lost g1 ada/phone c1
      2s    ada/phone silence silent=3s c1 g1
      3s    ada/phone goodbye c1 g1
      6s    tick
      : ada state=online phone.holder=c2 version=1`,
    'a heartbeat of a connection that does not hold the device is ignored, and answered with lost': `
      0s    g1 lives
      0.1s  ada/phone hello c1
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone hello c2
      ! lost g1 ada/phone c1
      2s    ada/phone heartbeat busy c1
      ! lost g1 ada/phone c1
      3s    tick
      : ada state=online phone.holder=c2`,
    'a restated hello takes a device from itself, from no holder, from a dead gateway': `
      0s    g1 lives
      0s    g2 lives
      0.1s  ada/phone hello c1 g1
      0.1s  bob/phone hello c2 g1
      = 0.1s ada offline>online v1 signal inferred
      = 0.1s bob offline>online v1 signal inferred
      1s    ada/phone hello busy restated c1 g1
      = 1s ada online>busy v2 signal app
      2s    ada/phone silence silent=0s c1 g1
      = 2s ada busy>offline v3 silence inferred
      3s    ada/phone hello restated c3 g2
      = 3s ada offline>busy v4 signal app
      4s    g1 stops
      = 7s bob online>offline v2 gateway_lost inferred
      8s    bob/phone hello restated c4 g2
      = 8s bob offline>online v3 signal inferred
      9s    tick
      : ada phone.holder=c3
      : bob phone.holder=c4`,
    'a restated hello does not take a device from a living holder': `
      0s    g1 lives
      0s    g2 lives
      0.1s  ada/phone hello c1 g1
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone hello busy restated c2 g2
      ! lost g2 ada/phone c2
      2s    tick
      : ada state=online phone.holder=c1`,
  }),

  ...group('Markers', {
    'a marker that shows another picture is answered with restate, at most once in 5 s': `
      0s    g1 marker
      0.1s  ada/phone hello c1
      = 0.1s ada offline>online v1 signal inferred
      1s    g1 marker holds=ada/phone/c1
      2s    g1 marker holds=none
      ! restate g1
      3s    g1 marker holds=ada/phone/c9
      = 6s ada online>offline v2 gateway_lost inferred
      6.9s  g1 marker holds=none
      = 6.9s ada offline>online v3 signal inferred
      8s    g1 marker holds=none
      ! restate g1`,
    'what was not stated anew is void': `
      0s    g1 lives
      0.1s  ada/phone hello c1 #1
      0.1s  bob/phone hello c2 #2
      = 0.1s ada offline>online v1 signal inferred
      = 0.1s bob offline>online v1 signal inferred
      1s    bob/phone hello restated c2 #3
      1.1s  g1 marker holds=bob/phone/c2 from=3
      = 1.1s ada online>offline v2 silence inferred
      2s    tick
      : ada phone.holder=none
      : bob state=online`,
  }),
];
