/**
 * The embedded broker's clock. The machine's clock is nudged back by its time service now and then; a
 * stamp is not: it waits. A step back of over a second is a real one (somebody set the clock), and is
 * followed, as a Kafka broker would; the partition's clock calls it a leap back.
 */
import { clock } from '../../base/clock.ts';

const LEAP_MS = 1_000;

export function brokerClock(now: () => number = clock.now): () => number {
  let last = 0;
  return () => {
    const time = now();
    last = time < last - LEAP_MS ? time : Math.max(last, time);
    return last;
  };
}
