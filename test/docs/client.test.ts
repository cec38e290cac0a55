/** The examples of docs/client.md: each compiles, and all of them run, against a gateway. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Rig, startRig } from '../gateway/harness.ts';
import { blocksOf } from '../guide/blocks.ts';
import { read } from './page.ts';

const root = join(import.meta.dirname, '../..');
const examples = blocksOf(read('docs/client.md')).filter(({ words }) => words[0] === 'example');
/** One below the root, as docs/ is, so that the examples' imports lead where the page's do. */
const file = join(root, 'dist', `client-examples-${process.pid}.ts`);
let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  mkdirSync(join(root, 'dist'), { recursive: true });
});
afterAll(async () => {
  rmSync(file, { force: true });
  await rig.close();
});

/** The examples as one program: imports first and once, addresses of here, and the two functions that an app would have. */
function program(url: string): string {
  const lines = examples.flatMap(({ text }) => text.split('\n'));
  const imports = [...new Set(lines.filter((line) => line.startsWith('import ')))];
  const rest = lines.filter((line) => !line.startsWith('import ')).join('\n');
  return [
    ...imports,
    'const show = (user: string, state: string): void => console.log(user, state);',
    "const fetch = async (_: string): Promise<Response> => new Response('dev:docs');",
    'Object.assign(globalThis, { WebSocket });',
    rest.replace('https://presence.example.com', url).replace('http://127.0.0.1:8080', url),
    'export { bot, client };',
  ].join('\n');
}

test('there are examples of each part, and every one has the right types', { timeout: 180_000 }, () => {
  expect(examples.length).toBe(4);
  writeFileSync(file, program('https://presence.example.com'));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const faults = ts.getPreEmitDiagnostics(ts.createProgram([file], options));
  expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

test('each limit of the client is in the page, with its value', () => {
  const folder = join(root, 'client');
  const limits = readdirSync(folder)
    .filter((name) => /^[a-z-]+\.ts$/.test(name))
    .flatMap((name) => [...read(`client/${name}`).matchAll(/const ([A-Z_]+_(?:MAX|LIMIT)) = ([\d_]+);/g)])
    .map(([, name, value]) => `\`${name}\` ${Number(value!.replace('_', '')).toLocaleString('en')} `);
  expect(limits.length).toBe(3);
  expect(limits.filter((limit) => !read('docs/client.md').includes(limit))).toEqual([]);
});

test('they run', async () => {
  writeFileSync(file, program(rig.url));
  const said = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { bot } = (await import(file)) as { bot: { close(): void } };
  await vi.waitFor(() => expect(said.mock.calls.flat()).toContain('open'), { timeout: 15_000 });
  bot.close();
  said.mockRestore();
});
