/** Overrides, and what others see of invisible ones. The language: ../kit/scenario.ts. */
import { group, type Scenario } from './scenario-group.ts';

export const overrides: readonly Scenario[] = [
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
];
