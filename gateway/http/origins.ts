/**
 * Browsers of other origins: CORS for HTTP, and the check at the stream's upgrade (which CORS does not cover).
 * A request without `Origin` is no browser's cross-origin one and passes; so does one from this host itself.
 */
export class Origins {
  readonly #allowed: ReadonlySet<string>;
  readonly #any: boolean;

  /** Origins as browsers send them: `https://app.example.com`; `*` for all. */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed.map((origin) => origin.trim().replace(/\/$/, '').toLowerCase()));
    this.#any = this.#allowed.has('*');
  }

  allows(origin: string, host: string): boolean {
    if (origin === '' || this.#any) return true;
    const lower = origin.toLowerCase();
    return this.#allowed.has(lower) || (host !== '' && lower.replace(/^https?:\/\//, '') === host.toLowerCase());
  }

  /** The headers that let the page read the answer; none where it may not. */
  headers(origin: string, host: string): Readonly<Record<string, string>> {
    if (origin === '' || !this.allows(origin, host)) return {};
    return { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'retry-after, allow', vary: 'Origin' };
  }

  /** Those of a preflight's answer, beside `headers`. */
  preflight(methods: readonly string[]): Readonly<Record<string, string>> {
    return {
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': 'authorization, content-type, traceparent',
      'access-control-max-age': '600',
    };
  }
}
