/** Every version of the schemas that was ever released stays readable: the log, and archives, hold values of all of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { SchemaRegistry } from '../ports/schema-registry.ts';
import { incompatibility, readSchema, type SchemaName, schemasIn } from './avsc.ts';
import { type Codecs, createCodecs } from './codec.ts';
import { createEmbeddedRegistry } from './embedded-registry.ts';

const released = new URL('./released/', import.meta.url);
const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
const versions = readdirSync(released).sort(byNumber);
const folderOf = (version: string): URL => new URL(`${version}/`, released);

type Samples = Readonly<Record<SchemaName, readonly { readonly value: object; readonly hex: string }[]>>;

const codecOf = (codecs: Codecs, name: SchemaName): { decode(bytes: Buffer): unknown } =>
  codecs[`${name[0]!.toLowerCase()}${name.slice(1)}` as keyof Omit<Codecs, 'prepare'>];

/** A registry that also knows this schema, under an id of its own. */
const withWriter = (schema: object): SchemaRegistry => {
  const embedded = createEmbeddedRegistry();
  return { ...embedded, schema: async (id) => (id === 1_000 ? schema : embedded.schema(id)) };
};

const framed = (hex: string): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, 1_000 >> 8, 1_000 & 0xff]), Buffer.from(hex, 'hex')]);

test('at least one version is kept', () => {
  expect(versions.length).toBeGreaterThan(0);
});

for (const version of versions) {
  describe(`schemas ${version}`, () => {
    const samples = JSON.parse(readFileSync(new URL('samples.json', folderOf(version)), 'utf8')) as Samples;

    for (const name of schemasIn(folderOf(version))) {
      test(`${name}: what was written then is read into the fields of today`, async () => {
        const writer = readSchema(name, folderOf(version));
        expect(incompatibility(readSchema(name), writer)).toBeNull();
        const codecs = await createCodecs({ registry: withWriter(writer) });
        const today = (readSchema(name) as { fields: { name: string }[] }).fields.map((field) => field.name);
        expect(samples[name].length).toBeGreaterThan(0);
        for (const { value, hex } of samples[name]) {
          await codecs.prepare([framed(hex)]);
          const read = codecOf(codecs, name).decode(framed(hex)) as object;
          expect(Object.keys(read)).toEqual(today);
          expect(read).toMatchObject(Object.fromEntries(Object.entries(value).filter(([field]) => today.includes(field))));
        }
      });
    }
  });
}
