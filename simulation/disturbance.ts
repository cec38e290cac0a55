/**
 * When the servers were disturbed: from each fault's beginning to its end, and a while longer, until all has come to rest.
 * A fault of one gateway disturbs less than one of the log or the topology: it excuses no false offline.
 */
export class Disturbance {
  readonly #spans: { readonly from: number; readonly to: number; readonly gateway: boolean }[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** From now on, for so long. */
  add(for_ms: number, gateway: boolean): void {
    this.#spans.push({ from: this.#now(), to: this.#now() + for_ms, gateway });
  }

  /** At any time in [since, now]; those of gateways count where they are asked for. */
  touched(since: number, gateways: boolean): boolean {
    return this.#spans.some(({ from, to, gateway }) => (gateways || !gateway) && from <= this.#now() && to >= since);
  }
}
