/** A background task of a mobile app: beats over HTTP, each beat speaking for its device for a while. */

export interface BackgroundClientOptions {
  readonly user: string;
  readonly device: string;
  readonly gateways: readonly string[];
  /** Default 2,000. */
  readonly every_ms?: number;
  /** Default 60,000. */
  readonly ttl_ms?: number;
}

export class BackgroundClient {
  readonly user: string;
  accepted = 0;
  refused = 0;
  #options: BackgroundClientOptions;
  #seq = 0;
  #attempt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: BackgroundClientOptions) {
    this.user = options.user;
    this.#options = options;
  }

  start(): void {
    void this.#beat();
    this.#timer = setInterval(() => void this.#beat(), this.#options.every_ms ?? 2_000);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #beat(): Promise<void> {
    const { device, gateways, ttl_ms } = this.#options;
    const body = { device_id: device, session_id: `bg-${this.user}`, seq: this.#seq++, ttl_ms: ttl_ms ?? 60_000 };
    try {
      const response = await fetch(`${gateways[this.#attempt % gateways.length]}/presence/heartbeat`, {
        method: 'POST',
        headers: { authorization: `Bearer dev:${this.user}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      if (response.status === 202) this.accepted += 1;
      else this.refused += 1;
    } catch {
      this.refused += 1;
      this.#attempt += 1; // the next one goes to the other gateway
    }
  }
}
