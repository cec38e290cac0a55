/** What must never happen. Each has a name; the first that breaks ends the world. */
import type { Diff } from '../schemas/generated.ts';

export const invariants = {
  chain: "A user's versions have no gap and no repeat, and each diff begins where the last one ended.",
  beating: 'Nobody is said offline whose device has beaten, as a running gateway had it, within the ttl, whatever the log does.',
  detection: 'Who is gone is said to be offline within the bound of the contract (servers undisturbed).',
  truth: 'After all faults, and a while of quiet, presence says the truth of everyone.',
  ledger: 'No signal that a gateway numbered is missing from the log.',
  replay: 'A replay of the log gives the same diffs, byte for byte.',
} as const;
export type InvariantName = keyof typeof invariants;

export interface Broken {
  readonly invariant: InvariantName;
  readonly detail: string;
  /** Virtual ms. */
  readonly at: number;
}

/** Versions and states of all users, as a reader of committed diffs has them. */
export class Chains {
  readonly #last = new Map<string, { self: Link; others: Link }>();

  /** What is wrong with this diff, after those before it; null if nothing is. */
  check(diff: Diff): string | null {
    let chain = this.#last.get(diff.user_id);
    if (chain === undefined) {
      chain = { self: { version: 0, state: 'offline', epoch: 0 }, others: { version: 0, state: 'offline', epoch: 0 } };
      this.#last.set(diff.user_id, chain);
    }
    if (diff.audience !== 'others') {
      const wrong = follow(chain.self, diff, diff.version);
      if (wrong !== null) return `${diff.user_id}: ${wrong}`;
    }
    if (diff.audience !== 'self') {
      const wrong = follow(chain.others, diff, diff.public_version);
      if (wrong !== null) return `${diff.user_id}, as others see: ${wrong}`;
    }
    return null;
  }
}

interface Link {
  version: number;
  state: string;
  epoch: number;
}

function follow(link: Link, diff: Diff, version: number): string | null {
  if (version !== link.version + 1) return `version ${version} after ${link.version}`;
  if (diff.from !== link.state) return `version ${version} goes from ${diff.from}, the last one to ${link.state}`;
  if (diff.to === diff.from) return `version ${version} changes nothing (${diff.to})`;
  if (diff.epoch < link.epoch) return `epoch ${diff.epoch} after ${link.epoch}`;
  link.version = version;
  link.state = diff.to;
  link.epoch = diff.epoch;
  return null;
}
