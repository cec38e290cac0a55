/**
 * Four projects. `npm test` runs all of them, `npx vitest run <path>` what you name.
 * - unit: pure and quick, in parallel; everything that is in none of the others.
 * - parts: whatever asks for a real part (imports test/stack), wherever it lies; two files at a time.
 * - system: whole systems under load or fault (test/e2e, test/chaos, test/simulation); one at a time, so that
 *   they do not take the processor from each other.
 * - browser: pages in a real browser (test/browser); one at a time.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;
const elsewhere = ['node_modules', 'dist', 'data', 'coverage'];

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || elsewhere.includes(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.ts') ? [relative(root, path).replaceAll('\\', '/')] : [];
  });
}

type ProjectName = 'unit' | 'parts' | 'system' | 'browser';

function projectOf(file: string): ProjectName {
  if (/^test\/(e2e|chaos|simulation)\//.test(file)) return 'system';
  if (file.startsWith('test/browser/')) return 'browser';
  const asks =
    file.startsWith('test/stack/') || /from '[^']*\/stack\/(suite|index)\.ts'/.test(readFileSync(join(root, file), 'utf8'));
  return asks ? 'parts' : 'unit';
}

const files = new Map<ProjectName, string[]>();
for (const file of testFiles(root)) files.set(projectOf(file), [...(files.get(projectOf(file)) ?? []), file]);

interface Limits {
  readonly testTimeout: number;
  readonly hookTimeout: number;
  readonly maxWorkers?: number;
  readonly groupOrder: number;
}

function project(name: ProjectName, { groupOrder, ...limits }: Limits) {
  return {
    test: {
      name,
      include: files.get(name) ?? [],
      globalSetup: ['test/stack/global-setup.ts'],
      environment: 'node' as const,
      pool: 'forks' as const,
      sequence: { groupOrder },
      ...limits,
      ...(limits.maxWorkers === 1 ? { fileParallelism: false } : {}),
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', { testTimeout: 20_000, hookTimeout: 20_000, groupOrder: 0 }),
      project('parts', { testTimeout: 60_000, hookTimeout: 120_000, maxWorkers: 2, groupOrder: 1 }),
      project('system', { testTimeout: 180_000, hookTimeout: 180_000, maxWorkers: 1, groupOrder: 2 }),
      project('browser', { testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 1, groupOrder: 3 }),
    ],
  },
});
