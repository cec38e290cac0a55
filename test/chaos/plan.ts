/**
 * The faults of a round as data, from the seed and the round's number alone: what a report prints is what
 * `--seed N --only ROUND` does again. The times are when a fault begins; what a process was doing just then is chance.
 *
 * Each kind comes in turn, so that no few rounds miss one; what goes with it, and when, is by lot.
 */
import { random } from '../../processors/swarm.ts';
import { SESSION_MS } from '../../runtime/kafka/membership.ts';

/**
 * Of an instance: `kill` -9, and started again after `for_ms`; `pause`, and goes on after it, longer than the group waits
 * for a member; `stop` in order (SIGTERM), and started again. Of the group: `join`, one instance more for the rest of the
 * round. Of the broker: stopped in order or killed, and started again after `for_ms`.
 */
export type Fault =
  | { readonly kind: 'kill' | 'pause' | 'stop'; readonly at_ms: number; readonly slot: number; readonly for_ms: number }
  | { readonly kind: 'join'; readonly at_ms: number }
  | { readonly kind: 'broker_stop' | 'broker_kill'; readonly at_ms: number; readonly for_ms: number };

export type FaultKind = Fault['kind'];
export const faultKinds = ['kill', 'pause', 'stop', 'join', 'broker_stop', 'broker_kill'] as const satisfies readonly FaultKind[];

export interface RoundPlan {
  readonly round: number;
  /** How many instances there are when it begins. */
  readonly instances: number;
  readonly faults: readonly Fault[];
}

export const instanceCounts = [1, 2, 3, 5] as const;

/** Faults begin within the first this many ms. */
const SPAN_MS = 4_000;

export function planRound(seed: number, round: number): RoundPlan {
  const next = random(seed * 100_003 + round);
  const below = (n: number): number => Math.floor(next() * n);
  const instances = instanceCounts[below(instanceCounts.length)] as number;
  const fault = (kind: FaultKind, at_ms: number): Fault => {
    const slot = below(instances);
    switch (kind) {
      case 'kill':
        // Back while the group still waits for its former self, or when the others have long taken over.
        return { kind, at_ms, slot, for_ms: next() < 0.5 ? 50 + below(1_000) : SESSION_MS + below(1_500) };
      case 'pause':
        return { kind, at_ms, slot, for_ms: SESSION_MS + 500 + below(2_000) };
      case 'stop':
        return { kind, at_ms, slot, for_ms: below(2_000) };
      case 'join':
        return { kind, at_ms };
      default:
        return { kind, at_ms, for_ms: 100 + below(3_000) };
    }
  };
  const faults: Fault[] = [fault(faultKinds[round % faultKinds.length] as FaultKind, 200 + below(SPAN_MS))];
  const count = 1 + below(4);
  while (faults.length < count) {
    // One in four begins in the same moment as another.
    const at = next() < 0.25 ? (faults[0] as Fault).at_ms : 200 + below(SPAN_MS);
    const kind = faultKinds[below(faultKinds.length)] as FaultKind;
    // One broker: it is away once a round.
    if (kind.startsWith('broker') && faults.some((other) => other.kind.startsWith('broker'))) continue;
    faults.push(fault(kind, at));
  }
  return { round, instances, faults: faults.sort((a, b) => a.at_ms - b.at_ms) };
}

export const describeFault = (fault: Fault): string =>
  `${fault.at_ms} ${fault.kind}${'slot' in fault ? ` ${fault.slot}` : ''}${'for_ms' in fault ? ` for ${fault.for_ms}` : ''}`;

export const describePlan = ({ round, instances, faults }: RoundPlan): string =>
  `round ${round}, ${instances} instances: ${faults.map(describeFault).join('; ')}`;
