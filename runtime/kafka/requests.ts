/**
 * The requests that are encoded here rather than by kafkajs: Produce (bytes made once, resent as
 * they are), Fetch (its answer says where the next fetch begins, also where nothing readable is left), InitProducerId
 * version 3 (which raises the epoch of a producer that still has it, and of no other: KIP-360) and DescribeTransactions
 * (which says how a transaction was decided: KIP-664). The versions are spoken by Kafka 3.0 to 4.x.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { encoded, protocolError, type WireRequest } from './internals.ts';
import type { AbortedTransaction } from './record-batch.ts';

export interface PartitionBytes {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProduceAnswer {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
  readonly timestamp: number;
}

/** By topic, in the order in which they come. */
export function grouped<T extends { readonly topic: string }>(items: readonly T[]): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const others = topics.get(item.topic);
    if (others === undefined) topics.set(item.topic, [item]);
    else others.push(item);
  }
  return [...topics];
}

const keep = async <T>(data: T): Promise<T> => data;

export function produce(
  transactionalId: string | null,
  batches: readonly PartitionBytes[],
  timeout_ms: number,
): WireRequest<ProduceAnswer[]> {
  return {
    request: {
      apiKey: 0,
      apiVersion: 7,
      apiName: 'Produce',
      encode: async () => {
        const writer = new ByteWriter(128 + batches.reduce((sum, { bytes }) => sum + bytes.length + 64, 0));
        writer.string(transactionalId).int16(-1).int32(timeout_ms);
        writer.array(grouped(batches), ([topic, partitions]) => {
          writer.string(topic);
          writer.array(partitions, ({ partition, bytes }) => writer.int32(partition).int32(bytes.length).bytes(bytes));
        });
        return encoded(writer.view());
      },
    },
    response: {
      decode: async (payload) => {
        const reader = new ByteReader(payload);
        const topics = reader.array(() => {
          const topic = reader.string() ?? '';
          return reader.array((): ProduceAnswer => {
            const [partition, errorCode, baseOffset, timestamp] = [
              reader.int32(),
              reader.int16(),
              reader.int64(),
              reader.int64(),
            ];
            reader.int64(); // the log's start
            return { topic, partition, errorCode, baseOffset, timestamp };
          });
        });
        return topics.flat();
      },
      parse: keep,
    },
  };
}

export interface FetchPosition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchAnswer {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** The last stable offset. */
  readonly stable: number;
  readonly start: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly data: Buffer;
}

export interface FetchLimits {
  readonly maxWait_ms: number;
  readonly maxBytes: number;
  readonly partitionBytes: number;
  /** Also what is not decided yet. Default false. */
  readonly uncommitted?: boolean;
}

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;

export function fetch(positions: readonly FetchPosition[], limits: FetchLimits): WireRequest<FetchAnswer[]> {
  return {
    request: {
      apiKey: 1,
      apiVersion: 11,
      apiName: 'Fetch',
      encode: async () => {
        const writer = new ByteWriter(256 + positions.length * 64);
        writer.int32(-1).int32(limits.maxWait_ms).int32(1).int32(limits.maxBytes);
        writer.int8(limits.uncommitted === true ? READ_UNCOMMITTED : READ_COMMITTED);
        writer.int32(0).int32(-1); // no fetch session
        writer.array(grouped(positions), ([topic, partitions]) => {
          writer.string(topic);
          writer.array(partitions, ({ partition, offset }) =>
            writer.int32(partition).int32(-1).int64(offset).int64(-1).int32(limits.partitionBytes),
          );
        });
        writer.int32(0).string('');
        return encoded(writer.view());
      },
    },
    response: { decode: async (payload) => decodeFetch(new ByteReader(payload)), parse: keep },
  };
}

function decodeFetch(reader: ByteReader): FetchAnswer[] {
  reader.int32(); // throttle time
  const errorCode = reader.int16();
  if (errorCode !== 0) throw protocolError(errorCode);
  reader.int32(); // session
  const topics = reader.array(() => {
    const topic = reader.string() ?? '';
    return reader.array((): FetchAnswer => {
      const [partition, error] = [reader.int32(), reader.int16()];
      reader.int64(); // high watermark
      const [stable, start] = [reader.int64(), reader.int64()];
      const aborted = reader.array(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }));
      reader.int32(); // preferred replica
      const length = Math.max(0, reader.int32());
      reader.at += length;
      return {
        topic,
        partition,
        errorCode: error,
        stable,
        start,
        aborted,
        data: reader.buffer.subarray(reader.at - length, reader.at),
      };
    });
  });
  return topics.flat();
}

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** `held`: raise the epoch of this identity, if it still is the id's. Without it: take the id from whoever has it. */
export function initProducerId(
  transactionalId: string | null,
  transactionTimeout_ms: number,
  held: ProducerIdentity | null,
): WireRequest<ProducerIdentity> {
  return {
    logResponseError: false,
    request: {
      apiKey: 22,
      apiVersion: 3,
      apiName: 'InitProducerId',
      encode: async () => {
        const writer = new ByteWriter();
        writer.int8(0); // the header's tagged fields: kafkajs writes the older header, without them
        if (transactionalId === null) writer.int8(0);
        else compactString(writer, transactionalId);
        writer.int32(transactionTimeout_ms);
        writer.int64(held?.producerId ?? -1).int16(held?.producerEpoch ?? -1);
        writer.int8(0); // tagged fields
        return encoded(writer.view());
      },
    },
    response: {
      decode: async (payload) => {
        const reader = new ByteReader(payload);
        reader.int8(); // the header's tagged fields
        reader.int32(); // throttle time
        const errorCode = reader.int16();
        if (errorCode !== 0) throw protocolError(errorCode);
        return { producerId: reader.int64(), producerEpoch: reader.int16() };
      },
      parse: keep,
    },
  };
}

const NO_SUCH_ID = 105;

/** How the coordinator has decided the id's last transaction; `open`: not yet, or there was none. */
export function describeTransaction(transactionalId: string): WireRequest<'committed' | 'aborted' | 'open'> {
  return {
    logResponseError: false,
    request: {
      apiKey: 65,
      apiVersion: 0,
      apiName: 'DescribeTransactions',
      encode: async () => {
        const writer = new ByteWriter();
        writer.int8(0); // the header's tagged fields
        writer.int8(2); // one id, plus one
        compactString(writer, transactionalId);
        writer.int8(0); // tagged fields
        return encoded(writer.view());
      },
    },
    response: {
      decode: async (payload) => {
        const reader = new ByteReader(payload);
        reader.int8(); // the header's tagged fields
        reader.int32(); // throttle time
        reader.int8(); // one id, plus one
        const errorCode = reader.int16();
        if (errorCode === NO_SUCH_ID) return 'open';
        if (errorCode !== 0) throw protocolError(errorCode);
        reader.compactString(); // the id
        const state = reader.compactString();
        // PrepareCommit, CompleteCommit; PrepareAbort, CompleteAbort; Empty, Ongoing, Dead, PrepareEpochFence.
        return state.endsWith('Commit') ? 'committed' : state.endsWith('Abort') ? 'aborted' : 'open';
      },
      parse: keep,
    },
  };
}

/** Its length plus one as an unsigned varint, then the bytes. */
export function compactString(writer: ByteWriter, value: string): void {
  const bytes = Buffer.from(value);
  let rest = bytes.length + 1;
  for (; rest >= 0x80; rest >>>= 7) writer.int8(((rest & 0x7f) | 0x80) - 256);
  writer.int8(rest).bytes(bytes);
}
