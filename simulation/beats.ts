/** The last few beats of each device, as its gateway had them: what an offline is judged by. */
const KEPT = 8;

/** Of one device. */
export class DeviceBeats {
  readonly #at = new Float64Array(KEPT);
  #count = 0;
  #place = 0;
  /** When a gateway last had anything of it, be it of a connection that it has left for another. */
  heard = 0;
  /** When its last close reached a gateway; 0: none did. */
  left = 0;
  /** The last few silences that gateways said of it, and for how long each had run without a beat. */
  readonly #silences: { readonly at: number; readonly ran_ms: number }[] = [];

  /**
   * A pong or message (`says`) of it was read. `place`: of its connection, among all that it has had. What a gateway that stood
   * still reads of an older connection, once another one has said hello, is no beat.
   */
  note(at: number, place = 0, says = false): void {
    this.heard = at;
    if (says) this.#place = Math.max(this.#place, place);
    if (place < this.#place) return;
    this.#at[this.#count % KEPT] = at;
    this.#count += 1;
  }

  /** A gateway says silence of it, and has run for `ran_ms` since its last beat. */
  silent(at: number, ran_ms: number): void {
    this.#silences.push({ at, ran_ms });
    if (this.#silences.length > KEPT) this.#silences.shift();
  }

  /** The longest time, of the silences said since then, that a gateway had run without a beat. No silence: -Infinity. */
  silentFor(since: number): number {
    return Math.max(...this.#silences.filter(({ at }) => at >= since).map(({ ran_ms }) => ran_ms));
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
