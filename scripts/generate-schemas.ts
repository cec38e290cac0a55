/**
 * Writes schemas/generated.ts from schemas/*.avsc. `--check` writes nothing and fails if it is stale.
 * `--release <version>` also keeps the schemas, with sample values as bytes, under schemas/released/<version>/,
 * for the test that today's readers read them (schemas/released.test.ts). A released version is never changed.
 *
 * Each .avsc stands alone (any Avro tool reads it); named types that several files define must be equal
 * in all of them, and become one TypeScript type.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { avroType, readSchema, schemaFile, schemaNames } from '../schemas/avsc.ts';
import { sampleValues } from '../schemas/samples.ts';

type Schema = string | Schema[] | { type: Schema; [key: string]: unknown };
interface Named {
  readonly type: 'record' | 'enum';
  readonly name: string;
  readonly doc?: string;
  readonly symbols?: readonly string[];
  readonly fields?: readonly { readonly name: string; readonly type: Schema; readonly doc?: string }[];
}

const folder = new URL('../schemas/', import.meta.url);
const target = new URL('generated.ts', folder);
const types = new Map<string, { readonly source: string; readonly shape: string; readonly text: string }>();

const primitives: Readonly<Record<string, string>> = {
  null: 'null',
  boolean: 'boolean',
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  string: 'string',
  bytes: 'Buffer',
};

function typeOf(schema: Schema, file: string): string {
  if (typeof schema === 'string') return primitives[schema] ?? schema.split('.').at(-1)!;
  if (Array.isArray(schema))
    return schema
      .map((branch) => typeOf(branch, file))
      .sort((a, b) => Number(a === 'null') - Number(b === 'null'))
      .join(' | ');
  if (schema.type === 'array') {
    const item = typeOf(schema.items as Schema, file);
    return item.includes(' ') ? `(${item})[]` : `${item}[]`;
  }
  if (schema.type === 'record' || schema.type === 'enum') return define(schema as unknown as Named, file);
  return typeOf(schema.type, file);
}

const comment = (doc: string | undefined, indent: string): string => (doc === undefined ? '' : `${indent}/** ${doc} */\n`);

function define(schema: Named, file: string): string {
  const shape = JSON.stringify(schema);
  const known = types.get(schema.name);
  if (known !== undefined) {
    if (known.shape !== shape) throw new Error(`${file}: ${schema.name} differs from the one in ${known.source}`);
    return schema.name;
  }
  let text: string;
  if (schema.type === 'enum') {
    const constant = `${schema.name[0]!.toLowerCase()}${schema.name.slice(1)}Symbols`;
    const symbols = schema.symbols!.map((symbol) => `'${symbol}'`).join(', ');
    text = [
      `${comment(schema.doc, '')}export const ${constant} = [${symbols}] as const;\n`,
      `export type ${schema.name} = (typeof ${constant})[number];\n`,
    ].join('');
  } else {
    const fields = schema.fields!.map((field) => `${comment(field.doc, '  ')}  ${field.name}: ${typeOf(field.type, file)};\n`);
    text = `${comment(schema.doc, '')}export interface ${schema.name} {\n${fields.join('')}}\n`;
  }
  types.set(schema.name, { source: file, shape, text });
  return schema.name;
}

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.avsc'))
  .sort()) {
  define(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Named, file);
}

const header = '// GENERATED from schemas/*.avsc by scripts/generate-schemas.ts. Do not edit.';
const text = `${header}\n\n${[...types.values()].map((type) => type.text).join('\n')}`;
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('schemas/generated.ts is stale: run `npm run generate`.');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}

function release(version: string): void {
  const kept = new URL(`released/${version}/`, folder);
  mkdirSync(new URL('.', new URL('released/', folder)), { recursive: true });
  mkdirSync(kept); // fails if it is there: what is released stays as it was
  const samples = schemaNames.map((name) => {
    copyFileSync(new URL(schemaFile(name), folder), new URL(schemaFile(name), kept));
    const type = avroType(readSchema(name));
    return [name, sampleValues[name].map((value) => ({ value, hex: type.toBuffer(value).toString('hex') }))] as const;
  });
  writeFileSync(new URL('samples.json', kept), `${JSON.stringify(Object.fromEntries(samples), null, 2)}\n`);
}

const releaseAt = process.argv.indexOf('--release');
if (releaseAt > 0) {
  const version = process.argv[releaseAt + 1] ?? '';
  if (!/^\d+\.\d+\.\d+$/.test(version)) {
    console.error('--release wants a version: --release 1.2.3');
    process.exit(2);
  }
  release(version);
}
