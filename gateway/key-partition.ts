/**
 * The partition of a user's key, as base/murmur2.ts has it, without an encoder or an array for each: in routed mode it is asked
 * for at every step of a watch, some million times when everybody comes back at once, and encoding was a fifth of that.
 */
import { murmur2, partitionOf } from '../base/murmur2.ts';

/** Keys of users have 257 characters at most. */
const LENGTH = 512;
const bytes = new Uint8Array(LENGTH);
/** By length: the beginning of `bytes`. */
const views = Array.from({ length: LENGTH + 1 }, (_, length) => bytes.subarray(0, length));

export function keyPartition(key: string, partitions: number): number {
  const { length } = key;
  if (length > LENGTH) return partitionOf(key, partitions);
  for (let i = 0; i < length; i++) {
    const code = key.charCodeAt(i);
    if (code >= 0x80) return partitionOf(key, partitions);
    bytes[i] = code;
  }
  return (murmur2(views[length] as Uint8Array) & 0x7fffffff) % partitions;
}
