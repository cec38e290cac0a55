/** Time, windows, diffs, holes and restarts. The language: ../kit/scenario.ts. */
import { group, type Scenario } from './scenario-group.ts';

export const time: readonly Scenario[] = [
  ...group('Time', {
    'the broker’s stamp is the time, not the gateway’s clock': `
      0s    g1 lives
      2.5s  ada/phone hello busy
      = 2.5s ada offline>busy v1 signal app
      3s    tick
      : ada since=2.5s last_seen=2.5s`,
    'a small step back is no step: what comes then happens at the partition’s time': `
      0s    g1 lives
      5s    ada/phone hello
      4.5s  ada/phone heartbeat away
      = 5s ada offline>away v1 signal app
      6s    tick`,
    'a leap back makes one cut, ends nothing, and time goes on from there': `
      0s     g1 lives
      10s    ada/phone hello
      10.05s ada/phone heartbeat busy
      gap 2s tick
      = 10.05s ada offline>busy v1 signal app
      2.3s   ada/phone heartbeat away
      = 2.3s ada busy>away v2 signal app
      2.5s   tick
      : partition lease=10.55s`,
  }),

  ...group('Window', {
    'at most one diff a window; what decides is the last that changed the state': `
      0s    ada/phone heartbeat busy ttl=60s
      = 0s ada offline>busy v1 signal app
      0.2s  tick
      1.0s  ada/phone heartbeat away ttl=60s
      1.05s ada/phone heartbeat dnd ttl=60s
      = 1.05s ada busy>dnd v2 signal app
      1.1s  ada/laptop heartbeat dnd ttl=60s
      1.19s tick
      1.2s  tick`,
    'a state that is back where it was says nothing': `
      0s    ada/phone heartbeat busy ttl=60s
      = 0s ada offline>busy v1 signal app
      0.2s  tick
      1.0s  ada/phone heartbeat away ttl=60s
      1.1s  ada/phone heartbeat busy ttl=60s
      2s    tick
      : ada version=1 since=0s`,
    'a cut lies at multiples of 200 ms, not 200 ms after the first change': `
      0.19s ada/phone heartbeat busy ttl=60s
      = 0.19s ada offline>busy v1 signal app
      0.21s ada/phone heartbeat away ttl=60s
      = 0.21s ada busy>away v2 signal app
      1s    tick`,
    'a deadline is inside the window: it bears its own time, and the cut comes before what lies behind it': `
      0s    ada/phone heartbeat busy ttl=1s
      = 0s ada offline>busy v1 signal app
      = 1s ada busy>offline v2 ttl inferred
      gap 1.5s  ada/phone heartbeat busy ttl=1s
      = 1.5s ada offline>busy v3 signal app
      2s    tick`,
    'a deadline fires before the record that bears the same stamp': `
      0s    ada/phone heartbeat dnd ttl=1s
      = 0s ada offline>dnd v1 signal app
      1s    ada/phone heartbeat s2 ttl=1s     // too late to keep the state
      = 1s ada dnd>online v2 signal inferred
      = 2s ada online>offline v3 ttl inferred
      3s    tick`,
    'diffs of a cut are in order of user id': `
      0s    bob/phone heartbeat ttl=60s
      0s    ada/phone heartbeat ttl=60s
      0s    cat/phone heartbeat ttl=60s
      = 0s ada offline>online v1 signal inferred
      = 0s bob offline>online v1 signal inferred
      = 0s cat offline>online v1 signal inferred
      1s    tick`,
  }),

  ...group('Diff', {
    'a change of source alone is none': `
      0s    ada/phone heartbeat busy inferred ttl=60s
      = 0s ada offline>busy v1 signal inferred
      1s    ada/phone heartbeat busy app ttl=60s
      2s    tick
      : ada source=app version=1 since=0s
      3s    ada override busy
      4s    tick
      : ada source=manual version=1`,
    'a new epoch goes on counting': `
      0s    cut epoch=100
      0.1s  ada/phone heartbeat busy ttl=60s
      = 0.1s ada offline>busy v1 signal app
      1s    tick
      : ada epoch=100
      2s    cut epoch=200
      2.1s  cut epoch=150
      3s    ada/phone heartbeat away ttl=60s
      = 3s ada busy>away v2 signal app
      4s    tick
      : ada epoch=200 version=2
      : partition epoch=200`,
    'a beat that changes nothing is written after 30 s': `
      0s    ada/phone heartbeat busy ttl=3600s
      = 0s ada offline>busy v1 signal app
      10s   ada/phone heartbeat ttl=3600s
      39s   ada/phone heartbeat ttl=3600s
      : ada last_seen=0s phone.seq=1
      40.5s tick
      : ada last_seen=39s phone.seq=3 version=1`,
  }),

  ...group('Backlog and holes', {
    'a log that nobody could write to is not silence': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      0.2s  bob/phone heartbeat ttl=5s
      = 0.2s bob offline>online v1 signal inferred
      1s    tick
      gap 61s tick
      62.9s tick
      : ada state=online
      : partition lease=1s
      = 67.2s bob online>offline v2 ttl inferred
      70s   tick
      : ada state=online`,
    'after a hole 2 s of steps count for nothing, and then a gateway that stays away is dead': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    g1 stops
      gap 61s tick
      = 66s ada online>offline v2 gateway_lost inferred
      70s   tick`,
    'an override ends in a hole: it runs on stamps': `
      0s    ada override dnd until=10s
      = 0s ada offline>dnd v1 override manual
      1s    tick
      = 10s ada dnd>offline v2 override_expired inferred
      gap 60s tick`,
    'a step of 1.5 s is no hole': `
      0s    ada/phone heartbeat ttl=1s
      = 0s ada offline>online v1 signal inferred
      = 1s ada online>offline v2 ttl inferred
      gap 1.5s tick
      gap 1.8s tick`,
  }),

  ...group('Replay', {
    'a beat that no record held is not lost by a restart': `
      0s    ada/phone heartbeat busy ttl=5s
      = 0s ada offline>busy v1 signal app
      3s    ada/phone heartbeat ttl=5s
      3.5s  tick
      3.6s  restart
      = 8s ada busy>offline v2 ttl inferred
      9s    tick
      : ada last_seen=3s phone.seq=2`,
    'a resent beat that came in vain the first time is not taken for one by a restart': `
      0s    g1 lives
      0.1s  ada/phone hello c1 #1
      = 0.1s ada offline>online v1 signal inferred
      0.2s  ada/phone heartbeat seq=5 c2 #2
      ! lost g1 ada/phone c2
      0.3s  ada/phone hello c2 #3
      ! lost g1 ada/phone c1
      1s    ada/phone heartbeat seq=1 c2 #4
      1.5s  ada/phone heartbeat seq=5 c2 #2
      2s    tick
      2.1s  restart
      3s    ada/phone heartbeat busy seq=2 c2 #5
      = 3s ada online>busy v2 signal app
      4s    tick`,
    'a restart in the middle of everything changes nothing': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=30s
      2s    restart
      3s    ada/phone goodbye
      3.5s  tick
      3.6s  restart
      = 4s ada busy>offline v2 goodbye inferred
      5s    tick
      6s    restart
      7s    ada/phone heartbeat seq=1 busy ttl=5s
      8s    tick
      : ada version=2 phone.seq=1`,
  }),
];
