/**
 * What a process takes from its machine: time and chance.
 *
 * **Model.** The gateway and the runtime ask `clock`, never Node's own timers or Math.random. It is the machine's, unless
 * `useClock` has put another in its place: the simulation's, in which an hour passes in a second and a seed
 * decides what chance brings. One clock is in place at a time, for the whole process.
 *
 * A clock that is put in place must be there before the parts that use it are made, and stay until they are closed.
 */
import { randomBytes, randomUUID } from 'node:crypto';

/** A timer that waits. `unref`: it alone does not keep the process alive. */
export interface Timer {
  unref(): unknown;
}

export interface Clock {
  /** ms since 1970; may be set back. */
  now(): number;
  /** Monotonic ms, with fractions, from any beginning. */
  monotonic(): number;
  setTimeout(run: () => void, ms: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
  setInterval(run: () => void, ms: number): Timer;
  clearInterval(timer: Timer): void;
  /** After the sockets had their turn. */
  setImmediate(run: () => void): void;
  /** In [0, 1): for jitter. */
  random(): number;
  /** So many bytes that nobody can guess, in hexadecimal. */
  randomHex(bytes: number): string;
  randomUUID(): string;
}

// Random bytes are drawn 4 KB at a time: a call for each would cost more than the rest of a beat.
let pool = Buffer.alloc(0);
let used = 0;

/** Looks Node's functions up at each call: tests put others in their place. */
const machine: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  setInterval: (run, ms) => setInterval(run, ms),
  clearInterval: (timer) => clearInterval(timer as NodeJS.Timeout),
  setImmediate: (run) => void setImmediate(run),
  random: () => Math.random(),
  randomHex(bytes) {
    if (used + bytes > pool.length) {
      pool = randomBytes(Math.max(4_096, bytes));
      used = 0;
    }
    used += bytes;
    return pool.toString('hex', used - bytes, used);
  },
  randomUUID: () => randomUUID(),
};

let current = machine;

/** The clock in place. */
export const clock: Clock = {
  now: () => current.now(),
  monotonic: () => current.monotonic(),
  setTimeout: (run, ms) => current.setTimeout(run, ms),
  clearTimeout: (timer) => current.clearTimeout(timer),
  setInterval: (run, ms) => current.setInterval(run, ms),
  clearInterval: (timer) => current.clearInterval(timer),
  setImmediate: (run) => current.setImmediate(run),
  random: () => current.random(),
  randomHex: (bytes) => current.randomHex(bytes),
  randomUUID: () => current.randomUUID(),
};

/** Puts another clock in place; what it returns puts the machine's back. */
export function useClock(other: Clock): () => void {
  current = other;
  return () => {
    current = machine;
  };
}

/** Resolves after `ms`. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, ms));

/** Resolves at the end of this turn of the loop, after the sockets had theirs. */
export const turn = (): Promise<void> => new Promise((resolve) => clock.setImmediate(resolve));
