import { Unavailable } from './machine.ts';
import type { Skipped } from './part.ts';

/** The part, or why this machine cannot have it. Any other fault is a fault. */
export async function orSkipped<T>(name: string, start: () => Promise<T>): Promise<T | Skipped> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof Unavailable) return { skipped: `${name}: ${error.message}` };
    throw error;
  }
}
