/**
 * What presence.ts computes, rule by rule of contract.md ("Rules of presence"), as tables: what happens, and
 * what comes of it (the language: kit/scenario.ts). Whoever edits presence.ts reads and edits these.
 *
 * Each rule has at least one scenario that fails when the rule is broken: `npm run mutations` breaks them one by
 * one (mutations.ts) and shows which scenario noticed.
 */
export interface Scenario {
  /** The paragraph of contract.md, or of ARCHITECTURE.md where the contract leaves it to us. */
  readonly rule: string;
  /** A sentence about behaviour. */
  readonly title: string;
  readonly table: string;
}

const group = (rule: string, tables: Readonly<Record<string, string>>): readonly Scenario[] =>
  Object.entries(tables).map(([title, table]) => ({ rule, title, table }));

export const scenarios: readonly Scenario[] = [
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

  ...group('Override', {
    'it belongs to the user and holds whether or not a device lives': `
      0s    ada override dnd
      = 0s ada offline>dnd v1 override manual
      30s   ada/phone heartbeat busy ttl=5s
      60s   tick
      : ada state=dnd devices=0 override=o1
      61s   ada clear
      = 61s ada dnd>offline v2 override_cleared inferred
      62s   tick
      : ada override=none`,
    'it holds until its until has passed': `
      0s    ada/phone heartbeat busy ttl=60s
      0.1s  ada override away until=5.1s
      = 0.1s ada offline>away v1 override manual
      5s    tick
      : ada state=away until=5.1s
      = 5.1s ada away>busy v2 override_expired app
      6s    tick`,
    'ttl_s counts from the broker’s stamp': `
      3s    ada override away ttl=5s
      = 3s ada offline>away v1 override manual
      4s    tick
      : ada until=8s
      = 8s ada away>offline v2 override_expired inferred
      9s    tick`,
    'one at a time: a new one replaces the old one and its end': `
      0s    ada override away until=5s id=o1
      = 0s ada offline>away v1 override manual
      1s    ada override dnd id=o2
      = 1s ada away>dnd v2 override manual
      2s    ada clear id=o1
      9s    tick
      : ada state=dnd override=o2 until=never`,
    'one that is over already only ends the one it replaces': `
      0s    ada override dnd id=o1
      = 0s ada offline>dnd v1 override manual
      5s    ada override busy until=4s id=o2
      = 5s ada dnd>offline v2 override_cleared inferred
      6s    tick
      7s    ada override busy until=4s id=o3
      8s    tick
      : ada version=2 override=none`,
  }),

  ...group('Invisible', {
    'others see a goodbye at that moment, grace, cause and source included; the user sees the truth': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      5s    ada override invisible
      = 5s ada busy>invisible v2 override manual self
      5.5s  tick
      : ada others=busy others.devices=1 others.streaming=false others.version=1 others.last_seen=5s
      = 6s ada busy>offline v2 goodbye inferred others
      7s    tick
      : ada state=invisible devices=1 others=offline others.source=inferred others.devices=0 others.since=6s`,
    'others see nothing of what an invisible user does': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      5s    ada override invisible
      = 5s ada busy>invisible v2 override manual self
      = 6s ada busy>offline v2 goodbye inferred others
      8s    ada/phone heartbeat dnd
      9s    ada/laptop hello away c2
      10s   ada/phone goodbye
      12s   tick
      : ada others=offline others.last_seen=5s others.version=2 others.devices=0 last_seen=10s devices=1`,
    'its end is a hello of every living device': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      5s    ada override invisible until=20s
      = 5s ada busy>invisible v2 override manual self
      = 6s ada busy>offline v2 goodbye inferred others
      8s    ada/phone heartbeat dnd
      = 20s ada invisible>dnd v3 override_expired app self
      = 20s ada offline>dnd v3 signal app others
      21s   tick
      : ada others.last_seen=20s others.devices=1 others.streaming=true`,
    'ending it within the grace shows others nothing': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      5s    ada override invisible
      = 5s ada busy>invisible v2 override manual self
      5.8s  ada clear
      = 5.8s ada invisible>busy v3 override_cleared app self
      9s    tick
      : ada others=busy others.version=1`,
    'an end of it with no living device is nothing to others': `
      0s    ada/phone heartbeat busy ttl=5s
      = 0s ada offline>busy v1 signal app
      1s    ada override invisible
      = 1s ada busy>invisible v2 override manual self
      = 2s ada busy>offline v2 goodbye inferred others
      9s    ada clear
      = 9s ada invisible>offline v3 override_cleared inferred self
      10s   tick
      : ada others.last_seen=1s others.version=2 last_seen=0s`,
    'the override that it replaces is cleared for others': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      0.3s  ada override dnd id=o1
      = 0.3s ada busy>dnd v2 override manual
      5s    ada override invisible id=o2
      = 5s ada dnd>invisible v3 override manual self
      = 5s ada dnd>busy v3 override_cleared app others
      = 6s ada busy>offline v4 goodbye inferred others
      7s    tick
      8s    ada override away id=o3
      = 8s ada invisible>away v4 override manual self
      = 8s ada offline>away v5 override manual others
      9s    tick`,
    'a device in its own grace keeps the shorter one': `
      0s    g1 lives
      0.1s  ada/phone hello busy
      = 0.1s ada offline>busy v1 signal app
      5s    ada/phone goodbye
      5.6s  ada override invisible
      = 5.6s ada busy>invisible v2 override manual self
      = 6s ada busy>offline v2 goodbye inferred others
      8s    tick
      : ada others.last_seen=5s`,
    'invisible with no living device changes nothing that others see': `
      0s    ada/phone heartbeat busy ttl=1s
      = 0s ada offline>busy v1 signal app
      = 1s ada busy>offline v2 ttl inferred
      5s    ada override invisible
      = 5s ada offline>invisible v3 override manual self
      8s    tick
      : ada others=offline others.last_seen=0s others.since=1s others.version=2`,
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
