/**
 * Four projects, told apart by where a test lies. `npm test` runs all, `npx vitest run <path>` what you name.
 * - unit: beside the code, and laws; pure, quick, in parallel.
 * - parts: contract and integration suites on real parts; slower, two at a time.
 * - system: whole systems under load or fault (e2e, chaos, simulation); one at a time, so that they do not
 *   take the processor from each other.
 * - browser: pages in a real browser; one at a time.
 */
import { defineConfig } from 'vitest/config';

const elsewhere = ['node_modules/**', 'dist/**', '.cache/**', 'data/**'];
const parts = ['test/stack/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/integration/**/*.test.ts', '**/*.real.test.ts'];
const system = ['test/e2e/**/*.test.ts', 'test/chaos/**/*.test.ts', 'test/simulation/**/*.test.ts'];
const browser = ['test/browser/**/*.test.ts'];

const common = { globalSetup: ['test/stack/global-setup.ts'], environment: 'node' as const, pool: 'forks' as const };

export default defineConfig({
  test: {
    exclude: elsewhere,
    passWithNoTests: false,
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...elsewhere, ...parts, ...system, ...browser],
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'parts',
          include: parts,
          exclude: elsewhere,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'system',
          include: system,
          exclude: elsewhere,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...common,
          name: 'browser',
          include: browser,
          exclude: elsewhere,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
