/** Ids and lists of them (contract.md: "1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -"). */
import { z } from 'zod';

export const idPattern = /^[A-Za-z0-9._:@|+=-]{1,128}$/;

export const id = z
  .string('must be a string')
  .regex(idPattern, 'must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ | + = -')
  .meta({ examples: ['ada'] });

/** Reads: up to 1,000. */
export const READ_LIMIT = 1_000;
/** Watches: up to 10,000. */
export const WATCH_LIMIT = 10_000;

export const ids = (limit: number) =>
  z.array(id, 'must be a list of ids').max(limit, `must hold at most ${limit.toLocaleString('en')} ids`);
