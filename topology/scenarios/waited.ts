/** What waited in its gateway for the log, and what comes after a hole. The language: ../kit/scenario.ts. */
import { group, type Scenario } from './scenario-group.ts';

export const waited: readonly Scenario[] = [
  ...group('Waited', {
    'a session that is heard late was replaced already: it takes nothing over, and is not heard from then on': `
      0s    ada/phone heartbeat busy s1 ttl=60s
      = 0s ada offline>busy v1 signal app
      10s   ada/phone heartbeat away s9 ttl=60s
      = 10s ada busy>away v2 signal app
      11s   ada/phone heartbeat dnd s8 ttl=60s held=5s
      12s   ada/phone heartbeat dnd s8 ttl=60s
      13s   tick
      : ada state=away phone.says=app:away
      14s   ada/phone heartbeat busy s9 ttl=60s
      = 14s ada away>busy v3 signal app
      15s   tick`,
    'what waited and is newer takes over, and so does what is older by no more than anything may wait': `
      0s    ada/phone heartbeat busy s1 ttl=60s
      = 0s ada offline>busy v1 signal app
      5s    ada/phone heartbeat away s2 ttl=60s held=4s
      = 5s ada busy>away v2 signal app
      5.5s  ada/phone heartbeat busy s3 ttl=60s held=3s
      = 5.5s ada away>busy v3 signal app
      6s    ada/phone heartbeat s3 ttl=60s
      6.2s  ada/phone heartbeat dnd s4 ttl=60s held=300ms
      = 6.2s ada busy>dnd v4 signal app
      7s    tick`,
    'an older hello of another connection does not take the hold': `
      0s    g1 lives
      0s    g2 lives
      1s    ada/phone hello c1 g1
      = 1s ada offline>online v1 signal inferred
      6s    ada/phone hello c2 g2
      ! lost g1 ada/phone c1
      7s    ada/phone hello busy c3 g1 held=4s
      ! lost g1 ada/phone c3
      8s    tick
      : ada state=online phone.holder=c2`,
    'an older heartbeat of another connection does not take what nobody holds': `
      0s    g1 lives
      1s    ada/phone hello c1
      = 1s ada offline>online v1 signal inferred
      6s    ada/phone silence silent=1s c1
      = 6s ada online>offline v2 silence inferred
      7s    ada/phone heartbeat c0 held=6.5s
      ! lost g1 ada/phone c0
      8s    ada/phone heartbeat c0 held=6s
      = 8s ada offline>online v3 signal inferred
      9s    tick
      : ada phone.holder=c0`,
    'a connection’s own words come in order, however long they waited': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      5s    ada/phone heartbeat away
      = 5s ada online>away v2 signal app
      6s    ada/phone heartbeat busy held=3s
      = 6s ada away>busy v3 signal app
      7s    tick`,
    'after a hole nobody knows how long a fresh word was on its way: nothing is late beside it': `
      0s    ada/phone heartbeat busy s1 ttl=60s
      = 0s ada offline>busy v1 signal app
      1s    tick
      gap 11s ada/phone heartbeat away s2 ttl=60s
      = 11s ada busy>away v2 signal app
      11.5s ada/phone heartbeat dnd s3 ttl=60s held=5s
      = 11.5s ada away>dnd v3 signal app
      12s   tick`,
    'after a hole what waited itself has its moment': `
      0s    ada/phone heartbeat busy s1 ttl=60s
      = 0s ada offline>busy v1 signal app
      1s    tick
      gap 11s ada/phone heartbeat away s9 ttl=60s held=1s
      = 11s ada busy>away v2 signal app
      11.1s ada/phone heartbeat dnd s8 ttl=60s held=4s
      12s   tick
      : ada state=away`,
    'after a leap back of the clock nothing is late until the device has spoken again': `
      0s    g1 lives
      100s  ada/phone heartbeat busy s1 ttl=60s
      = 100s ada offline>busy v1 signal app
      100.2s tick
      gap 2s tick
      3s    ada/phone heartbeat away s2 ttl=60s held=1s
      = 3s ada busy>away v2 signal app
      9s    ada/phone heartbeat dnd s3 ttl=60s held=8s
      10s   tick
      : ada state=away`,
    'a restore knows when a device spoke last, written or not': `
      0s    ada/phone heartbeat busy s9 ttl=60s
      = 0s ada offline>busy v1 signal app
      10s   ada/phone heartbeat s9 ttl=60s
      10.5s tick
      10.6s restart
      11s   ada/phone heartbeat dnd s8 ttl=60s held=4s
      11.5s restart
      12s   ada/phone heartbeat dnd s8 ttl=60s
      13s   tick
      : ada state=busy`,
    'a silence that waited tells of a beat that much earlier': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      10s   ada/phone silence silent=3s held=2s
      = 10s ada online>offline v2 silence inferred
      11s   tick
      : ada last_seen=5s`,
  }),

  ...group('Silence after a hole', {
    'while the lease clock settles a silence ends the hold, and counts when that clock moves on': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    tick
      gap 11s ada/phone silence silent=3s trace=5
      11.5s tick
      : ada state=busy devices=1 streaming=false phone.holder=none last_seen=8s
      12s   restart
      = 13.001s ada busy>offline v2 silence inferred
      14s   tick
      : ada devices=0 known=phone
      620s  tick
      : ada known=none`,
    'a hello or heartbeat from wherever the device went comes in time': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      0.2s  bob/phone hello
      = 0.2s bob offline>online v1 signal inferred
      1s    g2 lives
      gap 11s ada/phone silence silent=3s
      11s   bob/phone silence silent=3s
      11.3s ada/phone hello c2 g2
      11.4s bob/phone heartbeat ttl=60s
      20s   tick
      : ada state=online phone.holder=c2
      : bob state=online phone.holder=none`,
    'after that the wait is over: what ends the new hold ends it at once': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    g2 lives
      gap 11s ada/phone silence silent=3s
      11.3s ada/phone hello c2 g2 #5
      11.6s g2 marker from=6
      = 11.6s ada online>offline v2 silence inferred
      13s   tick`,
    'a goodbye begins its grace instead': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    tick
      gap 11s ada/phone silence silent=3s
      12s   ada/phone heartbeat offline ttl=60s
      = 14s ada online>offline v2 goodbye inferred
      15s   tick`,
    'where a ttl runs, the end of the wait says nothing': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=4s
      gap 11s ada/phone silence silent=3s
      14s   tick
      : ada state=busy devices=1
      = 17s ada busy>offline v2 ttl inferred
      18s   tick`,
  }),
];
