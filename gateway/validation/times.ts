/** Times as people write them: RFC 3339 with an offset, or milliseconds since 1970; and windows like 30s, 10m, 1h, 7d. */
import { z } from 'zod';

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
/** The last one that RFC 3339 can say: 9999-12-31T23:59:59.999Z. */
const LAST_MS = 253_402_300_799_999;
const timeWords = 'must be a time in RFC 3339 (2026-01-31T12:00:00Z) or milliseconds since 1970';

/** ms since 1970, or undefined where it is no time. */
export function timeOf(value: string | number): number | undefined {
  const ms =
    typeof value === 'number'
      ? value
      : /^\d{1,15}$/.test(value)
        ? Number(value)
        : rfc3339.test(value)
          ? Date.parse(value.toUpperCase())
          : Number.NaN;
  return Number.isInteger(ms) && ms >= 0 && ms <= LAST_MS ? ms : undefined;
}

/** In a query: always text. */
export const timeParameter = z
  .string()
  .refine((value) => timeOf(value) !== undefined, timeWords)
  .meta({
    description: 'RFC 3339, or milliseconds since 1970',
    examples: ['2026-01-31T12:00:00Z'],
  });

/** In a body. */
export const timeField = z
  .union([z.string(), z.number()], timeWords)
  .refine((value) => timeOf(value) !== undefined, timeWords)
  .meta({ description: 'RFC 3339, or milliseconds since 1970', examples: ['2026-01-31T12:00:00Z'] });

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const windowShape = /^([1-9]\d{0,5})([smhd])$/;

/** ms, of a string that windowParameter took. */
export function windowOf(value: string): number {
  const [, count, unit] = windowShape.exec(value) as RegExpExecArray;
  return Number(count) * (units[unit as string] as number);
}

export const windowParameter = z
  .string()
  .regex(windowShape, 'must be a number and a unit: 30s, 10m, 1h, 7d')
  .meta({ examples: ['1h'] });

export const iso = (ms: number): string => new Date(ms).toISOString();
