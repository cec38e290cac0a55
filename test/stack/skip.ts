import { appendFileSync } from 'node:fs';
import { Unavailable } from './machine.ts';
import type { Skipped } from './part.ts';

/** The part, or why this machine cannot have it. Any other fault is a fault. The run's summary is told which. */
export async function orSkipped<T extends { readonly description: string }>(
  name: string,
  start: () => Promise<T>,
): Promise<T | Skipped> {
  try {
    const part = await start();
    report(name, part.description);
    return part;
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    report(name, `not run: ${error.message}`);
    return { skipped: `${name}: ${error.message}` };
  }
}

/** One line for the summary that scripts/test.mjs prints at its end; many processes append to that file. */
function report(name: string, what: string): void {
  const file = process.env.PRESENCE_STACK_REPORT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ name, what })}\n`);
}
