/** What goes wrong on the server's side. */
import type { Random } from './random.ts';

export type Fault =
  /** `restart`: it drains and ends. `kill`: its kernel closes its sockets. `power`: nobody does. It is back `for_ms` later. */
  | {
      readonly fault: 'gateway ends';
      readonly at: number;
      readonly gateway: number;
      readonly how: 'restart' | 'kill' | 'power';
      readonly for_ms: number;
    }
  | { readonly fault: 'gateway stalls'; readonly at: number; readonly gateway: number; readonly for_ms: number }
  /** It has no way to the log; its clients reach it. */
  | { readonly fault: 'gateway is cut off'; readonly at: number; readonly gateway: number; readonly for_ms: number }
  /** The log answers nobody. */
  | { readonly fault: 'log stalls'; readonly at: number; readonly for_ms: number }
  | { readonly fault: 'log refuses'; readonly at: number; readonly for_ms: number }
  | { readonly fault: 'log loses answers'; readonly at: number; readonly for_ms: number; readonly share: number }
  | { readonly fault: 'log troubles commits'; readonly at: number; readonly for_ms: number; readonly share: number }
  | { readonly fault: 'log leaps'; readonly at: number; readonly by_ms: number }
  | { readonly fault: 'topology ends'; readonly at: number; readonly instance: number; readonly for_ms: number }
  | { readonly fault: 'topology stalls'; readonly at: number; readonly instance: number; readonly for_ms: number };

/** About one in this time, one after the other or over each other. */
const MEAN_MS = 40_000;

export function tellFaults(
  random: Random,
  { ends_ms, gateways }: { readonly ends_ms: number; readonly gateways: number },
): Fault[] {
  const faults: Fault[] = [];
  for (let at = 25_000 + random.exponential(MEAN_MS); at < ends_ms - 15_000; at += random.exponential(MEAN_MS)) {
    faults.push(tellFault(random, Math.round(at), { gateways, left_ms: ends_ms - at }));
  }
  return faults;
}

function tellFault(
  random: Random,
  at: number,
  { gateways, left_ms }: { readonly gateways: number; readonly left_ms: number },
): Fault {
  const lasts = random.pick([300, 1_000, 4_000]) + random.exponential(random.pick([500, 3_000, 8_000]));
  const for_ms = Math.round(Math.min(left_ms, lasts));
  const gateway = random.whole(0, gateways - 1);
  const instance = random.whole(0, 1);
  const share = random.pick([0.1, 0.3, 0.6]);
  const by_ms = Math.round(random.pick([-1, 1]) * random.pick([300, 1_200, 5_000, 60_000, 7_200_000]) * random.between(0.5, 1.5));
  return random.pick<Fault>([
    { fault: 'gateway ends', at, gateway, how: random.pick(['restart', 'kill', 'power']), for_ms },
    { fault: 'gateway ends', at, gateway, how: random.pick(['restart', 'kill', 'power']), for_ms },
    { fault: 'gateway stalls', at, gateway, for_ms },
    { fault: 'gateway is cut off', at, gateway, for_ms },
    { fault: 'log stalls', at, for_ms },
    { fault: 'log refuses', at, for_ms },
    { fault: 'log loses answers', at, for_ms, share },
    { fault: 'log troubles commits', at, for_ms, share },
    { fault: 'log leaps', at, by_ms },
    { fault: 'topology ends', at, instance, for_ms },
    { fault: 'topology stalls', at, instance, for_ms },
  ]);
}
