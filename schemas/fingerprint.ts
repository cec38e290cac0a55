/**
 * What a schema is to those who read and write with it: Avro's Parsing Canonical Form (without docs, defaults and aliases),
 * and its 64-bit fingerprint (CRC-64-AVRO), as the Avro specification gives them. Equal fingerprints: the same bytes.
 */
import type { AvroSchema } from './avsc.ts';

type Part = string | readonly Part[] | { readonly [key: string]: unknown };

const ATTRIBUTES = ['name', 'type', 'fields', 'symbols', 'items', 'values', 'size'] as const;
const NAMED: ReadonlySet<unknown> = new Set(['record', 'enum', 'fixed', 'error']);
const PRIMITIVES: ReadonlySet<string> = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']);

/** Parsing Canonical Form, as text. */
export const canonicalForm = (schema: AvroSchema): string => JSON.stringify(canonical(schema, ''));

const qualified = (name: string, space: string): string =>
  PRIMITIVES.has(name) || name.includes('.') || space === '' ? name : `${space}.${name}`;

function canonical(part: Part, space: string): unknown {
  if (typeof part === 'string') return qualified(part, space);
  if (Array.isArray(part)) return part.map((one: Part) => canonical(one, space));
  const schema = part as { readonly [key: string]: unknown };
  const { type } = schema;
  if (typeof type === 'string' && PRIMITIVES.has(type)) return type;
  const name = typeof schema.name === 'string' ? schema.name : '';
  const inside = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : ((schema.namespace as string | undefined) ?? space);
  const form: Record<string, unknown> = {};
  for (const key of ATTRIBUTES) {
    const value = schema[key];
    if (value === undefined) continue;
    if (key === 'name') form.name = NAMED.has(type) ? qualified(name, inside) : name;
    else if (key === 'fields')
      form.fields = (value as readonly { readonly name: string; readonly type: Part }[]).map((field) => ({
        name: field.name,
        type: canonical(field.type, inside),
      }));
    else if (key === 'items' || key === 'values') form[key] = canonical(value as Part, inside);
    else form[key] = value;
  }
  return form;
}

const EMPTY = 0xc15d213aa4d7a795n;
const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let fingerprint = BigInt(byte);
  for (let bit = 0; bit < 8; bit += 1) fingerprint = (fingerprint >> 1n) ^ (fingerprint & 1n ? EMPTY : 0n);
  return fingerprint;
});

/** CRC-64-AVRO of the canonical form: 16 hex digits. */
export function fingerprint(schema: AvroSchema | string): string {
  let result = EMPTY;
  const form = typeof schema === 'string' ? JSON.stringify(schema) : canonicalForm(schema);
  for (const byte of new TextEncoder().encode(form))
    result = (result >> 8n) ^ (TABLE[Number((result ^ BigInt(byte)) & 0xffn)] as bigint);
  return result.toString(16).padStart(16, '0');
}
