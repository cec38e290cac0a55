import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { schemaRegistryContract } from '../test/contract/schema-registry.contract.ts';
import { createEmbeddedRegistry } from './embedded-registry.ts';

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'presence-schemas-'));
  folders.push(made);
  return made;
};
afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true });
});

const one = createEmbeddedRegistry();
schemaRegistryContract('embedded, in memory', async () => one);

const kept = folder();
schemaRegistryContract('embedded, kept in a folder', async () => createEmbeddedRegistry({ folder: kept }));

test('ids are the same after a restart', async () => {
  const at = join(folder(), 'not', 'there', 'yet');
  const schema = { type: 'record', name: 'A', fields: [] };
  const first = createEmbeddedRegistry({ folder: at });
  await first.register('other', 'string' as never);
  const id = await first.register('subject', schema);
  const second = createEmbeddedRegistry({ folder: at });
  expect(await second.schema(id)).toEqual(schema);
  expect(await second.register('subject', schema)).toBe(id);
});

test('a damaged file is an error that names it', () => {
  const at = folder();
  writeFileSync(join(at, 'schemas.json'), '{');
  expect(() => createEmbeddedRegistry({ folder: at })).toThrow(/schemas\.json cannot be read/);
});
