/** Which faults come at which step, and how often, from a seed. */
import type { Fault, Step } from './faulty-log.ts';

const faultsOf: Readonly<Record<Step, readonly Fault[]>> = {
  fence: ['refused', 'fenced', 'crash', 'crash_after'],
  commit: ['refused', 'lost', 'unsure', 'aborted', 'fenced', 'crash', 'crash_after', 'lost', 'unsure', 'aborted'],
  append: ['refused', 'lost', 'unsure', 'fenced', 'crash', 'crash_after'],
  reopen: ['refused', 'crash', 'crash_after', 'fenced'],
  read: ['refused', 'crash'],
  read_batch: ['refused', 'crash'],
  offsets: ['refused'],
  send: ['refused', 'lost', 'crash', 'crash_after'],
  confirm: ['refused', 'crash'],
  batch: ['crash'],
};

/** The odds of each fault. Swarm testing: each seed has its own mix, so that some faults come often and others not at all. */
export function mixOf(next: () => number): Readonly<Record<string, number>> {
  const kinds: readonly Fault[] = ['refused', 'lost', 'unsure', 'aborted', 'fenced', 'crash', 'crash_after'];
  return Object.fromEntries(kinds.map((kind) => [kind, next() < 0.4 ? 0 : next() * 0.5]));
}

/** Answers each step by the odds, until all is healed. */
export function planOf(next: () => number, weights: Readonly<Record<string, number>>, healed: () => boolean) {
  return (step: Step): Fault | undefined => {
    if (healed()) return undefined;
    const fault = faultsOf[step][Math.floor(next() * faultsOf[step].length)] as Fault;
    const rare = fault.startsWith('crash') || step === 'batch' || step === 'send' || step === 'read_batch';
    return next() < (weights[fault] ?? 0) * (rare ? 0.1 : 1) ? fault : undefined;
  };
}
