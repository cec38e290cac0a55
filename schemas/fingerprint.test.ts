import { describe, expect, test } from 'vitest';
import { type AvroSchema, avroType, readSchema, schemaNames } from './avsc.ts';
import { canonicalForm, fingerprint } from './fingerprint.ts';

describe('a fingerprint', () => {
  // From the Avro project's own test data (share/test/data/schema-tests.txt).
  test.each([
    ['null', 7195948357588979594n],
    ['boolean', -6970731678124411036n],
    ['int', 8247732601305521295n],
    ['long', -3434872931120570953n],
    ['string', -8142146995180207161n],
  ])('of "%s" is the one that the Avro project gives', (schema, expected) => {
    expect(BigInt.asIntN(64, BigInt(`0x${fingerprint(schema)}`))).toBe(expected);
  });

  test('does not change with docs, defaults and the order of attributes', () => {
    const one: AvroSchema = { type: 'record', name: 'R', doc: 'x', fields: [{ name: 'a', type: 'int', default: 3, doc: 'y' }] };
    const other: AvroSchema = { fields: [{ type: { type: 'int' }, name: 'a' }], name: 'R', type: 'record' };
    expect(fingerprint(one)).toBe(fingerprint(other));
  });

  test('changes with a field, its type and its place', () => {
    const of = (...fields: readonly object[]) => fingerprint({ type: 'record', name: 'R', fields });
    const [a, b] = [
      { name: 'a', type: 'int' },
      { name: 'b', type: 'int' },
    ];
    expect(new Set([of(a), of(a, b), of(b, a), of({ name: 'a', type: 'long' })]).size).toBe(4);
  });
});

test.each(schemaNames)('the canonical form of %s is a schema that reads what it writes', (name) => {
  const schema = readSchema(name);
  const canonical = JSON.parse(canonicalForm(schema)) as AvroSchema;
  expect(canonicalForm(canonical)).toBe(canonicalForm(schema));
  expect(avroType(canonical).createResolver(avroType(schema))).toBeDefined();
});
