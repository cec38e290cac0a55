/** `presence schemas`: which there are, whether they can be released, and registering them. */
import { readdirSync } from 'node:fs';
import type { Command } from 'commander';
import { PresenceError } from '../../base/errors.ts';
import { incompatibility, readSchema, schemaFile, schemaNames, schemasIn } from '../../schemas/avsc.ts';
import { subjects } from '../../schemas/topics.ts';

const released = new URL('../../schemas/released/', import.meta.url);
const versions = (): string[] => readdirSync(released).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

export function addSchemas(program: Command): void {
  const schemas = program
    .command('schemas')
    .description('Lists, checks and registers the Avro schemas.')
    .addHelpText('after', '\nExamples:\n  presence schemas check\n  presence schemas register --registry http://registry:8081');

  schemas
    .command('list')
    .description('Each schema, its subject, its file, and in which releases it stands.')
    .action(() => {
      for (const name of schemaNames) {
        const those = versions().filter((version) => schemasIn(new URL(`${version}/`, released)).includes(name));
        process.stdout.write(`${name}\t${subjects[name]}\tschemas/${schemaFile(name)}\t${those.join(', ')}\n`);
      }
    });

  schemas
    .command('check')
    .description('Whether what any released version wrote can still be read. 1 if not.')
    .action(() => {
      let checked = 0;
      for (const version of versions()) {
        const folder = new URL(`${version}/`, released);
        for (const name of schemasIn(folder)) {
          const fault = incompatibility(readSchema(name), readSchema(name, folder));
          checked += 1;
          if (fault === null) continue;
          process.stdout.write(`schemas/${schemaFile(name)}: does not read what ${version} wrote: ${fault}\n`);
          process.exitCode = 1;
        }
      }
      if (process.exitCode !== 1)
        process.stdout.write(`${schemaNames.length} schemas read what every released version wrote (${checked} checks).\n`);
    });

  schemas
    .command('register')
    .description('Registers all schemas, with BACKWARD compatibility. `presence up` does so too.')
    .option('--registry <url>', 'where the Confluent API begins [SCHEMA_REGISTRY_URL]')
    .action(async (options: { readonly registry?: string }) => {
      const url = options.registry ?? process.env.SCHEMA_REGISTRY_URL ?? '';
      if (!URL.canParse(url)) {
        throw new PresenceError('BAD_SETTING', 'Which registry? Give --registry or SCHEMA_REGISTRY_URL, a URL.', {
          at: 'SCHEMA_REGISTRY_URL',
          retriable: false,
        });
      }
      const { createConfluentRegistry } = await import('../../schemas/confluent-registry.ts');
      const registry = createConfluentRegistry({ url });
      for (const name of schemaNames) {
        const id = await registry.register(subjects[name], readSchema(name));
        process.stdout.write(`${subjects[name]}\t${id}\n`);
      }
    });
}
