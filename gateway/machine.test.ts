import { describe, expect, test } from 'vitest';
import type { Logger } from '../base/logger.ts';
import { CONNECTION_BYTES, CONNECTIONS_MAX, connectionsThatFit, FILES_KEPT, machineLimits } from './machine.ts';

const GIB = 2 ** 30;

/** A machine of files, as Linux shows itself; what is not there cannot be read. */
const machine = (files: Readonly<Record<string, string>>) => (file: string) => {
  const text = files[file];
  if (text === undefined) throw new Error(`ENOENT: ${file}`);
  return text;
};

const limitsFile = (soft: string): string =>
  [
    'Limit                     Soft Limit           Hard Limit           Units',
    `Max open files            ${soft}                1048576              files`,
  ].join('\n');

describe('What a machine gives', () => {
  test.each<[what: string, files: Record<string, string>, open: number | null, memory: number | null]>([
    ['a soft limit of descriptors counts', { '/proc/self/limits': limitsFile('20000') }, 20_000, null],
    ['no limit is none', { '/proc/self/limits': limitsFile('unlimited') }, null, null],
    ['a system that does not say has none', {}, null, null],
    ['a container has less memory than the machine', { '/sys/fs/cgroup/memory.max': '1048576\n' }, null, 1_048_576],
    ['so has one of the older kind', { '/sys/fs/cgroup/memory/memory.limit_in_bytes': '2097152\n' }, null, 2_097_152],
    ['a container without a limit has all', { '/sys/fs/cgroup/memory.max': 'max\n' }, null, null],
  ])('%s', (_, files, open, memory) => {
    const limits = machineLimits(machine(files));
    const all = machineLimits(machine({})).memory;
    expect([limits.files, limits.memory]).toEqual([open, memory ?? all]);
  });
});

describe('Connections that fit', () => {
  const said: string[] = [];
  const logger = { info: () => {}, warn: (_: object, text: string) => said.push(text) } as unknown as Logger;

  test.each<[what: string, asked: number, files: number | null, memory: number, fit: number, warnings: readonly RegExp[]]>([
    ['all, where there is enough', 10_000, 20_000, 8 * GIB, 10_000, []],
    ['all, where nobody counts descriptors', 10_000, null, 8 * GIB, 10_000, []],
    ['as many as descriptors bear', 250_000, 20_000, 8 * GIB, 20_000 - FILES_KEPT, [/descriptors/]],
    ['one, where descriptors bear none', 250_000, 100, 8 * GIB, 1, [/descriptors/]],
    ['memory is a warning, and lowers nothing', 10_000, null, 10_000 * CONNECTION_BYTES - 1, 10_000, [/Memory/]],
    ['both', 250_000, 20_000, 1_000, 20_000 - FILES_KEPT, [/descriptors/, /Memory/]],
  ])('%s', (_, asked, files, memory, fit, warnings) => {
    said.length = 0;
    expect(connectionsThatFit(asked, { files, memory, heap: 8 * GIB }, logger)).toBe(fit);
    expect(said).toHaveLength(warnings.length);
    warnings.forEach((warning, i) => {
      expect(said[i]).toMatch(warning);
    });
  });

  test('nobody is warned of what nobody asked for', () => {
    said.length = 0;
    expect(connectionsThatFit(undefined, { files: 20_000, memory: 1_000, heap: 8 * GIB }, logger)).toBe(20_000 - FILES_KEPT);
    expect(connectionsThatFit(undefined, { files: null, memory: 1_000, heap: 8 * GIB }, logger)).toBe(CONNECTIONS_MAX);
    expect(said).toEqual([]);
  });

  test('the heap counts as memory does', () => {
    said.length = 0;
    connectionsThatFit(10_000, { files: null, memory: 8 * GIB, heap: 10_000 * CONNECTION_BYTES - 1 }, logger);
    expect(said).toEqual([expect.stringMatching(/Memory/)]);
  });
});
