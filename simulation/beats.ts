/** The last few beats of each device, as its gateway had them: what an offline is judged by. */
const KEPT = 8;

export class Beats {
  readonly #at = new Map<string, number[]>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(device: string, at = this.#now()): void {
    const times = this.#at.get(device);
    if (times === undefined) this.#at.set(device, [at]);
    else {
      times.push(at);
      if (times.length > KEPT) times.shift();
    }
  }

  /** The last of all; 0 if there was none. */
  last(device: string): number {
    return this.#at.get(device)?.at(-1) ?? 0;
  }

  /** The last one in [from, to]; null if there is none. */
  within(device: string, from: number, to: number): number | null {
    return (
      this.#at
        .get(device)
        ?.filter((at) => at >= from && at <= to)
        .at(-1) ?? null
    );
  }
}
