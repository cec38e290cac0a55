/** Lengths of time as topologies write them. Everything inside is milliseconds. */

/** Milliseconds. */
export type Millis = number & { readonly __unit?: 'ms' };

export const ms = (n: number): Millis => n;
export const seconds = (n: number): Millis => n * 1_000;
export const minutes = (n: number): Millis => n * 60_000;
export const hours = (n: number): Millis => n * 3_600_000;
export const days = (n: number): Millis => n * 86_400_000;

/** `90 s`, `10 min`, `200 ms`: for drawings and messages. */
export function printMillis(length: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  for (const [size, name] of units) if (length >= size && length % size === 0) return `${length / size} ${name}`;
  return `${length} ms`;
}
