/**
 * Writes schemas/generated.ts from schemas/*.avsc. `--check` writes nothing and fails if it is stale.
 *
 * Each .avsc stands alone (any Avro tool reads it); named types that several files define must be equal
 * in all of them, and become one TypeScript type.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

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
  null: 'null', boolean: 'boolean', int: 'number', long: 'number', float: 'number', double: 'number', string: 'string', bytes: 'Buffer',
};

function typeOf(schema: Schema, file: string): string {
  if (typeof schema === 'string') return primitives[schema] ?? schema.split('.').at(-1)!;
  if (Array.isArray(schema)) return schema.map((branch) => typeOf(branch, file)).sort((a, b) => Number(a === 'null') - Number(b === 'null')).join(' | ');
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
    text = `${comment(schema.doc, '')}export const ${constant} = [${schema.symbols!.map((s) => `'${s}'`).join(', ')}] as const;\nexport type ${schema.name} = (typeof ${constant})[number];\n`;
  } else {
    const fields = schema.fields!.map((field) => `${comment(field.doc, '  ')}  ${field.name}: ${typeOf(field.type, file)};\n`);
    text = `${comment(schema.doc, '')}export interface ${schema.name} {\n${fields.join('')}}\n`;
  }
  types.set(schema.name, { source: file, shape, text });
  return schema.name;
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.avsc')).sort()) {
  define(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Named, file);
}

const text = `// GENERATED from schemas/*.avsc by scripts/generate-schemas.ts. Do not edit.\n\n${[...types.values()].map((type) => type.text).join('\n')}`;
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('schemas/generated.ts is stale: run `npm run generate`.');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
