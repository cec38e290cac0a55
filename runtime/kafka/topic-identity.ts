/**
 * What tells a topic from every other, those of the same name in other clusters, or made after it was deleted, among them: the
 * cluster's id and the topic's. The metadata that kafkajs asks for knows no topic ids; this asks in version 10 (Kafka 2.8).
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { encoded, protocolError, type WireRequest } from './internals.ts';
import { compactString } from './requests.ts';

export function topicIdentity(topic: string): WireRequest<string> {
  return {
    logResponseError: false,
    request: {
      apiKey: 3,
      apiVersion: 10,
      apiName: 'Metadata',
      encode: async () => {
        const writer = new ByteWriter();
        writer.int8(0); // the header's tagged fields: kafkajs writes the older header, without them
        writer.int8(2).bytes(Buffer.alloc(16)); // one topic, without an id
        compactString(writer, topic);
        writer.int8(0); // its tagged fields
        writer.int8(0).int8(0).int8(0); // no topic is made, no rights are asked for
        writer.int8(0); // tagged fields
        return encoded(writer.view());
      },
    },
    response: { decode: async (payload) => decodeIdentity(new ByteReader(payload)), parse: async (data) => data },
  };
}

function decodeIdentity(reader: ByteReader): string {
  skipTags(reader);
  reader.int32(); // throttle time
  for (let brokers = uvarint(reader) - 1; brokers > 0; brokers -= 1) {
    reader.int32();
    text(reader);
    reader.int32();
    text(reader);
    skipTags(reader);
  }
  const cluster = text(reader);
  reader.int32(); // controller
  uvarint(reader); // one topic
  const errorCode = reader.int16();
  if (errorCode !== 0) throw protocolError(errorCode);
  text(reader);
  const id = reader.buffer.toString('hex', reader.at, reader.at + 16);
  return `kafka ${cluster ?? '?'} ${id}`;
}

/** Compact; null has length 0. */
function text(reader: ByteReader): string | null {
  const length = uvarint(reader) - 1;
  if (length < 0) return null;
  reader.at += length;
  return reader.buffer.toString('utf8', reader.at - length, reader.at);
}

function skipTags(reader: ByteReader): void {
  for (let tags = uvarint(reader); tags > 0; tags -= 1) {
    uvarint(reader);
    const length = uvarint(reader);
    reader.at += length;
  }
}

function uvarint(reader: ByteReader): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = reader.int8();
    value |= (byte & 0x7f) << shift;
    if (byte >= 0) return value >>> 0;
  }
}
