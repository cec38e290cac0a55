/** Devices: who lives, what they say, and who speaks for the user. The language: ../kit/scenario.ts. */
import { group, type Scenario } from './scenario-group.ts';

export const devices: readonly Scenario[] = [
  ...group('Device', {
    'each device speaks for itself: the user is offline when the last one has gone': `
      0s    g1 lives
      0.1s  ada/phone  hello
      = 0.1s ada offline>online v1 signal inferred
      0.3s  ada/laptop hello
      1s    tick
      : ada devices=2
      5s    ada/phone  goodbye
      7s    tick
      : ada devices=1 state=online
      8s    ada/laptop goodbye
      = 9s ada online>offline v2 goodbye inferred
      10s   tick
      : ada devices=0`,
    'offline said by a device is a goodbye: no state is kept of it': `
      0s    g1 lives
      0.1s  ada/phone hello away
      = 0.1s ada offline>away v1 signal app
      5s    ada/phone heartbeat offline
      5.5s  tick
      : ada state=away phone.says=app:away phone.holder=none devices=1
      = 6s ada away>offline v2 goodbye inferred
      7s    tick
      8s    ada/phone hello
      = 8s ada offline>away v3 signal app
      9s    tick`,
    'offline said over HTTP is a goodbye too, and whoever holds the device is told': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      3s    ada/phone heartbeat offline ttl=60s
      ! lost g1 ada/phone c-phone
      3.5s  tick
      : ada phone.holder=none
      = 4s ada busy>offline v2 goodbye inferred
      5s    tick`,
  }),

  ...group('States', {
    'among equals the first of dnd, busy, online, away speaks': `
      0s    g1 lives
      0.1s  ada/a hello away app
      = 0.1s ada offline>away v1 signal app
      1.1s  ada/b hello online app
      = 1.1s ada away>online v2 signal app
      2.1s  ada/c hello busy app
      = 2.1s ada online>busy v3 signal app
      3.1s  ada/d hello dnd app
      = 3.1s ada busy>dnd v4 signal app
      4.1s  ada/e hello away app
      5s    tick
      : ada state=dnd devices=5`,
  }),

  ...group('Sources', {
    'what the client said goes before what the gateway deduced, whatever the states': `
      0s    g1 lives
      0.1s  ada/phone  hello busy inferred
      = 0.1s ada offline>busy v1 signal inferred
      1.1s  ada/laptop hello away app
      = 1.1s ada busy>away v2 signal app
      2.1s  ada/laptop goodbye
      = 3.1s ada away>busy v3 goodbye inferred
      4s    tick`,
    'an override goes before what any client said': `
      0s    g1 lives
      0.1s  ada/phone hello dnd app
      = 0.1s ada offline>dnd v1 signal app
      1.1s  ada override away
      = 1.1s ada dnd>away v2 override manual
      2.1s  ada/phone heartbeat busy app
      3s    tick
      : ada state=away source=manual`,
    'a state without a source is the app’s, a source alone is of what was said': `
      0s    g1 lives
      0.1s  ada/phone hello away
      = 0.1s ada offline>away v1 signal app
      1s    tick
      : ada phone.says=app:away
      1.1s  ada/phone heartbeat inferred
      2s    tick
      : ada phone.says=inferred:away version=1 source=inferred`,
  }),

  ...group('Precedence', {
    'no living device and no override is offline, and its source is inferred': `
      0s    ada/phone heartbeat busy ttl=1s
      = 0s ada offline>busy v1 signal app
      = 1s ada busy>offline v2 ttl inferred
      2s    tick
      : ada source=inferred others.source=inferred`,
    'the highest of the living devices speaks, whichever came first': `
      0s    ada/phone heartbeat away ttl=60s
      = 0s ada offline>away v1 signal app
      1s    ada/laptop heartbeat dnd ttl=60s
      = 1s ada away>dnd v2 signal app
      2s    ada/tv heartbeat online ttl=60s
      3s    tick
      : ada state=dnd`,
    'the effective state falls back to the next device': `
      0s    ada/phone heartbeat dnd ttl=5s
      = 0s ada offline>dnd v1 signal app
      1s    ada/laptop heartbeat away ttl=60s
      = 5s ada dnd>away v2 ttl app
      6s    tick`,
  }),

  ...group('Liveness', {
    'an HTTP heartbeat speaks for its device for its ttl': `
      0s    ada/phone heartbeat busy ttl=5s
      = 0s ada offline>busy v1 signal app
      4s    ada/phone heartbeat ttl=5s
      8.8s  tick
      : ada state=busy devices=1
      = 9s ada busy>offline v2 ttl inferred
      9.5s  tick
      : ada last_seen=4s devices=0`,
    'a device that has said nothing is inferred online': `
      0s    ada/phone heartbeat ttl=5s
      = 0s ada offline>online v1 signal inferred
      1s    tick`,
    'a device on a stream lives while its gateway does: 3 s without a record of it is its death': `
      0s    g1 lives
      0s    g2 lives
      0.1s  ada/phone hello g1
      0.1s  bob/phone hello g2
      = 0.1s ada offline>online v1 signal inferred
      = 0.1s bob offline>online v1 signal inferred
      4s    g1 stops
      6.9s  tick
      : ada state=online
      = 7s ada online>offline v2 gateway_lost inferred
      8s    tick
      : ada last_seen=4s streaming=false devices=0
      : bob state=online`,
    'one record of a dead gateway brings back every device that it still holds': `
      0s    g1 lives
      0s    g2 lives
      0.1s  ada/phone hello busy
      0.1s  bob/web hello
      = 0.1s ada offline>busy v1 signal app
      = 0.1s bob offline>online v1 signal inferred
      2s    g1 stops
      = 5s ada busy>offline v2 gateway_lost inferred
      = 5s bob online>offline v2 gateway_lost inferred
      6s    tick
      9s    g1 marker
      = 9s ada offline>busy v3 signal app
      = 9s bob offline>online v3 signal inferred
      9.5s  tick
      : ada devices=1 streaming=true`,
    'after a goodbye a device counts for 1 s, then for nothing; the diff bears the end of the grace': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      5s    ada/phone goodbye
      5.9s  tick
      : ada devices=1 streaming=false state=online
      = 6s ada online>offline v2 goodbye inferred
      6.5s  tick
      : ada last_seen=5s since=6s`,
    'a second goodbye does not begin the grace anew': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone heartbeat offline ttl=1s
      ! lost g1 ada/phone c-phone
      1.7s  ada/phone heartbeat offline ttl=1s
      = 2s ada online>offline v2 goodbye inferred
      4s    tick`,
    'coming back ends the grace: the next goodbye begins its own': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      5s    ada/phone goodbye
      5.5s  ada/phone hello c2
      5.8s  ada/phone goodbye c2
      = 6.8s ada online>offline v2 goodbye inferred
      8s    tick`,
    'coming back within the grace in the same session keeps state and source': `
      0s    g1 lives
      0.1s  ada/phone hello dnd
      = 0.1s ada offline>dnd v1 signal app
      5s    ada/phone goodbye
      5.8s  ada/phone hello c2
      8s    tick
      : ada state=dnd source=app version=1 devices=1`,
    'coming back within the grace in a new session keeps state and source until it states another': `
      0s    g1 lives
      0.1s  ada/phone hello dnd
      = 0.1s ada offline>dnd v1 signal app
      5s    ada/phone goodbye
      5.8s  ada/phone hello s2 c2
      8s    tick
      : ada state=dnd source=app version=1 devices=1
      9s    ada/phone heartbeat away s2 c2
      = 9s ada dnd>away v2 signal app
      10s   tick`,
    'a new session after the grace begins as inferred online; the same one goes on': `
      0s    g1 lives
      0.1s  ada/phone hello dnd
      = 0.1s ada offline>dnd v1 signal app
      1s    ada/phone goodbye
      = 2s ada dnd>offline v2 goodbye inferred
      4s    ada/phone hello c2
      = 4s ada offline>dnd v3 signal app
      5s    ada/phone goodbye c2
      = 6s ada dnd>offline v4 goodbye inferred
      8s    ada/phone hello s2 c3
      = 8s ada offline>online v5 signal inferred
      9s    tick`,
    'a broken connection is silence from its last beat, without grace': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      10s   ada/phone silence silent=3s
      = 10s ada online>offline v2 silence inferred
      10.5s tick
      : ada last_seen=7s devices=0`,
    'a goodbye unbinds the connection: nothing of it counts until a hello or a heartbeat': `
      0s    g1 lives
      0.1s  ada/phone hello
      = 0.1s ada offline>online v1 signal inferred
      1s    ada/phone goodbye
      = 2s ada online>offline v2 goodbye inferred
      3s    ada/phone silence silent=1s
      : ada last_seen=1s phone.holder=none
      5s    ada/phone heartbeat
      = 5s ada offline>online v3 signal inferred
      6s    tick
      : ada phone.holder=c-phone`,
    'a hold and a ttl go side by side: silence ends only the hold': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=10s
      5s    ada/phone silence silent=2s
      6s    tick
      : ada state=busy devices=1 streaming=false phone.holder=none last_seen=3s
      = 11s ada busy>offline v2 ttl inferred
      12s   tick`,
    'the end of a ttl is nothing to a device that is held': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=5s
      9s    tick
      : ada state=busy devices=1 streaming=true`,
    'a goodbye ends hold and ttl': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=60s
      2s    ada/phone goodbye
      = 3s ada busy>offline v2 goodbye inferred
      4s    tick`,
    'a new session ends hold and ttl of the old one': `
      0s    g1 lives
      0.1s  ada/phone hello busy c1
      = 0.1s ada offline>busy v1 signal app
      1s    ada/phone heartbeat ttl=60s
      2s    ada/phone hello s2 c2
      ! lost g1 ada/phone c1
      2.5s  tick
      3s    ada/phone silence silent=0s c2
      = 3s ada busy>offline v2 silence inferred
      4s    tick`,
  }),

  ...group('Forgetting', {
    'a device is forgotten 10 minutes after it last counted, the user never': `
      0s     ada/phone heartbeat busy ttl=5s
      = 0s ada offline>busy v1 signal app
      = 5s ada busy>offline v2 ttl inferred
      10s    tick
      604.9s tick
      : ada known=phone
      605.5s tick
      : ada known=none version=2 last_seen=0s
      606s   ada/phone heartbeat ttl=5s
      = 606s ada offline>online v3 signal inferred
      607s   tick`,
    'a dead gateway is forgotten an hour later': `
      0s      g1 marker
      3603.5s tick
      : partition gateways=none`,
  }),
];
