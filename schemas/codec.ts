/**
 * Avro values in Confluent wire format: a zero byte, the schema's id (4 bytes, big endian), the value.
 * Ids are resolved once; encoding and decoding are synchronous.
 */
import type { Delivery, Diff, Interest, PartitionState, Signal, UserState } from './generated.ts';

export interface ValueCodec<T> {
  encode(value: T): Buffer;
  /** Throws UNDECODABLE. The writer's schema must be known: see `Codecs.prepare`. */
  decode(bytes: Buffer): T;
}

export interface Codecs {
  /** Decoding also checks which fields a kind needs (signal.ts). */
  readonly signal: ValueCodec<Signal>;
  readonly userState: ValueCodec<UserState>;
  readonly partitionState: ValueCodec<PartitionState>;
  readonly diff: ValueCodec<Diff>;
  readonly interest: ValueCodec<Interest>;
  readonly delivery: ValueCodec<Delivery>;
  /**
   * Fetches the schemas of ids not met before. undefined (nothing to wait for) when all are known, which
   * is nearly always: `const wait = codecs.prepare(values); if (wait) await wait;`. An id that the registry does
   * not know is remembered, and its values are UNDECODABLE; an unreachable registry rejects (retriable).
   */
  prepare(values: Iterable<Buffer | null>): Promise<void> | undefined;
}
