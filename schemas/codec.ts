/**
 * Avro values in Confluent wire format: a zero byte, the schema's id (4 bytes, big endian), the value.
 * Ids are resolved once; encoding and decoding are synchronous.
 *
 * **Model.** `createCodecs` registers today's schemas and so learns the ids to write. To read, each codec
 * keeps a resolver for each id it has met: values of today's schema are read directly, values of another
 * version through avsc's resolver into today's fields. Which ids are known is shared by all codecs: an id
 * met for the first time is fetched by `prepare`, before the batch that it is in is decoded.
 */
import type avro from 'avsc';
import { hasCode, PresenceError } from '../base/errors.ts';
import { gauge } from '../base/metrics.ts';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { avroType, readSchema, type SchemaName, schemaNames } from './avsc.ts';
import type { Audit, Delivery, Diff, Interest, PartitionState, Route, RoutedDelivery, Signal, UserState } from './generated.ts';
import { checkSignal } from './signal.ts';
import { SignalReader } from './signal-reader.ts';
import { subjects } from './topics.ts';

export interface ValueCodec<T> {
  /** The same value gives the same bytes. Throws INTERNAL for a value that is not of its type. */
  encode(value: T): Buffer;
  /** Throws UNDECODABLE. The writer's schema must be known: see `Codecs.prepare`. */
  decode(bytes: Buffer): T;
  /** The same of the bytes in [from, to): for who reads many values out of one buffer. */
  decodeIn?(buffer: Buffer, from: number, to: number): T;
}

export interface Codecs {
  /** Decoding also checks which fields a kind needs (signal.ts). */
  readonly signal: ValueCodec<Signal>;
  readonly userState: ValueCodec<UserState>;
  readonly partitionState: ValueCodec<PartitionState>;
  readonly diff: ValueCodec<Diff>;
  readonly interest: ValueCodec<Interest>;
  readonly delivery: ValueCodec<Delivery>;
  readonly route: ValueCodec<Route>;
  readonly routedDelivery: ValueCodec<RoutedDelivery>;
  readonly audit: ValueCodec<Audit>;
  /**
   * Fetches the schemas of ids not met before. undefined (nothing to wait for) when all are known, which
   * is nearly always: `const wait = codecs.prepare(values); if (wait) await wait;`. An id that the registry does
   * not know is remembered, and its values are UNDECODABLE; an unreachable registry rejects (retriable).
   */
  prepare(values: Iterable<Buffer | null>): Promise<void> | undefined;
}

export interface CodecOptions {
  readonly registry: SchemaRegistry;
  /** Schemas to write and read with instead of today's own, by name; for tests. */
  readonly schemas?: Partial<Readonly<Record<SchemaName, object>>>;
}

/** Registers the schemas (rejects with SCHEMA_REFUSED or LOG_UNAVAILABLE) and builds their codecs. */
export async function createCodecs(options: CodecOptions): Promise<Codecs> {
  const writers = new WriterSchemas(options.registry);
  const ids = new Map<SchemaName, number>();
  const types = new Map<SchemaName, avro.Type>();
  for (const name of schemaNames) {
    const schema = options.schemas?.[name] ?? readSchema(name);
    const id = await options.registry.register(subjects[name], schema);
    ids.set(name, id);
    types.set(name, writers.add(id, schema));
  }
  const codec = <T>(name: SchemaName): AvroCodec<T> => new AvroCodec<T>(name, ids.get(name)!, types.get(name)!, writers);
  // A reader by hand knows today's schema alone.
  const own = options.schemas?.Signal === undefined ? ids.get('Signal')! : -1;
  return {
    signal: new SignalCodec(codec<Signal>('Signal'), own),
    userState: codec<UserState>('UserState'),
    partitionState: codec<PartitionState>('PartitionState'),
    diff: codec<Diff>('Diff'),
    interest: codec<Interest>('Interest'),
    delivery: codec<Delivery>('Delivery'),
    route: codec<Route>('Route'),
    routedDelivery: codec<RoutedDelivery>('RoutedDelivery'),
    audit: codec<Audit>('Audit'),
    prepare: (values) => writers.prepare(values),
  };
}

const HEADER = 5;

function undecodable(at: string, message: string, cause?: unknown): PresenceError {
  return new PresenceError('UNDECODABLE', `${at}: ${message}`, { at, retriable: false, cause });
}

/** The schema's id in the header of the value in [from, to); -1 where there is no such header. */
export const schemaIdOf = (bytes: Buffer, from = 0, to = bytes.length): number =>
  to - from >= HEADER && bytes[from] === 0 ? bytes.readUInt32BE(from + 1) : -1;

/** Ids remembered as unknown; at the limit all are forgotten and asked again, so that garbage cannot fill the memory. */
export const UNKNOWN_IDS_MAX = 10_000;

const unknownIds = gauge('presence_schema_ids_unknown_count', 'Schema ids met in records that the registry does not know.');

/** The schemas that values were written with, by id. */
class WriterSchemas {
  readonly #registry: SchemaRegistry;
  readonly #types = new Map<number, avro.Type>();
  readonly #unknown = new Set<number>();
  readonly #underWay = new Map<number, Promise<void>>();

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  add(id: number, schema: object): avro.Type {
    const type = avroType(schema);
    this.#types.set(id, type);
    return type;
  }

  get(id: number): avro.Type | undefined {
    return this.#types.get(id);
  }

  isUnknown(id: number): boolean {
    return this.#unknown.has(id);
  }

  prepare(values: Iterable<Buffer | null>): Promise<void> | undefined {
    let missing: Set<number> | undefined;
    let last = -1;
    for (const value of values) {
      if (value === null) continue;
      const id = schemaIdOf(value);
      if (id === last || id < 0) continue;
      last = id;
      if (!this.#types.has(id) && !this.#unknown.has(id)) (missing ??= new Set()).add(id);
    }
    return missing === undefined ? undefined : Promise.all([...missing].map((id) => this.#fetchOnce(id))).then(() => undefined);
  }

  #fetchOnce(id: number): Promise<void> {
    const known = this.#underWay.get(id);
    if (known !== undefined) return known;
    const fetching = this.#fetch(id).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, fetching);
    return fetching;
  }

  async #fetch(id: number): Promise<void> {
    try {
      this.add(id, await this.#registry.schema(id));
    } catch (error) {
      // Only "cannot be reached" may change; a schema that is not there or that is no Avro will not.
      if (error instanceof PresenceError && !hasCode(error, 'UNDECODABLE')) throw error;
      if (this.#unknown.size >= UNKNOWN_IDS_MAX) this.#unknown.clear();
      this.#unknown.add(id);
      unknownIds.set(this.#unknown.size);
    }
  }
}

/** One type's codec: writes with today's schema, reads every compatible one. */
class AvroCodec<T> implements ValueCodec<T> {
  readonly #name: string;
  readonly #id: number;
  readonly #type: avro.Type;
  readonly #writers: WriterSchemas;
  /** By writer's id: undefined as value means "as we write it", no resolver needed. */
  readonly #resolvers = new Map<number, ReturnType<avro.Type['createResolver']> | undefined>();
  #buffer = Buffer.alloc(1_024);

  constructor(name: string, id: number, type: avro.Type, writers: WriterSchemas) {
    this.#name = name;
    this.#id = id;
    this.#type = type;
    this.#writers = writers;
    this.#resolvers.set(id, undefined);
  }

  encode(value: T): Buffer {
    // The buffer grows and is kept: encoding into it is more than twice as fast as allocating for each value.
    for (;;) {
      const buffer = this.#buffer;
      buffer[0] = 0;
      buffer.writeUInt32BE(this.#id, 1);
      let end: number;
      try {
        end = this.#type.encode(value, buffer, HEADER);
      } catch (cause) {
        throw this.#invalid(value, cause);
      }
      if (end >= 0) return Buffer.from(buffer.subarray(0, end));
      this.#buffer = Buffer.alloc(Math.max(buffer.length * 2, buffer.length - end));
    }
  }

  decode(bytes: Buffer): T {
    const id = schemaIdOf(bytes);
    if (id < 0) throw undecodable(this.#name, 'not in Confluent wire format (a zero byte and a schema id)');
    const resolver = this.#resolvers.has(id) ? this.#resolvers.get(id) : this.#resolve(id);
    let decoded: { value: unknown; offset: number };
    try {
      decoded = this.#type.decode(bytes, HEADER, resolver);
    } catch (cause) {
      throw undecodable(this.#name, `${messageOf(cause)} (schema id ${id})`, cause);
    }
    if (decoded.offset < 0) throw undecodable(this.#name, `the value ends too early (schema id ${id})`);
    const rest = bytes.length - decoded.offset;
    if (rest !== 0) throw undecodable(this.#name, `${rest} bytes too many after the value (schema id ${id})`);
    return decoded.value as T;
  }

  #resolve(id: number): ReturnType<avro.Type['createResolver']> | undefined {
    const writer = this.#writers.get(id);
    if (writer === undefined) {
      throw undecodable(
        this.#name,
        this.#writers.isUnknown(id) ? `the registry has no Avro schema with id ${id}` : `schema id ${id} was not prepared`,
      );
    }
    try {
      const resolver = writer.equals(this.#type) ? undefined : this.#type.createResolver(writer);
      this.#resolvers.set(id, resolver);
      return resolver;
    } catch (cause) {
      throw undecodable(this.#name, `values of schema id ${id} cannot be read: ${messageOf(cause)}`, cause);
    }
  }

  #invalid(value: T, cause: unknown): PresenceError {
    const paths: string[] = [];
    this.#type.isValid(value, { errorHook: (path) => paths.push(path.join('.')) });
    const where = paths.length > 0 ? ` (at ${paths.join(', ')})` : '';
    return new PresenceError('INTERNAL', `${this.#name}: a value that is not of its schema${where}: ${messageOf(cause)}`, {
      at: this.#name,
      retriable: false,
      cause,
    });
  }
}

/** Checks what it decodes, and reads what is written with today's schema (`own`, its id) by hand. */
class SignalCodec implements ValueCodec<Signal> {
  readonly #codec: AvroCodec<Signal>;
  readonly #own: number;
  readonly #reader = new SignalReader();

  constructor(codec: AvroCodec<Signal>, own: number) {
    this.#codec = codec;
    this.#own = own;
  }

  encode(value: Signal): Buffer {
    return this.#codec.encode(value);
  }

  decode(bytes: Buffer): Signal {
    return this.decodeIn(bytes, 0, bytes.length);
  }

  decodeIn(buffer: Buffer, from: number, to: number): Signal {
    const readable = to - from >= HEADER && buffer[from] === 0 && buffer.readUInt32BE(from + 1) === this.#own;
    const read = readable ? this.#reader.read(buffer, from + HEADER, to) : null;
    const value = read ?? this.#codec.decode(buffer.subarray(from, to));
    const faults = checkSignal(value);
    if (faults !== null) throw undecodable('Signal', faults);
    return value;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
