/**
 * Whether this gateway can serve, part by part.
 *
 * A **required** part (the log, the outbox, the fan-out) must answer now. Any other (cache, database) must have
 * answered once: until then the gateway has never been whole and is `not ready`; afterwards its loss leaves
 * it `degraded` but serving: taking every gateway out of its load balancer because Redis restarts would make an
 * outage of it. Probes run side by side; one that takes longer than PROBE_MS counts as down.
 */
import { clock, type Timer } from '../../base/clock.ts';

export interface Check {
  /** Resolves if the part is well. */
  readonly probe: () => Promise<void>;
  readonly required: boolean;
}

export interface ReadinessReport {
  readonly status: 'ready' | 'degraded' | 'not ready' | 'draining';
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

const PROBE_MS = 2_000;

export class Readiness {
  readonly #checks: ReadonlyMap<string, Check>;
  readonly #answeredOnce = new Set<string>();
  /** Set when streams are being moved elsewhere. */
  draining = false;

  constructor(checks: Readonly<Record<string, Check>>) {
    this.#checks = new Map(Object.entries(checks));
  }

  async report(): Promise<ReadinessReport> {
    const results = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await this.#probe(name, check)] as const),
    );
    const failed = results.filter(([, result]) => !result.ok).map(([name]) => name);
    const fatal = failed.some((name) => this.#checks.get(name)?.required === true || !this.#answeredOnce.has(name));
    const status = this.draining ? 'draining' : fatal ? 'not ready' : failed.length > 0 ? 'degraded' : 'ready';
    return { status, checks: Object.fromEntries(results) };
  }

  async #probe(name: string, check: Check): Promise<{ ok: boolean; detail?: string }> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = clock.setTimeout(() => reject(new Error(`no answer within ${PROBE_MS} ms`)), PROBE_MS);
    });
    try {
      await Promise.race([check.probe(), late]);
      this.#answeredOnce.add(name);
      return { ok: true };
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) };
    } finally {
      clock.clearTimeout(timer);
    }
  }
}
