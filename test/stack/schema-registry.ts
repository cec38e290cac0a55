/** A schema registry that speaks Confluent's API: Apicurio, schemas in memory, gone with the process. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerRunner, engineAnswers } from './containers.ts';
import { fetchJars, run } from './machine.ts';
import { type Part, type Runner, type Skipped, startPart } from './part.ts';
import { freePort, processRunner, tempFolder } from './process.ts';
import { orSkipped } from './skip.ts';

const version = '2.6.13.Final';

/** Starts a registry for the caller alone. `url` is the root of the Confluent API, as SCHEMA_REGISTRY_URL takes it. */
export async function schemaRegistry(): Promise<Part | Skipped> {
  return await orSkipped('Schema registry', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
    const container = await engineAnswers();
    const runner = container
      ? containerRunner({ image: `apicurio/apicurio-registry-mem:${version}`, port, inside: 8080 })
      : await nativeRegistry(port);
    return await startPart({
      description: `Apicurio Registry ${version} (${container ? 'container' : 'native'})`,
      url,
      runner,
      ready_ms: 120_000,
      answers: async () => {
        const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2000) });
        if (!response.ok) throw new Error(`The registry answered ${response.status}.`);
      },
    });
  });
}

async function nativeRegistry(port: number): Promise<Runner> {
  const jars = await fetchJars('schema-registry.xml', `apicurio-${version}`, unpack);
  const jar = readdirSync(jars).find((name) => name.endsWith('-runner.jar'))!;
  const folder = tempFolder('schema-registry');
  return processRunner({
    name: 'schema-registry',
    folder,
    command: [
      'java',
      '-Xmx256m',
      '-XX:TieredStopAtLevel=1',
      `-Dquarkus.http.port=${port}`,
      '-Dquarkus.http.host=127.0.0.1',
      '-jar',
      join(jars, jar),
    ],
  });
}

async function unpack(folder: string): Promise<void> {
  for (const archive of readdirSync(folder).filter((name) => name.endsWith('.tar.gz'))) {
    const { status, stderr } = await run('tar', ['xzf', archive], { cwd: folder });
    if (status !== 0) throw new Error(`${archive} could not be unpacked: ${stderr}`);
    rmSync(join(folder, archive));
  }
}
