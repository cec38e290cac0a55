/** What options take: text to settings, with what is wrong in words that follow the option's name. */
import { z } from 'zod';

export const list = (what: string) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )
    .pipe(z.array(z.string()).min(1, `must name ${what}`));

export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, `must be a whole number from ${min} to ${max}`)
        .max(max, `must be a whole number from ${min} to ${max}`),
    );

export const url = (...schemes: readonly string[]) =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
    error: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });

/** Several Redis nodes (a cluster) are separated by commas, which no URL parser takes. */
export const redisUrl = z
  .string()
  .refine(
    (text) =>
      text.split(',').every((part) => URL.canParse(/^rediss?:/.test(part) ? part : `redis://${part}`)) &&
      /^rediss?:\/\//.test(text),
    {
      error: 'must be a URL that begins with redis:// or rediss://',
    },
  );

export const oneOf = <const T extends readonly string[]>(names: T) =>
  z.enum(names, { error: `must be one of ${names.join(', ')}` });

export const name = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1 to 100 characters of A-Z a-z 0-9 . _ -');

export const origin = z.string().refine((text) => text === '*' || (URL.canParse(text) && new URL(text).origin === text), {
  error: 'must be origins such as https://app.example.com, separated by commas, or *',
});
