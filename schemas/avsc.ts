/**
 * The .avsc files as they stand in this folder, and what one has to know of avsc to use them safely.
 *
 * Types are built so that records come out as plain objects: equal to a literal with the same fields,
 * with every field of today's schema there, whatever the writer's schema had.
 */
import { existsSync, readFileSync } from 'node:fs';
import avro from 'avsc';
import type { subjects } from './topics.ts';

export type SchemaName = keyof typeof subjects;

/** An Avro schema as JSON has it. */
export type AvroSchema = Readonly<Record<string, unknown>>;

const files: Readonly<Record<SchemaName, string>> = {
  Signal: 'signal.avsc',
  UserState: 'user-state.avsc',
  PartitionState: 'partition-state.avsc',
  Diff: 'diff.avsc',
  Interest: 'interest.avsc',
  Delivery: 'delivery.avsc',
  Route: 'route.avsc',
  RoutedDelivery: 'routed-delivery.avsc',
  Audit: 'audit.avsc',
};

export const schemaNames = Object.keys(files) as readonly SchemaName[];
export const schemaFile = (name: SchemaName): string => files[name];

/** Those that a folder has (it ends in a slash): one that came later is not among a released version's. */
export const schemasIn = (folder: URL): readonly SchemaName[] =>
  schemaNames.filter((name) => existsSync(new URL(files[name], folder)));

/** The schema as today's source has it; `folder` ends in a slash and is this folder if not given. */
export function readSchema(name: SchemaName, folder: URL = new URL('./', import.meta.url)): AvroSchema {
  return JSON.parse(readFileSync(new URL(files[name], folder), 'utf8')) as AvroSchema;
}

/** The avsc type of a schema; throws what avsc throws on a schema that is none. */
export function avroType(schema: object): avro.Type {
  const type = avro.Type.forSchema(schema as avro.Schema, {
    wrapUnions: 'never',
    omitRecordMethods: true,
    registry: {},
    typeHook: ourTypes,
  });
  plainRecords(type, new Set());
  return type;
}

/** What keeps a reader with the schema `reader` from values written with `writer`; null if nothing does (BACKWARD). */
export function incompatibility(reader: object, writer: object): string | null {
  try {
    avroType(reader).createResolver(avroType(writer));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** avsc's own reader, as far as used here (private in its typings, stable since 5.0). */
interface Tap {
  readonly buf: Uint8Array;
  readonly pos: number;
  readLong(): number;
  writeLong(value: number): void;
  skipLong(): void;
}
interface Readable {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

/**
 * avsc believes the item count of an array: a few corrupt bytes would keep the process busy for hours. Here
 * each item must take at least one byte (true of every type of ours), so nothing is longer than its bytes.
 */
function forEachItem(tap: Tap, visit: () => void): void {
  for (let count = tap.readLong(); count !== 0; count = tap.readLong()) {
    if (count < 0) {
      count = -count;
      tap.skipLong();
    }
    if (count > tap.buf.length - tap.pos) throw new Error('an array is longer than the bytes that are left');
    for (; count > 0; count -= 1) {
      const before = tap.pos;
      visit();
      if (tap.pos <= before) throw new Error('an array item takes no bytes');
    }
  }
}

class BoundedArrayType extends avro.types.ArrayType {
  _read(tap: Tap): unknown[] {
    // Also called on resolvers, whose items are read by another's reader: only itemsType is there.
    const items: unknown[] = [];
    const reader = this.itemsType as unknown as Readable;
    forEachItem(tap, () => items.push(reader._read(tap)));
    return items;
  }

  _skip(tap: Tap): void {
    const reader = this.itemsType as unknown as Readable;
    forEachItem(tap, () => reader._skip(tap));
  }
}

/** avsc's long ends one below 2^53-1, the largest `seq` that clients may send. */
class SafeLongType extends avro.types.LongType {
  _check(value: unknown, _flags: unknown, hook: ((value: unknown, type: avro.Type) => void) | undefined): boolean {
    const fits = Number.isSafeInteger(value);
    if (!fits && hook !== undefined) hook(value, this);
    return fits;
  }

  _read(tap: Tap): number {
    const value = tap.readLong();
    if (!Number.isSafeInteger(value)) throw new Error('a long beyond 2^53-1');
    return value;
  }

  _write(tap: Tap, value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`invalid "long": ${JSON.stringify(value)}`);
    tap.writeLong(value);
  }
}

const safeLong = new SafeLongType();

// `undefined` lets avsc build every other type (its typings ask for exactly these parameters).
function ourTypes(schema: avro.Schema, options: object): avro.Type | undefined {
  if (schema === 'long') return safeLong;
  if (typeof schema !== 'object' || !('type' in schema)) return undefined;
  const { type } = schema as { readonly type: unknown };
  if (type === 'long') return safeLong;
  return type === 'array' ? new BoundedArrayType(schema, options) : undefined;
}

/** Records without methods (omitRecordMethods) and with the prototype of a literal. */
function plainRecords(type: avro.Type, seen: Set<avro.Type>): void {
  if (seen.has(type)) return;
  seen.add(type);
  if (avro.Type.isType(type, 'record')) {
    const record = type as avro.types.RecordType;
    (record.recordConstructor as { prototype: object }).prototype = Object.prototype;
    for (const field of record.fields) plainRecords(field.type, seen);
  } else if (avro.Type.isType(type, 'array')) {
    plainRecords((type as avro.types.ArrayType).itemsType, seen);
  } else if (avro.Type.isType(type, 'union')) {
    for (const branch of (type as avro.types.UnwrappedUnionType).types) plainRecords(branch, seen);
  }
}
