/** The last few beats of each device, as its gateway had them: what an offline is judged by. */
const KEPT = 8;

/** Of one device. */
export class DeviceBeats {
  readonly #at = new Float64Array(KEPT);
  #count = 0;
  /** When its last close reached a gateway; 0: none did. */
  left = 0;
  /** Of the last silence that a gateway said of it: for how long that gateway had run without a beat. ms. */
  silent_ms = Number.POSITIVE_INFINITY;

  note(at: number): void {
    this.#at[this.#count % KEPT] = at;
    this.#count += 1;
  }

  /** The last of all; 0 if there was none. */
  get last(): number {
    return this.#count === 0 ? 0 : (this.#at[(this.#count - 1) % KEPT] as number);
  }

  /** The one noted last of those in [from, to]; null if there is none. */
  within(from: number, to: number): number | null {
    for (let back = 1; back <= Math.min(this.#count, KEPT); back++) {
      const at = this.#at[(this.#count - back) % KEPT] as number;
      if (at >= from && at <= to) return at;
    }
    return null;
  }
}

export class Beats {
  readonly #devices = new Map<string, DeviceBeats>();

  of(device: string): DeviceBeats {
    let beats = this.#devices.get(device);
    if (beats === undefined) {
      beats = new DeviceBeats();
      this.#devices.set(device, beats);
    }
    return beats;
  }
}
