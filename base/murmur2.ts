/**
 * murmur2 as Kafka's own default partitioner has it (org.apache.kafka.common.utils.Utils.murmur2),
 * so that every client puts a key into the same partition.
 */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const encoder = new TextEncoder();
/** Keys of users have 257 characters at most. */
const SHORT = 512;
const short = new Uint8Array(SHORT);
/** By length: the beginning of `short`. */
const shorts = Array.from({ length: SHORT + 1 }, (_, length) => short.subarray(0, length));

/** The signed 32-bit murmur2 of these bytes. */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  let h = SEED ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k =
      (data[i] as number) | ((data[i + 1] as number) << 8) | ((data[i + 2] as number) << 16) | ((data[i + 3] as number) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - i;
  if (rest === 3) h ^= (data[i + 2] as number) << 16;
  if (rest >= 2) h ^= (data[i + 1] as number) << 8;
  if (rest >= 1) {
    h ^= data[i] as number;
    h = Math.imul(h, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  h ^= h >>> 15;
  return h;
}

/** The partition of a key among `partitions`, as Kafka's default partitioner chooses it. */
export function partitionOf(key: string | Uint8Array, partitions: number): number {
  const bytes = typeof key === 'string' ? bytesOf(key) : key;
  return (murmur2(bytes) & 0x7fffffff) % partitions;
}

/** In UTF-8; of a short ASCII key until the next one only: an encoder and an array for each were a fifth of a mass return. */
function bytesOf(key: string): Uint8Array {
  const { length } = key;
  if (length > SHORT) return encoder.encode(key);
  for (let i = 0; i < length; i++) {
    const code = key.charCodeAt(i);
    if (code >= 0x80) return encoder.encode(key);
    short[i] = code;
  }
  return shorts[length] as Uint8Array;
}
