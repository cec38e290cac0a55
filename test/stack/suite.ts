/**
 * How a suite gets its real parts. They are shared by all suites of a run and started when first asked for
 * (global-setup.ts), so a suite must use names of its own (topics, groups, subjects); its database is its own.
 * A suite that kills, pauses or fills a part starts one for itself: `await kafka()` from index.ts.
 */
import { describe, inject, test } from 'vitest';
import { isSkipped, type Skipped } from './part.ts';

/** What `describeWith` can ask for, and what it hands over: the address that clients take. */
export interface SharedParts {
  /** `host:port` */
  readonly kafka: string;
  /** `http://…/apis/ccompat/v7` */
  readonly schemaRegistry: string;
  /** `redis://host:port/db`, an empty database of this suite alone. */
  readonly redis: string;
  /** `postgres://…`, an empty database of this suite alone. */
  readonly postgres: string;
  /** The path of a Chromium's program, for playwright-core (with `browserArgs` of index.ts). */
  readonly browser: string;
}

export type SharedName = keyof SharedParts;

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the run's stack answers (global-setup.ts). */
    readonly stack: string;
  }
}

/** The shared part's address, or why there is none. */
export async function shared(name: SharedName): Promise<{ readonly url: string } | Skipped> {
  const response = await fetch(`${inject('stack')}/${name}`);
  const answer = (await response.json()) as { readonly url: string } | Skipped | { readonly fault: string };
  if ('fault' in answer) throw new Error(answer.fault);
  return answer;
}

/**
 * `describe` for a suite that needs real parts; await it at the top of the file:
 *
 *     await describeWith('The Kafka log', ['kafka'], ({ kafka }) => { test('…', …) });
 *
 * Where a part cannot be had the suite is skipped and says why; with CI=true it fails.
 */
export async function describeWith<const N extends readonly SharedName[]>(
  title: string,
  names: N,
  body: (parts: Pick<SharedParts, N[number]>) => void,
): Promise<void> {
  const found = await Promise.all(names.map(async (name) => [name, await shared(name)] as const));
  const reasons = found.flatMap(([, part]) => (isSkipped(part) ? [part.skipped] : []));
  if (reasons.length === 0) {
    const parts = Object.fromEntries(found.map(([name, part]) => [name, (part as { readonly url: string }).url]));
    describe(title, () => body(parts as unknown as Pick<SharedParts, N[number]>));
    return;
  }
  skipSuite(title, reasons.join('; '));
}

/** Registers a suite that cannot run here: skipped with its reason, a failure with CI=true. */
export function skipSuite(title: string, reason: string): void {
  describe(title, () => {
    if (process.env.CI === 'true') {
      test(`needs what this machine cannot provide: ${reason}`, () => {
        throw new Error(`With CI=true nothing may be skipped. ${reason}`);
      });
    } else {
      test.skip(`skipped: ${reason}`, () => {});
    }
  });
}
