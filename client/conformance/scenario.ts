/** What a scenario may say. README.md has it in prose, for those who write a client in another language. */

/** Fields that must be there with these values; `{above: n}`, `{not: value}` are looser. Lists of ids are compared as sets. */
export type Pattern = Readonly<Record<string, unknown>>;

export type Step =
  // to the client
  | { readonly tell: Readonly<Record<string, unknown>> & { readonly do: string } }
  // of the client
  | { readonly event: Pattern; readonly within_ms?: number }
  | { readonly picture: readonly Pattern[] }
  | { readonly quiet: { readonly event?: Pattern; readonly frame?: Pattern; readonly for_ms: number } }
  // the server's side of the connection
  | { readonly accept: { readonly protocols?: readonly string[]; readonly not_before_ms?: number; readonly within_ms?: number } }
  | { readonly expect: Pattern; readonly within_ms?: number }
  | { readonly watching: readonly string[] }
  | { readonly send: Readonly<Record<string, unknown>> }
  | { readonly send_text: string }
  | { readonly close: { readonly code: number } }
  | { readonly closed: { readonly code: number } }
  | { readonly break: true }
  | { readonly silence: true }
  | { readonly forget_watches: true }
  | { readonly refuse: { readonly status: number; readonly for_ms: number; readonly retry_after_s?: number } }
  | { readonly attempts: { readonly from: number; readonly to: number; readonly within_ms: number } }
  | { readonly no_connection: { readonly for_ms: number } };

export interface Scenario {
  readonly name: string;
  readonly why: string;
  /** An ability that not every client can have; `--without <ability>` leaves its scenarios out. */
  readonly optional?: 'retry_after' | 'half_open';
  readonly steps: readonly Step[];
}

export function fits(pattern: unknown, value: unknown): boolean {
  if (typeof pattern !== 'object' || pattern === null) return pattern === value;
  if (Array.isArray(pattern)) {
    return (
      Array.isArray(value) && pattern.length === value.length && pattern.every((one) => value.some((other) => fits(one, other)))
    );
  }
  if ('above' in pattern) return typeof value === 'number' && value > (pattern.above as number);
  if ('not' in pattern) return value !== undefined && !fits(pattern.not, value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(pattern).every(([key, one]) => Object.hasOwn(value, key) && fits(one, (value as Pattern)[key]));
}
