/**
 * When the servers were disturbed: from each fault's beginning to its end, and a while longer, until all has come to rest. What
 * it excuses depends on what was struck: a late detection is excused by each; false offline by none but a leap of the log's clock
 * together with another fault, since then nobody knows what time it was.
 */
/** `pause`: a gateway that stood still or was cut off, and came back: its clients' deadlines have moved. */
export const struck = ['gateway', 'pause', 'log', 'clock', 'topology'] as const;
export type Struck = (typeof struck)[number];

export class Disturbance {
  readonly #spans: { readonly from: number; readonly to: number; readonly what: Struck }[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** From now on, for so long. */
  add(what: Struck, for_ms: number): void {
    this.#spans.push({ from: this.#now(), to: this.#now() + for_ms, what });
  }

  /** Whether one of these was under way at that time. */
  during(time: number, what: Struck): boolean {
    return this.#spans.some((span) => span.what === what && span.from <= time && time <= span.to);
  }

  /** Whether one of these was at any time in [since, now]. */
  touched(since: number, ...what: readonly Struck[]): boolean {
    const now = this.#now();
    return this.#spans.some((span) => span.from <= now && span.to >= since && what.includes(span.what));
  }

  /** For how much of [since, now] these were under way, ms; what overlaps counts as often. */
  lasted(since: number, ...what: readonly Struck[]): number {
    const now = this.#now();
    return this.#spans
      .filter((span) => what.includes(span.what))
      .reduce((sum, span) => sum + Math.max(0, Math.min(span.to, now) - Math.max(span.from, since)), 0);
  }
}
