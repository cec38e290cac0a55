/**
 * The token: fixed, or from a function that is asked as seldom as will do.
 *
 * **Model.** What the function gave is used again until it is spoilt: refused, ended, or due to be refreshed. So a storm of
 * reconnects is no storm on whoever makes tokens. Who asks while an answer is awaited waits for the same answer.
 *
 * A JWT says when it ends (`exp`). This machine's clock may be wrong: then how long the token lives (`exp - iat`) is counted
 * from when it came, which is right for fresh tokens. The server's word (`token_ended`) stands behind both.
 */
import type { Clock } from './clock.ts';

export type TokenSource = string | (() => string | Promise<string>);

/** A refresh comes at a random moment of this part of what is left, so that clients that began together do not ask together. */
const REFRESH_FROM = 0.75;
const REFRESH_TO = 0.9;
/** Not asked for more often, whatever the token says. */
const REFRESH_MS_MIN = 1_000;

export class Tokens {
  readonly #source: TokenSource;
  readonly #clock: Clock;
  readonly #random: () => number;
  #held: string | undefined;
  #came = 0;
  #asking: Promise<string> | undefined;

  constructor(source: TokenSource, clock: Clock, random: () => number) {
    this.#source = source;
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether there can be another one than the last. */
  get renewable(): boolean {
    return typeof this.#source === 'function';
  }

  /** Rejects with what the function throws. */
  get(): Promise<string> {
    const source = this.#source;
    if (typeof source === 'string') return Promise.resolve(source);
    if (this.#held !== undefined) return Promise.resolve(this.#held);
    this.#asking ??= Promise.resolve()
      .then(source)
      .then((token) => {
        this.#held = token;
        this.#came = this.#clock.now();
        return token;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  /** What is held is of no use any more. */
  spoil(): void {
    this.#held = undefined;
  }

  /** In how long the token should be replaced, ms; undefined where it says nothing, or cannot be. */
  refreshIn(): number | undefined {
    if (this.#held === undefined) return undefined;
    const { exp, iat } = claimsOf(this.#held);
    if (exp === undefined) return undefined;
    const life = iat === undefined ? undefined : (exp - iat) * 1_000;
    let left = exp * 1_000 - this.#came;
    if (life !== undefined && (left <= 0 || left > life)) left = life;
    const spent = this.#clock.now() - this.#came;
    const part = REFRESH_FROM + (REFRESH_TO - REFRESH_FROM) * this.#random();
    return Math.max(REFRESH_MS_MIN, left * part - spent);
  }
}

/** When a JWT ends and began, in seconds; nothing of what is no JWT. Read, not checked: that is the server's. */
function claimsOf(token: string): { readonly exp?: number; readonly iat?: number } {
  try {
    const payload = (token.split('.')[1] as string).replace(/-/g, '+').replace(/_/g, '/');
    const { exp, iat } = JSON.parse(atob(payload)) as { exp?: unknown; iat?: unknown };
    return { ...(typeof exp === 'number' ? { exp } : {}), ...(typeof iat === 'number' ? { iat } : {}) };
  } catch {
    return {};
  }
}
